"""Redirect mode: nobody real gets a mail, and nothing else of the mail changes (rules U, Z17)."""

import email
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailjobs.core.headers import MimeInvalid, split_header_block
from mailjobs.core.mime import Content, freeze
from mailjobs.core.redirect import OFF, ORIGINALS, Redirect, dummy_address, in_force, is_captured, rewrite
from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_recipient

ON = Redirect(active=True, addresses=("now@kanzlei-huber.example",), capture_only=False, dummy=False)
CAPTURING = replace(ON, capture_only=True)
MAIL = freeze(
    Content(
        message_id="<1@kanzlei-huber.example>",
        date=datetime(2026, 3, 1, tzinfo=UTC),
        sender=Mailbox("Anna Huber", "anna", "kanzlei-huber.example"),
        subject="Übersicht über Ihre Rechnungen des Jahres 2025 und was davon noch offen ist",
        boundary_seed="1",
        to=tuple(Mailbox(f"Kunde {n}", f"kunde{n}", "example.org") for n in range(9)),
        cc=(Mailbox("", "copy", "example.org"),),
        bcc=(Mailbox("", "blind", "example.org"),),
        reply_to=(Mailbox("", "office", "kanzlei-huber.example"),),
        text="x",
        html="<p>x</p>",
    )
)
ORIGINAL = {"to": [f"kunde{n}@example.org" for n in range(9)], "cc": ["copy@example.org"], "bcc": ["blind@example.org"]}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("anna.huber", "anna.huber@test-dummy.at"),
        ("a", "a@test-dummy.at"),
        ("a-b_c.9", "a-b_c.9@test-dummy.at"),
        ("anna.", "anna@test-dummy.at"),
        ("a..b...c", "a.b.c@test-dummy.at"),
        ("a" * 64, "a" * 64 + "@test-dummy.at"),
        ("a" * 63 + ".b", "a" * 63 + "@test-dummy.at"),
        ("ANNA", "anna@test-dummy.at"),
        ("a b\r\nBcc: x@y", "a-b--bcc--x-y@test-dummy.at"),
        ("...", "unknown@test-dummy.at"),
        ("", "unknown@test-dummy.at"),
    ],
)
def test_u1_z17_dummy_address_is_the_user_at_test_dummy(user: str, expected: str) -> None:
    assert dummy_address(user) == expected


@given(st.one_of(st.text(max_size=80), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)))
def test_z17_dummy_address_is_always_an_address(user: str) -> None:
    address = dummy_address(user)
    assert parse_recipient(address).address == address


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        (OFF, None, None),
        (OFF, ("then@x.example",), ("then@x.example",)),
        (ON, None, ON.addresses),
        (ON, ("then@x.example",), ON.addresses),
        (OFF, (), ()),
        (Redirect(active=True, addresses=(), capture_only=True, dummy=False), None, ()),
    ],
)
def test_u4_what_was_queued_while_on_never_goes_to_its_real_recipients(
    now: Redirect, then: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    assert in_force(now, then) == expected


def test_u1_redirected_mail_names_the_redirect_addresses_only() -> None:
    block = rewrite(MAIL.headers, ["one@test.example", "two@test.example"], ORIGINAL)
    message = email.message_from_bytes(block)
    assert message["To"] == "one@test.example, two@test.example"
    assert not any(message[name] for name in ("Cc", "Bcc", "Reply-To"))
    carried = b"".join(raw for name, raw in split_header_block(block) if name != ORIGINALS)
    assert b"example.org" not in carried


def test_u2_original_recipients_stay_visible_in_a_folded_header() -> None:
    message = email.message_from_bytes(rewrite(MAIL.headers, ["one@test.example"], ORIGINAL))
    everyone = ", ".join(ORIGINAL["to"])
    assert str(message[ORIGINALS]).replace("\r\n ", " ") == f"to: {everyone}; cc: copy@example.org; bcc: blind@example.org"
    assert all(len(line) <= 78 for line in rewrite(MAIL.headers, ["one@test.example"], ORIGINAL).split(b"\r\n"))


def test_j10_everything_else_stays_byte_for_byte_and_in_order() -> None:
    block = rewrite(MAIL.headers, ["one@test.example"], ORIGINAL)
    changed = {"To", "Cc", "Reply-To", ORIGINALS}
    assert [raw for name, raw in split_header_block(block) if name not in changed] == [
        raw for name, raw in split_header_block(MAIL.headers) if name not in changed
    ]
    assert [name for name, _ in split_header_block(block)][:4] == ["Date", "From", "To", "Subject"]


@pytest.mark.parametrize(
    "name",
    ["To", "CC", "bcc", "rEPLY-tO", "Resent-To", "Resent-Bcc", "Resent-Reply-To", "List-Post", "List-Unsubscribe", "List-Owner",
     "Disposition-Notification-To", "Return-Receipt-To", "Errors-To", "X-Confirm-Reading-To", "Read-Receipt-To",
     "Registered-Mail-Reply-Requested-By", "X-Forwarded-To", "X-Forwarded-For", "Mail-Copies-To", "Mail-Followup-To",
     "Mail-Reply-To", "Original-Recipient", "Final-Recipient", "Delivered-To", "Apparently-To", "Envelope-To", "X-Original-To",
     "X-Envelope-To", "X-Rcpt-To", "X-Gm-Original-To", "X-Pmrqc", "Return-Path", "Generate-Delivery-Report", "Abuse-Reports-To",
     "X-Nobody-Knows-What", ORIGINALS],
)  # fmt: skip
def test_u1_every_field_that_could_carry_a_recipient_is_taken_out_whole(name: str) -> None:
    block = f"Subject: x\r\n{name}: real@example.org,\r\n\tother@example.org\r\nX-Priority: 1\r\n".encode()
    written = rewrite(block, ["one@test.example"], {})
    assert b"example.org" not in written
    names = {field for field, _ in split_header_block(written)}
    assert names == {"Subject", "To", "X-Priority", ORIGINALS}


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,40}", fullmatch=True))
def test_u1_no_field_that_is_not_known_to_be_harmless_stays(name: str) -> None:
    harmless = {"date", "from", "sender", "subject", "message-id", "mime-version", "references", "in-reply-to", "x-mailer",
                "user-agent", "organization", "importance", "priority", "precedence", "sensitivity"}  # fmt: skip
    assume(name.lower() not in harmless and not name.lower().startswith("content-"))
    assert b"example.org" not in rewrite(f"{name}: real@example.org\r\n".encode(), ["one@test.example"], {})


@pytest.mark.parametrize(
    ("now", "then", "released", "expected"),
    [
        (OFF, False, False, False),
        (OFF, True, False, True),
        (OFF, True, True, False),
        (ON, False, False, False),
        (ON, True, False, True),
        (ON, True, True, False),
        (CAPTURING, False, False, True),
        (CAPTURING, False, True, True),
        (CAPTURING, True, True, True),
        (Redirect(active=False, addresses=(), capture_only=True, dummy=False), False, False, False),
    ],
)
def test_u6_what_is_captured_stays_so_until_released_and_capturing_now_keeps_everything(
    now: Redirect, then: bool, released: bool, expected: bool
) -> None:
    assert is_captured(now, then=then, released=released) is expected


def test_u1_a_mail_without_recipient_fields_gets_its_to_at_the_end() -> None:
    names = [name for name, _ in split_header_block(rewrite(b"Subject: x\r\n", ["one@test.example"], {"to": []}))]
    assert names == ["Subject", "To", ORIGINALS]


def test_u2_redirect_to_nobody_fails() -> None:
    with pytest.raises(ValueError, match="without an address"):
        rewrite(MAIL.headers, [], ORIGINAL)


@pytest.mark.parametrize("address", ["", "x", "a@b\r\nBcc: c@d.example", "a@x.example, b@y.example"])
def test_u2_redirect_to_something_else_than_an_address_fails(address: str) -> None:
    with pytest.raises(AddressInvalid):
        rewrite(MAIL.headers, [address], ORIGINAL)


@pytest.mark.parametrize("original", ["a@b\r\nBcc: c@d.example", "a\u2028@b", "=?utf-8?q?=0d=0aBcc:x?="])
def test_z3_original_recipients_cannot_inject(original: str) -> None:
    with pytest.raises(MimeInvalid, match="control_character"):
        rewrite(MAIL.headers, ["one@test.example"], {"to": [original]})


def test_u2_international_original_recipient_is_readable() -> None:
    block = rewrite(MAIL.headers, ["one@test.example"], {"to": ["jörg@example.org", "max@example.org"]})
    assert block.isascii()
    shown = email.header.make_header(email.header.decode_header(email.message_from_bytes(block)[ORIGINALS]))
    assert str(shown) == "to: jörg@example.org , max@example.org"


def test_u2_broken_header_block_is_refused() -> None:
    with pytest.raises(MimeInvalid, match="header_block"):
        rewrite(b"Subject: x\nTo: real@example.org\r\n", ["one@test.example"], {})
