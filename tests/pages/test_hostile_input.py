"""No page answers 500, whatever is typed or asked for: every address of the portal, for every role, with hostile values."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from mailjobs.models import MailJob
from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.models import ClaimedAddress, EmailAccount, Employee, PrintModel, Tenant, User
from tests.pages.conftest import LogIn, mail
from tests.print_runs import invoices, run_of

HOSTILE = (
    "",
    "0",
    "-1",
    "9" * 40,
    "x" * 5_000,
    "\x00",
    "\r\nBcc: opfer@kunde.example",
    "=?utf-8?q?a=40b.example?= <a@b.example>",
    "ä@ﬁrma.example, b@c.example",
    "'\"><script>alert(1)</script>",
    "{{ 7*7 }}{% url %}",
    "\u202e\u2028\U0001f4a9",
    "../../etc/passwd",
)
COMMON = {"action", "pk", "q", "state", "tenant", "user", "print_model", "page", "sort", "foreseen"}
LEFT_OUT = (
    "admin/",
    "accounts/logout/",
    "i18n/",
    "static/",
    "readyz",
)  # Django's own, what ends the session, and what says 503 without a worker


def addresses() -> Iterator[str]:
    """Every address of the portal, with `{pk}` and `{text}` where it has a place for a value."""
    yield from (path for path in _under(get_resolver().url_patterns) if not path.startswith(LEFT_OUT))


def _under(patterns: list[Any], before: str = "") -> Iterator[str]:
    for entry in patterns:
        path = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _under(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            for kind in entry.pattern.converters:
                number = "int" in type(entry.pattern.converters[kind]).__name__.lower()
                path = path.replace(f"<{'int' if number else 'str'}:{kind}>", "{pk}" if number else "{text}")
                path = path.replace(f"<slug:{kind}>", "{text}").replace(f"<uuid:{kind}>", "{text}")
            yield path


def fields_of(client: Client, url: str) -> set[str]:
    """The names that a page's form takes, where it shows one."""
    answer = client.get(url)
    form = (answer.context or {}).get("form") if answer.status_code == 200 else None
    return set(form.fields) if form is not None and hasattr(form, "fields") else set()


@pytest.fixture
def rows(cast: None) -> list[int]:
    """One row of each kind with ids to ask for, the Com customer's and the firm's."""
    book = Book("test")
    for slug in ("huber", "muster"):
        tenant = Tenant.objects.select_related("firm").get(slug=slug)
        changes.save_account(book, tenant=tenant, slug="konto", sender_address=f"konto@{slug}.example", values={})
        changes.save_employee(book, tenant=tenant, number="99", name="Muster", email=f"neu@{slug}.example")
    mail("anna", 1)
    for login in ("anna", "mia"):
        run_of(login, invoices(2))
    mail("mia", 2, state="held", held_for="firm", held_reason="held_by_firm")
    kinds = (Tenant, User, Employee, EmailAccount, PrintModel, MailJob, ClaimedAddress)
    found = {row.pk for kind in kinds for row in kind._default_manager.all()[:3]}
    return [*sorted(found)[:3], 999_999]


@pytest.mark.django_db
@pytest.mark.parametrize("login", ["anna", "bernd", "max", "mia", "root"])
def test_no_address_answers_500(login: str, log_in: LogIn, rows: list[int]) -> None:
    client = log_in(login)
    client.raise_request_exception = False
    wrong: list[str] = []
    asked = urls = 0
    for pattern in addresses():
        for pk in rows if "{pk}" in pattern else rows[:1]:
            urls += 1
            url = "/" + pattern.replace("{pk}", str(pk)).replace("{text}", "x")
            names = sorted(fields_of(client, url) | COMMON)
            for value in HOSTILE[urls % 4 :: 4]:
                for answer in (
                    client.get(url, dict.fromkeys(names, value)),
                    client.post(url, dict.fromkeys(names, value)),
                ):
                    asked += 1
                    if answer.status_code >= 500:
                        wrong.append(f"{answer.request['REQUEST_METHOD']} {url} {value[:30]!r}: {answer.status_code}")
    assert asked > 500
    assert not wrong, "\n".join(wrong[:30])


@pytest.mark.django_db
def test_no_upload_answers_500(log_in: LogIn, rows: list[int]) -> None:
    client = log_in("anna")
    client.raise_request_exception = False
    for content in (
        b"",
        b"\x00" * 100,
        b"PK\x03\x04" + b"x" * 50,
        b"\xff\xfe\x00\xd8",
        b'Name;E-Mail\r\n"offen',
        "Name\n\ud800".encode("utf-8", "surrogatepass"),
    ):
        file = io.BytesIO(content)
        file.name = "mitarbeiter.xlsx"
        assert client.post("/employees/import/", {"file": file}).status_code < 500
        for name in ("file", "pdfs"):
            good = SimpleUploadedFile("gut.csv", b"E-Mail\r\na@b.example\r\n")
            bad = SimpleUploadedFile("schlecht.zip", content)
            model = str(PrintModel.objects.get(tenant__slug="huber").pk)
            data = {"file": good, "print_model": model, "name": "x\r\n", **{name: bad}}
            assert client.post("/runs/new/", data).status_code < 500
