"""The pages of print runs: uploaded, checked, previewed, started, reported, by whom they are."""

import csv
from io import BytesIO, StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from mailjobs import feeding
from mailjobs.models import JobRecipient, MailJob, PrintRun, PrintRunRow
from mailjobs.submission import submit_many
from mailsettings.models import Tenant
from tests.pages.conftest import LogIn, person, text_of
from tests.print_runs import archive, invoices, pdf, pdfs_of, run_of, workbook

pytestmark = pytest.mark.django_db
ROWS = [*invoices(30), ("2026-99999", '=HYPERLINK("http://x.example")', "", "")]


def upload(client: Client, rows: Any = ROWS, *, tenant: str = "huber", name: str = "", files: Any = None) -> Any:
    return client.post(
        reverse("run_new"),
        {
            "name": name,
            "print_model": str(Tenant.objects.get(slug=tenant).print_models.get().pk),
            "file": SimpleUploadedFile("november.xlsx", rows if isinstance(rows, bytes) else workbook(rows)),
            "pdfs": SimpleUploadedFile("pdfs.zip", archive(pdfs_of(rows) if files is None else files)),
        },
        follow=True,
    )


def act(client: Client, run: PrintRun, action: str, **more: str) -> str:
    answer = client.post(reverse("run", args=[run.pk]), {"action": action, **more}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_from_the_files_to_the_report(log_in: LogIn) -> None:
    anna = log_in("anna")
    said = upload(anna).content.decode()
    run = PrintRun.objects.get()
    assert (run.name, run.state, run.rows_total) == ("november", "draft", 31)
    assert "Send 30 mails" in said
    assert "1 line" in said
    assert "2026-99999" in text_of(anna, f"{reverse('run', args=[run.pk])}?show=faults")
    preview = text_of(anna, reverse("run_row", args=[run.pk, 2]))
    assert "Rechnung 2026-00001" in preview
    assert "Guten Tag, anbei die Rechnung." in preview
    frame = anna.get(reverse("run_row_frame", args=[run.pk, 2]))
    assert b"<b>anbei</b>" in frame.content
    assert b"script" not in frame.content
    assert frame["Content-Security-Policy"].startswith("sandbox;")
    assert "tick that" in act(anna, run, "start")
    act(anna, run, "start", only_good="on")
    feeding.feed_all()
    MailJob.objects.filter(run_rows__line__lt=20).update(state="sent")
    page = text_of(anna, reverse("run", args=[run.pk]))
    assert 'data-fate="sent">18<' in page
    assert 'data-fate="sending">12<' in page
    assert 'data-fate="cancelled">1<' in page
    assert text_of(anna, f"{reverse('run', args=[run.pk])}?show=sent").count('data-label="Line"') == 18
    assert anna.get(reverse("run_row", args=[run.pk, 2])).status_code == 302


def report(client: Client, run: PrintRun, kind: str) -> list[list[str]]:
    answer = client.get(reverse("run_report", args=[run.pk]) + f"?format={kind}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment;")
    octets = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    if kind == "csv":
        return list(csv.reader(StringIO(octets.decode("utf-8-sig"))))
    return [[str(cell or "") for cell in row] for row in load_workbook(BytesIO(octets)).active.iter_rows(values_only=True)]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_report_has_every_row_and_no_formula(log_in: LogIn, kind: str) -> None:
    run = run_of("anna", [*invoices(2), ("=1+1", "Formel", "formel@kunde.example", "f.pdf"), ("9", "Ohne", "", "g.pdf")])
    anna = log_in("anna")
    act(anna, run, "start", only_good="on")
    feeding.feed_all()
    lines = report(anna, run, kind)
    assert [line[1] for line in lines[1:]] == ["Under way", "Under way", "Under way", "Left out"]
    assert [line[3] for line in lines[1:]] == ["2026-00001", "2026-00002", "'=1+1", "9"]
    assert all(cell[:1] not in "=+@" for line in lines for cell in line if cell)


def test_columns_can_be_chosen_anew(log_in: LogIn) -> None:
    anna = log_in("anna")
    head = ("Spalte A", "Spalte B", "Spalte C", "Spalte D")
    upload(anna, workbook(invoices(2), head), files=pdfs_of(invoices(2)))
    run = PrintRun.objects.get()
    assert run.columns == {"to": 2}
    assert "Send 2 mails" not in text_of(anna, reverse("run", args=[run.pk]))
    chosen = {"column-to": "2", "column-file": "3", "column-document": "0", "column-variable-number": "0"}
    assert "Send 2 mails" in act(anna, run, "columns", **chosen)
    assert act(anna, run, "columns", **{"column-to": ""}).count("column-to") > 1
    assert "column-to" in act(anna, run, "columns", **{"column-to": "77"})
    run.refresh_from_db()
    assert run.columns == {"to": 2, "file": 3, "document": 0, "variable:number": 0}


def test_files_that_cannot_be_taken_are_said_at_their_field(log_in: LogIn) -> None:
    anna = log_in("anna")
    assert "is no PDF" in upload(anna, files={"a.pdf": b"MZ"}).content.decode()
    assert "neither CSV nor XLSX" in upload(anna, b"\x00\x01", files={}).content.decode()
    assert not PrintRun.objects.exists()


def test_names_stay_apart(log_in: LogIn) -> None:
    for _time in range(2):
        upload(log_in("anna"), name="November")
    assert sorted(PrintRun.objects.values_list("name", flat=True)) == ["November", "November (2)"]


def test_pause_and_withdraw_on_the_page(log_in: LogIn) -> None:
    run = run_of("max", invoices(3))
    maxi = log_in("max")
    act(maxi, run, "start")
    feeding.feed_all()
    assert "2s" in text_of(maxi, reverse("run", args=[run.pk]))
    act(maxi, run, "pause")
    assert MailJob.objects.filter(state="held", held_reason="run_paused").count() == 3
    act(maxi, run, "resume")
    feeding.feed_all()
    act(maxi, run, "cancel")
    page = text_of(maxi, reverse("run", args=[run.pk]))
    assert 'data-fate="cancelled">3<' in page
    assert "every 2s" not in page
    assert "no longer as you saw it" in act(maxi, run, "resume")


def test_dry_run_on_the_page(log_in: LogIn) -> None:
    run, anna = run_of("anna", invoices(3)), log_in("anna")
    assert "Nothing is sent" in act(anna, run, "try")
    feeding.feed_all()
    assert "Dry run finished" in text_of(anna, reverse("run", args=[run.pk]))
    act(anna, run, "discard")
    assert not PrintRun.objects.exists()


@pytest.mark.parametrize(
    ("login", "whose", "status"),
    [
        ("anna", "bernd", 200),
        ("bernd", "anna", 404),
        ("max", "mia", 200),
        ("mia", "max", 404),
        ("anna", "max", 404),
        ("max", "eva", 404),
        ("greta", "anna", 404),
        ("root", "anna", 404),
    ],
)
def test_who_may_open_a_run(log_in: LogIn, login: str, whose: str, status: int) -> None:
    run = run_of(whose, invoices(1))
    client = log_in(login)
    for name, more in (("run", []), ("run_row", [2]), ("run_row_frame", [2])):
        assert client.get(reverse(name, args=[run.pk, *more])).status_code == status
    assert client.post(reverse("run", args=[run.pk]), {"action": "pause"}).status_code == (302 if status == 200 else status)
    assert client.get(reverse("run_report", args=[run.pk])).status_code == 404  # not started


def test_another_tenants_print_model_is_no_choice(log_in: LogIn) -> None:
    upload(log_in("max"), tenant="huber")
    assert not PrintRun.objects.exists()


def test_as_many_queries_however_many_runs(log_in: LogIn) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            text_of(anna, reverse("runs"))
        return len(asked)

    anna = log_in("anna")
    run_of("anna", invoices(2))
    submit_many(person("anna"), [], run="payroll")
    queries()
    before = queries()
    for number in range(6):
        run_of("anna", invoices(2), name=f"run {number}")
        submit_many(person("anna"), [], run=f"payroll {number}")
    assert queries() == before < 20


def test_a_row_of_a_started_run_shows_the_error_of_its_mail(log_in: LogIn) -> None:
    run, anna = run_of("anna", invoices(1)), log_in("anna")
    act(anna, run, "start")
    feeding.feed_all()
    MailJob.objects.update(state="failed", last_error="550 5.1.1 User unknown")
    JobRecipient.objects.update(state="refused")
    page = text_of(anna, f"{reverse('run', args=[run.pk])}?show=failed")
    assert "550 5.1.1" in page
    assert urlsplit(reverse("job", args=[MailJob.objects.get().pk])).path in page
    assert PrintRunRow.objects.get().state == "handed_in"
    assert pdf(1) != pdf(2)
