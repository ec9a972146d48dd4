"""The page of the audit log: who reads what of it (Z16, T4)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from mailjobs.audited import ACTIONS, CODES
from mailjobs.people.models import SignIn
from mailsettings.changes import Book, audit, save_parameters
from mailsettings.models import Tenant
from tests.pages.conftest import LogIn, text_of

URL = "/settings/audit/"


@pytest.fixture
def events(cast: None) -> None:
    for slug, actor in (("huber", "anna"), ("muster", "anna"), ("gruber", "greta")):
        tenant = Tenant.objects.get(slug=slug)
        save_parameters(Book(actor), tenant, {"smtp_server": f"canary-{slug}.example"})
    audit("command line", None, "adopt", "canary-installation", {"held": 3})


@pytest.mark.parametrize(
    ("login", "where", "sees"),
    [
        ("anna", "", {"huber"}),
        ("anna", "?tenant=muster", {"muster"}),
        ("max", "", {"muster"}),
        ("greta", "", {"gruber"}),
        ("root", "?tenant=gruber", {"gruber"}),
        ("root", "?of=installation", {"installation"}),
    ],
)
def test_each_reads_the_events_of_the_own_tenants(log_in: LogIn, events: None, login: str, where: str, sees: set[str]) -> None:
    text = text_of(log_in(login), URL + where)
    for name in ("huber", "muster", "gruber", "installation"):
        assert (f"canary-{name}" in text) is (name in sees), name


@pytest.mark.parametrize(
    ("login", "where"),
    [("bernd", ""), ("mia", ""), ("max", "?tenant=huber"), ("greta", "?tenant=huber"), ("anna", "?of=installation")],
)
def test_for_all_others_it_does_not_exist(log_in: LogIn, events: None, login: str, where: str) -> None:
    text_of(log_in(login), URL + where, status=404)


def test_a_com_customer_reads_the_firms_name_only(log_in: LogIn, events: None) -> None:
    text = text_of(log_in("max"), URL)
    assert "Anna Huber" not in text
    assert "Kanzlei Huber" in text


def test_it_is_narrowed_and_turned_page_by_page(log_in: LogIn, events: None) -> None:
    huber = Tenant.objects.get(slug="huber")
    for number in range(30):
        audit("bernd", huber, "release", f"page-{number:02}", {"jobs": [number]})
    anna = log_in("anna")
    first = text_of(anna, f"{URL}?action=release")
    assert "page-29" in first
    assert "page-04" not in first
    older = anna.get(f"{URL}?action=release").context["page"].older
    second = text_of(anna, URL + older)
    assert "page-04" in second
    assert "page-29" not in second
    assert "canary-huber" not in first
    assert "page-07" in text_of(anna, f"{URL}?q=page-07")
    assert "page-08" not in text_of(anna, f"{URL}?q=page-07")
    assert "page-29" not in text_of(anna, f"{URL}?to=2001-01-01")


def test_it_says_before_and_after(log_in: LogIn, events: None) -> None:
    save_parameters(Book("anna"), Tenant.objects.get(slug="huber"), {"smtp_server": "later.example"})
    assert "SMTP server: canary-huber.example → later.example" in text_of(log_in("anna"), URL)


def test_fields_and_codes_are_said_in_words(log_in: LogIn, events: None) -> None:
    huber = Tenant.objects.get(slug="huber")
    values = {"delivery_mode": "background_smtp", "is_active": True, "values": {"smtp_user": "lohn"}}
    audit("anna", huber, "print_model", "invoices", {**values, "expires_at": "2026-11-25T10:00:00+00:00"})
    text = text_of(log_in("anna"), URL)
    for words in ("Delivery mode: In the background by the send system", "Active: Yes", "Default user for SMTP: lohn"):
        assert words in text
    for raw in ("background_smtp", "is_active", "smtp_user", "2026-11-25T10:00"):
        assert raw not in text


def test_every_kind_of_event_has_a_name() -> None:
    folders = [settings.BASE_DIR / name for name in ("mailjobs", "mailsettings", "diagnostics")]
    kinds = {kind for folder in folders for path in folder.rglob("*.py") for kind in _kinds_in(path)}
    assert {"log-in", "requeue", "second factor"} <= kinds
    assert kinds <= ACTIONS.keys()
    assert set(CODES["how"]) == set(SignIn.How.values)


def _kinds_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "audit":
            kind = node.args[2]
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
