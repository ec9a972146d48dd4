"""Print runs: rows are judged beforehand, handed in once each whatever dies, and add up at the end."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from django.utils import timezone

from mailjobs import backpressure, bounces, feeding, runs, search_terms
from mailjobs.core.bounces import Fate, Recipient, Report
from mailjobs.core.message import parse_message
from mailjobs.erasing import erase_recipient
from mailjobs.holds import hold_restored
from mailjobs.keeping import purge
from mailjobs.models import Content, JobRecipient, MailJob, MailLogEntry, PrintRun, PrintRunFile, PrintRunRow, SearchTerm
from mailjobs.run_checks import Finding, check
from mailjobs.run_files import MAX_NAME, Upload, read_pdfs
from mailjobs.runs import NotPossible, cancel_rest, discard, pause, resume, standings, start, try_out
from mailjobs.selectors import runs_visible_to
from mailjobs.submission import submit_many
from mailsettings.spreadsheet import Unreadable
from tests.cast import invoice, move_in, user
from tests.print_runs import archive, invoices, pdf, run_of

pytestmark = pytest.mark.django_db
SERVER = {"smtp_server": "mail.kanzlei-huber.example"}
State, RowState = PrintRun.State, PrintRunRow.State


@pytest.fixture(autouse=True)
def cast(db: None) -> None:
    move_in(parameters=SERVER)
    backpressure._counted.clear()


def standing(run: PrintRun) -> dict[str, int]:
    """What became of the rows, which add up."""
    run.refresh_from_db()
    found = standings([run])[run.pk]
    assert sum(found.fates.values()) == found.rows == run.rows_total
    return dict(found.fates)


# ---- What is said beforehand


def test_columns_are_guessed_and_good_rows_have_no_faults() -> None:
    run = run_of("anna", invoices(3))
    assert run.columns == {"to": 2, "name": 1, "file": 3, "document": 0, "variable:name": 1, "variable:number": 0}
    checks = check(run)
    assert (checks.rows, checks.good, checks.said, checks.unused) == (3, 3, {}, [])
    assert checks.octets == sum(len(pdf(f"2026-{n:05}")) for n in (1, 2, 3))
    assert [(share.document["sender"]["address"], share.mails) for share in checks.senders.values()] == [
        ("anna@kanzlei-huber.example", 3)
    ]
    assert checks.duration is not None


def test_j6_rows_to_an_address_that_bounced_are_named_and_may_go() -> None:
    run = run_of("anna", invoices(3))
    address = str(invoices(3)[1][2])
    submit_many(user("bernd"), [invoice(1, to=[address])])
    MailJob.objects.update(state="sent")
    JobRecipient.objects.update(state="accepted")
    said = Recipient(address, Fate.FAILED, "5.1.1", "unknown")
    bounces.take(run.tenant, [Report((said,), MailJob.objects.get().message_id)])
    checks = check(run)
    assert {line: [said.finding for said in each] for line, each in checks.said.items()} == {3: [Finding.CAME_BACK]}
    assert (checks.good, checks.bad) == (3, [])


def test_each_fault_of_a_row_is_found() -> None:
    good = invoices(8)
    rows = [
        good[0],
        (*good[1][:2], "", good[1][3]),
        (*good[2][:2], "kein klammeraffe", good[2][3]),
        (*good[3][:3], "fehlt.pdf"),
        (*good[4][:3], ""),
        ("", *good[5][1:]),
        (*good[6][:3], good[0][3]),
        good[0],
    ]
    run = run_of("anna", rows, files={str(good[n][3]): pdf(n) for n in (0, 1, 2, 5)} | {"zu viel.pdf": pdf("x")})
    checks = check(run)
    found = {line - 2: sorted(said.finding for said in each) for line, each in checks.said.items()}
    assert found == {
        1: [Finding.NO_ADDRESS],
        2: [Finding.ADDRESS_INVALID],
        3: [Finding.FILE_MISSING],
        4: [Finding.NO_FILE],
        5: [Finding.VARIABLE_MISSING],
        6: [Finding.SAME_FILE],
        7: [Finding.TWICE],
    }
    assert (checks.good, checks.unused) == (3, ["zu viel.pdf"])


def test_a_refused_sender_is_said_with_the_reason() -> None:
    move_in(parameters={**SERVER, "check_sender": True})
    run = run_of("bernd", invoices(2))
    checks = check(run)
    assert [said.finding for said in checks.said[2]] == [Finding.REFUSED]
    assert "C1" in checks.said[2][0].text
    with pytest.raises(NotPossible):
        start(user("bernd"), run, only_good=True)


def test_a_document_that_went_out_before_is_said() -> None:
    first = run_of("anna", invoices(2))
    start(user("anna"), first, only_good=False)
    feeding.feed_all()
    MailJob.objects.update(state="sent")
    JobRecipient.objects.update(state="accepted")
    again = run_of("anna", invoices(3), name="December")
    assert {line: [said.finding for said in each] for line, each in check(again).said.items()} == {
        2: [Finding.SENT_BEFORE],
        3: [Finding.SENT_BEFORE],
    }


def test_redirect_and_limits_are_said() -> None:
    move_in(
        parameters={**SERVER, "redirect_enabled": True, "redirect_addresses": ["test@kanzlei-huber.example"], "per_minute": 2}
    )
    checks = check(run_of("anna", invoices(10)))
    assert checks.redirected == 10
    assert (checks.duration.total_seconds() if checks.duration else 0, checks.limit) == (300, "per_minute")


# ---- Started


def test_every_row_becomes_one_mail_with_its_pdf_and_values() -> None:
    run = run_of("anna", invoices(feeding.ROWS + 5))
    start(user("anna"), run, only_good=False)
    feeding.feed_all()
    run.refresh_from_db()
    assert run.state == State.HANDED_IN
    assert standing(run) == {"waiting": feeding.ROWS + 5}
    job = MailJob.objects.get(run_rows__line=3)
    assert (job.subject, job.run, job.lane) == ("Rechnung 2026-00002", "November", 1)
    assert [(file.filename, bytes(file.content.data)) for file in job.attachments.all() if file.content] == [
        ("Rechnung 2026-00002.pdf", pdf("2026-00002"))
    ]
    assert not PrintRunFile.objects.exists()
    assert Content.objects.count() == feeding.ROWS + 5


def test_rows_with_faults_need_a_yes_and_are_left_out() -> None:
    rows = [*invoices(2), ("2026-9", "Ohne", "", "")]
    run = run_of("anna", rows)
    with pytest.raises(NotPossible):
        start(user("anna"), run, only_good=False)
    assert not MailJob.objects.exists()
    start(user("anna"), run, only_good=True)
    feeding.feed_all()
    assert standing(run) == {"waiting": 2, "left_out": 1}
    row = PrintRunRow.objects.get(state=RowState.LEFT_OUT)
    assert row.code == Finding.NO_ADDRESS
    assert row.message
    assert not MailLogEntry.objects.exists()


def test_whatever_dies_within_a_chunk_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("anna", invoices(5))
    start(user("anna"), run, only_good=False)

    def die(_row: Any, _result: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(feeding, "_record", die)
        with pytest.raises(KeyboardInterrupt):
            feeding.feed_once()
    assert not MailJob.objects.exists()
    feeding.feed_all()
    assert standing(run) == {"waiting": 5}
    assert MailJob.objects.count() == 5


def test_a_row_that_forgot_its_mail_finds_it_by_its_key() -> None:
    run = run_of("anna", invoices(3))
    start(user("anna"), run, only_good=False)
    feeding.feed_once()
    PrintRunRow.objects.update(state=RowState.OPEN, job=None)
    feeding.feed_all()
    assert standing(run) == {"waiting": 3}
    assert MailJob.objects.count() == 3


def test_more_than_may_wait_is_handed_in_later(settings: Any) -> None:
    settings.PENDING_CAP = 3
    run = run_of("anna", invoices(5))
    start(user("anna"), run, only_good=False)
    feeding.feed_all()
    assert standing(run) == {"waiting": 3, "open": 2}
    MailJob.objects.update(state="sent")
    backpressure._counted.clear()
    feeding.feed_all()
    assert standing(run) == {"waiting": 2, "sent": 3}
    assert not MailLogEntry.objects.exists()


def test_refused_after_the_start_is_refused_row_by_row() -> None:
    run = run_of("bernd", invoices(2))
    start(user("bernd"), run, only_good=False)
    move_in(parameters={**SERVER, "check_sender": True})
    feeding.feed_all()
    assert standing(run) == {"refused": 2}
    assert PrintRunRow.objects.filter(code="check_sender_no_employee").exclude(message="").count() == 2


def test_a_dry_run_leaves_nothing_but_what_it_said() -> None:
    run = run_of("anna", [*invoices(2), ("2026-9", "Ohne", "niemand", "")])
    try_out(run)
    feeding.feed_all()
    run.refresh_from_db()
    assert run.state == State.DRAFT
    assert run.tried_at is not None
    assert list(PrintRunRow.objects.values_list("line", "code")) == [(2, ""), (3, ""), (4, "address_invalid")]
    assert not MailJob.objects.exists()
    assert not MailLogEntry.objects.exists()
    start(user("anna"), run, only_good=True)
    feeding.feed_all()
    assert standing(run) == {"waiting": 2, "left_out": 1}


# ---- Paused, withdrawn, restored


def test_pause_holds_what_waits_and_resume_lets_it_go_on() -> None:
    run = run_of("anna", invoices(feeding.ROWS + 3))
    start(user("anna"), run, only_good=False)
    feeding.feed_once()
    assert pause(user("anna"), run) == feeding.ROWS
    assert not feeding.feed_once()
    assert standing(run) == {"held": feeding.ROWS, "open": 3}
    assert resume(user("anna"), run) == feeding.ROWS
    feeding.feed_all()
    assert standing(run) == {"waiting": feeding.ROWS + 3}
    assert not MailJob.objects.exclude(held_reason="").exists()


def test_the_rest_is_withdrawn_and_what_went_out_stays() -> None:
    run = run_of("anna", invoices(feeding.ROWS + 3))
    start(user("anna"), run, only_good=False)
    feeding.feed_once()
    gone = MailJob.objects.order_by("pk").values_list("pk", flat=True)[:10]
    MailJob.objects.filter(pk__in=list(gone)).update(state="sent")
    assert cancel_rest(user("anna"), run) == feeding.ROWS - 10 + 3
    feeding.feed_all()
    assert standing(run) == {"sent": 10, "cancelled": feeding.ROWS - 10 + 3}
    assert not PrintRunFile.objects.exists()
    assert Content.objects.count() == feeding.ROWS
    with pytest.raises(NotPossible):
        resume(user("anna"), run)


def test_a_restored_database_hands_nothing_in_by_itself() -> None:
    run = run_of("anna", invoices(2))
    start(user("anna"), run, only_good=False)
    hold_restored()
    assert not feeding.feed_once()
    assert standing(run) == {"open": 2}


def test_a_discarded_draft_leaves_no_bytes_and_purging_spares_those_of_a_draft() -> None:
    run = run_of("anna", invoices(2))
    purge()
    assert Content.objects.count() == 2
    discard(run)
    assert not Content.objects.exists()
    assert not PrintRun.objects.exists()


# ---- Whose


def test_runs_of_programs_are_listed_and_add_up() -> None:
    submit_many(user("anna"), [invoice(n) for n in range(3)], run="payroll")
    submit_many(user("anna"), [invoice(7), invoice(8, variables={})], run="payroll")
    run = PrintRun.objects.get()
    assert (run.state, run.name) == (State.OUTSIDE, "payroll")
    assert dict(standings([run])[run.pk].fates) == {"waiting": 4}


def test_who_sees_which_runs() -> None:
    for login in ("anna", "bernd", "max", "mia", "eva"):
        run_of(login, invoices(1), name=f"of {login}")
    seen = {login: sorted(run.name for run in runs_visible_to(user(login))) for login in ("anna", "bernd", "max", "mia", "eva")}
    assert seen == {
        "anna": ["of anna", "of bernd"],
        "bernd": ["of bernd"],
        "max": ["of max", "of mia"],
        "mia": ["of mia"],
        "eva": ["of eva"],
    }


def test_a_recipient_is_erased_from_runs_and_search_words_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_terms, "SETTLED", timedelta(0))
    rows = [*invoices(2), ("2026-9", "Klient 1", "klient1@kunde.example", "fehlt.pdf")]
    run = run_of("anna", rows, files={str(row[3]): pdf(row[0]) for row in rows[:2]})
    start(user("anna"), run, only_good=True)
    feeding.feed_all()
    MailJob.objects.update(state="sent", finished_at=timezone.now())
    assert search_terms.index_more()
    erase_recipient("klient1@kunde.example")
    assert list(PrintRunRow.objects.values_list("line", "cells")) == [(2, []), (3, list(rows[1])), (4, [])]
    assert not SearchTerm.objects.filter(term__startswith="klient1").exists()
    assert not MailJob.objects.filter(document_key__contains="klient").exists()
    assert standing(run) == {"sent": 2, "left_out": 1}


# ---- What is uploaded (Z11)


def read(*uploads: tuple[str, bytes]) -> list[str]:
    return [pdf.filename for pdf in read_pdfs(Upload(name, len(data), BytesIO(data)) for name, data in uploads)]


def test_an_archive_gives_its_pdfs_by_their_last_name() -> None:
    packed = archive({"ordner/a.pdf": pdf(1), "__MACOSX/._a.pdf": b"x", ".DS_Store": b"x", "b.PDF": pdf(2)})
    assert read(("x.zip", packed), ("c.pdf", pdf(3))) == ["a.pdf", "b.PDF", "c.pdf"]


def _bomb() -> bytes:
    return archive({"a.pdf": b"%PDF-" + b"\0" * 5_000_000})


def _lying() -> bytes:
    """An archive whose directory says that a file of 5 MB has 10 octets."""
    stream = BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as packed:
        packed.writestr("a.pdf", b"%PDF-" + b"\0" * 500_000)
    data = bytearray(stream.getvalue())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (10).to_bytes(4, "little")
    return bytes(data)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb": _bomb,
    "lying size": _lying,
    "leads out": lambda: archive({"../../etc/a.pdf": pdf(1)}),
    "absolute": lambda: archive({"/etc/a.pdf": pdf(1)}),
    "other type": lambda: archive({"a.exe": b"MZ"}),
    "other content": lambda: archive({"a.pdf": b"<script>"}),
    "same name": lambda: archive({"x/a.pdf": pdf(1), "y/A.pdf": pdf(2)}),
    "long name": lambda: archive({"n" * MAX_NAME + ".pdf": pdf(1)}),
    "torn": lambda: archive({"a.pdf": pdf(1)})[:40],
    "no archive": lambda: b"PK\x03\x04",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_in_a_sentence(case: str) -> None:
    with pytest.raises(Unreadable):
        read(("x.zip", HOSTILE[case]()))


def test_a_refused_file_leaves_no_run_behind() -> None:
    with pytest.raises(Unreadable):
        run_of("anna", invoices(2), files={"a.pdf": pdf(1), "b.pdf": b"no"})
    assert not PrintRun.objects.exists()
    assert not Content.objects.exists()


def test_keys_of_runs_are_nobody_elses() -> None:
    """A program that uses the same idempotency key is refused, not taken for the row."""
    run = run_of("anna", invoices(1))
    start(user("anna"), run, only_good=False)
    message = {"to": ["a@b.example"], "subject": "x", "idempotency_key": f"print-run/{run.pk}/2"}
    submit_many(user("anna"), [parse_message(message)])
    feeding.feed_all()
    assert standing(run) == {"refused": 1}
    assert PrintRun.objects.get(name="November").state == runs.State.HANDED_IN
