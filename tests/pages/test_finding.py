"""Lists as files, and filters that are kept: each reader's own, and nothing but filters."""

import csv
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from mailjobs import listing, notices, search_terms
from mailjobs.filters import kept_of
from mailjobs.models import MailJob, SavedFilter, SearchTerm, StateChoices
from mailjobs.views import finding
from tests.pages.conftest import LogIn, mail, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def mails(cast: None) -> None:
    """Mails of two firms and a Com customer; some failed, one begins like a formula."""
    for number in range(40):
        login = ("anna", "bernd", "mia", "greta")[number % 4]
        failed = number % 3 == 0
        job = mail(login, number, state="failed" if failed else "new", last_error="550 5.1.1 unknown" if failed else "")
        if failed:
            notices.record([notices.Settled(job, StateChoices.FAILED, job.last_error, "mail.kanzlei-huber.example:587")])
    MailJob.objects.filter(user__login="anna").update(subject='=HYPERLINK("http://x.example")', run="lauf", document_key="d/1")


def lines(client: Client, name: str, query: str, kind: str = "csv") -> list[list[str]]:
    answer: Any = client.get(f"{reverse(name)}?{query}&format={kind}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    octets = b"".join(answer.streaming_content)
    if kind == "csv":
        return list(csv.reader(StringIO(octets.decode("utf-8-sig"))))
    sheet: Any = load_workbook(BytesIO(octets)).active
    return [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_file_has_what_the_list_has_and_no_formula(log_in: LogIn, mails: None, kind: str) -> None:
    found = lines(log_in("anna"), "jobs_export", "state=failed", kind)
    assert {line[5] for line in found[1:]} == {"anna", "bernd", "mia"}
    assert len(found) - 1 == MailJob.objects.filter(state="failed").exclude(user__login="greta").count()
    assert {line[2] for line in found[1:] if line[5] == "anna"} == {'\'=HYPERLINK("http://x.example")'}


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("q=Rechnung", {"subject__contains": "Rechnung"}),
        ("run=lauf", {"run": "lauf"}),
        ("document=d/1&state=new", {"document_key": "d/1", "state": "new"}),
        ("user=bernd", {"user__login": "bernd"}),
        ("q=klient7@", {"recipients__address": "klient7@kunde.example"}),
    ],
)
def test_filters_hold_for_the_file(log_in: LogIn, mails: None, query: str, where: dict[str, str]) -> None:
    found = lines(log_in("anna"), "jobs_export", query)
    wanted = MailJob.objects.filter(**where).exclude(user__login="greta").order_by("-pk").values_list("pk", flat=True)
    assert [int(line[0]) for line in found[1:]] == list(wanted)


def test_the_log_is_a_file_too_and_everybody_gets_their_own(log_in: LogIn, mails: None) -> None:
    failed = MailJob.objects.filter(state="failed")
    assert len(lines(log_in("bernd"), "log_export", "")) - 1 == failed.filter(user__login="bernd").count()
    found = lines(log_in("max"), "log_export", "state=failed")
    assert len(found) - 1 == failed.filter(user__login="mia").count() > 0
    assert {line[5] for line in found[1:]} == {"mail server of the firm"}, "a Com customer does not read the firm's server (T4)"
    assert [line[10] for line in lines(log_in("anna"), "log_export", "run=lauf")[1:]] == [
        str(pk) for pk in failed.filter(run="lauf").order_by("-pk").values_list("pk", flat=True)
    ]


def test_a_file_that_ends_too_early_says_so(log_in: LogIn, mails: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST", 5)
    found = lines(log_in("anna"), "jobs_export", "")
    assert len(found) == 1 + 5 + 1
    assert "5 lines at most" in found[-1][0]


def test_a_file_of_another_format_does_not_exist(log_in: LogIn) -> None:
    assert log_in("anna").get(f"{reverse('jobs_export')}?format=exe").status_code == 404


# ---- Kept


def keep(client: Client, name: str, query: str, where: str = "jobs") -> Any:
    return client.post(reverse("saved_filters"), {"list": where, "action": "keep", "name": name, "query": query}, follow=True)


def test_a_filter_is_kept_used_renewed_and_forgotten(log_in: LogIn, mails: None) -> None:
    anna = log_in("anna")
    answer = keep(anna, "  Meine   Fehler ", "state=failed&before=7&evil=1&q=550")
    assert answer.redirect_chain[-1][0] == f"{reverse('jobs')}?q=550&state=failed"
    panel = f"{reverse('saved_filters')}?list={{}}&query=state%3Dfailed%26q%3D550"
    assert 'href="/jobs/?q=550&state=failed" aria-current="true">Meine Fehler<' in text_of(anna, panel.format("jobs"))
    assert "list=jobs&query=q%3D550%26state%3Dfailed" in text_of(anna, f"{reverse('jobs')}?state=failed&q=550")
    keep(anna, "Meine Fehler", "state=new")
    row = SavedFilter.objects.get()
    assert (row.name, row.query) == ("Meine Fehler", "state=new")
    assert "Meine Fehler" not in text_of(anna, panel.format("log"))
    assert "Meine Fehler" not in text_of(log_in("bernd"), panel.format("jobs"))
    text_of(anna, panel.format("users"), 404)
    forget = {"list": "jobs", "action": "forget", "pk": str(row.pk), "query": ""}
    log_in("bernd").post(reverse("saved_filters"), forget)
    assert SavedFilter.objects.exists(), "nobody forgets another's"
    anna.post(reverse("saved_filters"), forget)
    assert not SavedFilter.objects.exists()


def test_what_filters_nothing_is_not_kept_nor_more_than_a_list_shows(log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = log_in("anna")
    keep(anna, "leer", "")
    keep(anna, "", "state=new")
    assert not SavedFilter.objects.exists()
    monkeypatch.setattr(finding, "MOST_KEPT", 2)
    for number in range(4):
        keep(anna, f"Filter {number}", "state=new")
    assert SavedFilter.objects.count() == 2
    assert anna.post(reverse("saved_filters"), {"list": "users", "action": "keep"}).status_code == 400


def test_the_address_keeps_its_order() -> None:
    assert kept_of("state=new&q=a b") == kept_of("?q=a+b&state=new".lstrip("?")) == "q=a+b&state=new"
    assert kept_of("next=//evil.example&q=%00") == ""


# ---- However far back


@pytest.fixture
def far_back(mails: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists look at two rows, and the words of all mails are written."""
    monkeypatch.setattr(listing, "LOOKED_AT", 2)
    monkeypatch.setattr(search_terms, "SETTLED", timedelta(0))
    monkeypatch.setattr(search_terms, "AT_LATEST", timedelta(0))
    monkeypatch.setattr(search_terms, "MAILS", 15)
    while search_terms.index_more():
        pass


@pytest.mark.parametrize("query", ["klient9@kunde.example", "KLIENT9", "Rechnung klient9@kunde.example", "9-2026"])
def test_a_whole_word_is_found_however_far_back(log_in: LogIn, far_back: None, query: str) -> None:
    job = MailJob.objects.get(recipients__address="klient9@kunde.example")
    MailJob.objects.filter(pk=job.pk).update(subject="Rechnung klient9@kunde.example 9-2026")
    SearchTerm.objects.create(term="9-2026", job=job)
    anna = log_in("anna")
    assert reverse("job", args=[job.pk]) in text_of(anna, f"{reverse('jobs')}?q={query}")
    assert reverse("job", args=[job.pk]) not in text_of(anna, f"{reverse('jobs')}?q={query}&state=new")
    assert reverse("job", args=[job.pk]) not in text_of(log_in("greta"), f"{reverse('jobs')}?q={query}")
    assert reverse("job", args=[job.pk]) not in text_of(log_in("max"), f"{reverse('jobs')}?q={query}")


def test_the_log_is_found_by_the_recipient(log_in: LogIn, far_back: None) -> None:
    job = MailJob.objects.get(recipients__address="klient9@kunde.example")
    assert reverse("job", args=[job.pk]) in text_of(log_in("anna"), f"{reverse('log')}?q=klient9@kunde.example")


def test_words_are_written_once_and_a_common_one_finds_nothing(far_back: None, monkeypatch: pytest.MonkeyPatch) -> None:
    count = SearchTerm.objects.count()
    assert not search_terms.index_more()
    assert SearchTerm.objects.count() == count > 40
    assert search_terms.jobs_with("Rechnung")
    monkeypatch.setattr(search_terms, "MOST", 3)
    assert search_terms.jobs_with("Rechnung") == []
    assert len(search_terms.jobs_with("Rechnung klient9")) == 1


def test_words_wait_while_mail_is_due(mails: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_terms, "SETTLED", timedelta(0))
    assert not search_terms.index_more()
    MailJob.objects.update(due_at=timezone.now() + timedelta(hours=1))
    assert search_terms.index_more()
