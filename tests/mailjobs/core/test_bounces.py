"""What came back (J6): standard notifications, what servers write instead, and what is none of both."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailjobs.core.bounces import Fate, Recipient, read_report, tie
from tests.mailjobs.core.bounce_corpus import CASES, NO_REPORTS, ORIGINAL, Case

ID = "<0123456789abcdef@kanzlei-huber.example>"
TO = "office@kanzlei-huber.example"


def letter(sender: str, subject: str, text: str, headers: str = "", kind: str = "text/plain; charset=utf-8") -> bytes:
    head = f"From: {sender}\nTo: {TO}\nSubject: {subject}\n{headers}MIME-Version: 1.0\nContent-Type: {kind}\n"
    return f"{head}Content-Transfer-Encoding: 8bit\n\n{text}\n".encode()


def notification(recipients: str, original: str = f"Message-ID: {ID}\nSubject: x\n", kind: str = "text/rfc822-headers") -> bytes:
    """A report as RFC 3464 has it."""
    text = (
        "--b\nContent-Type: text/plain\n\nA machine wrote this.\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.kunde.example\nOriginal-Envelope-Id: job17\n\n{recipients}\n"
        f"--b\nContent-Type: {kind}\n\n{original}\n--b--"
    )
    return letter("MAILER-DAEMON", "Report", text, kind="multipart/report; report-type=delivery-status; boundary=b")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bounce_in_words_is_tied_to_mail_and_recipient(case: Case) -> None:
    content = letter(case.sender, case.subject, (case.text + ORIGINAL).replace("{id}", ID), case.headers)
    report = read_report(content)
    assert report is not None
    (found,) = tie(report, ID, ["max@kunde.example", "eva@kunde.example"])
    assert (found.address, found.fate.value, found.status) == ("max@kunde.example", case.fate, case.status)
    assert not report.standard


def test_there_are_at_least_thirty_of_different_systems() -> None:
    assert len({case.name for case in CASES}) >= 30


@pytest.mark.parametrize("name", NO_REPORTS)
def test_answers_and_other_letters_are_left_alone(name: str) -> None:
    sender, subject, text, headers = NO_REPORTS[name]
    assert read_report(letter(sender, subject, text.replace("{id}", ID), headers)) is None


@pytest.mark.parametrize(
    ("action", "fate"),
    [
        ("failed", Fate.FAILED),
        ("delayed", Fate.DELAYED),
        ("delivered", Fate.DELIVERED),
        ("relayed", Fate.RELAYED),
        ("Expanded", Fate.RELAYED),
    ],
)
@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a_standard_notification_says_it_for_each_recipient(action: str, fate: Fate, kind: str) -> None:
    blocks = (
        "Original-Recipient: rfc822;max@kunde.example\n"
        f"Final-Recipient: rfc822; max@intern.kunde.example\nAction: {action}\nStatus: 5.0.0\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <max@intern.kunde.example>\n    unknown\n\n"
        "Final-Recipient: rfc822; eva@kunde.example\nAction: delivered\nStatus: 2.0.0\n"
    )
    report = read_report(notification(blocks, kind=kind))
    assert report is not None
    assert (report.standard, report.envelope_id, report.message_id) == (True, "job17", ID)
    assert tie(report, ID, ["MAX@kunde.example", "eva@kunde.example"]) == (
        Recipient("MAX@kunde.example", fate, "5.1.1", "550 5.1.1 <max@intern.kunde.example> unknown"),
        Recipient("eva@kunde.example", Fate.DELIVERED, "2.0.0", "2.0.0"),
    )


def test_a_forged_report_changes_nothing() -> None:
    """Only who has seen the mail knows its Message-ID; and it says nothing of others than the mail's recipients."""
    blocks = "Final-Recipient: rfc822; max@kunde.example\nAction: failed\nStatus: 5.1.1\n"
    report = read_report(notification(blocks, original="Message-ID: <guessed@kanzlei-huber.example>\n"))
    assert report is not None
    assert tie(report, ID, ["max@kunde.example"]) == ()
    nameless = read_report(notification(blocks, original="Subject: x\n"))
    assert nameless is not None
    assert tie(nameless, ID, ["max@kunde.example"]) == ()
    assert tie(nameless, "", ["max@kunde.example"]) == ()
    genuine = read_report(notification(blocks))
    assert genuine is not None
    assert tie(genuine, ID, ["eva@kunde.example"]) == ()


def test_a_receipt_for_reading_is_no_report() -> None:
    text = "--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; max@kunde.example\n"
    text += "Disposition: manual-action; displayed\n--b--"
    kind = "multipart/report; report-type=disposition-notification; boundary=b"
    assert read_report(letter("postmaster@kunde.example", "Delivery report", text, kind=kind)) is None


@given(st.binary(max_size=3000), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_a_report_or_none(content: bytes, headed: bool) -> None:
    report = read_report(
        (b"From: <>\nSubject: failure notice\nContent-Type: multipart/report; boundary=b\n" if headed else b"") + content
    )
    assert report is None or report.recipients
