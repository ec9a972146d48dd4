"""Every case of the corpus at every door: accepted or refused there as the corpus says, never a server error (P7, C3, C4)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings as SettingsWrapper

from mailjobs.core.message import MessageInvalid, parse_message
from mailsettings import changes, portal
from mailsettings.changes import Book
from mailsettings.configuration import ConfigurationInvalid, import_document
from mailsettings.core.addresses import Fault, key_of
from mailsettings.core.header_text import visible
from mailsettings.models import EmailAccount, Employee, Tenant, User
from mailsettings.views.accounts import AccountPage
from mailsettings.views.employees import EmployeePage
from mailsettings.views.parameters import GeneralSettings, OwnSettings
from mailsettings.wording import ADDRESS_FAULTS
from tests.addresses.corpus import ACCEPTED, RECIPIENTS, REFUSED, SENDERS, Case

BY_TEXT = {case.text: case for case in SENDERS}
SENDERS_AND_RECIPIENTS = [*SENDERS, *RECIPIENTS]
BARE = "{{ form.sender_address.errors }}{{ form.sender_address }}{{ form.email.errors }}{{ form.email }}"
EMPLOYEE = {"id": "1", "name": "Anna Huber", "email": "", "additional_emails": sorted({case.key for case in ACCEPTED})}


PAGES = (GeneralSettings, OwnSettings, AccountPage, EmployeePage)
FULL_PAGES = 20  # how many of a door's cases are shown by the portal's own templates


def document() -> dict[str, Any]:
    """A firm of one administrator, whose employee has all addresses of the corpus; the print model's mail goes by an account."""
    anna = {"id": "anna", "name": "Anna Huber", "role": "firm_admin"}
    account = {"id": "rechnungen", "sender_address": "rechnungen@huber.example", "smtp_server": "mail.huber.example"}
    model = {"id": "invoices", "subject": "Rechnung", "text": "Guten Tag", "account": "rechnungen"}
    firm = {
        "id": "huber",
        "name": "Kanzlei Huber",
        "parameters": {"sender_address": "office@huber.example", "update_sender_from_employee": False},
        "users": [anna],
        "employees": [{**EMPLOYEE, "user": "anna"}],
        "email_accounts": [account],
        "print_models": [model],
    }
    return {"version": 1, "firms": [firm]}


@pytest.fixture
def client(db: None) -> Client:
    """Anna's browser."""
    import_document(document(), actor="test")
    browser = Client()
    browser.force_login(User.objects.get(login="anna"))
    return browser


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper) -> Callable[[], None]:
    """Once called, pages show only the address's field and its errors, and foresee nothing: several times as fast."""

    def strip_pages() -> None:
        engine = "django.template.backends.django.DjangoTemplates"
        loader = ("django.template.loaders.locmem.Loader", {"field.html": BARE})
        settings.TEMPLATES = [{"BACKEND": engine, "OPTIONS": {"loaders": [loader]}}]
        monkeypatch.setattr(portal, "matrix_of", lambda tenants, reader: {})
        for page in PAGES:
            monkeypatch.setattr(page, "template_name", "field.html")

    return strip_pages


def at_a_form(case: Case) -> Case:
    """The case that is left when a form or a file has taken off the white space around, line breaks among it."""
    return BY_TEXT.get(case.text.strip(), case)


def cannot_be_posted(case: Case) -> bool:
    """Lone surrogates: no browser sends them, and Django reads the octets as U+FFFD."""
    return any("\ud800" <= character <= "\udfff" for character in case.text)


def save(client: Client, url: str, data: dict[str, str]) -> Any:
    """Post a form, also what only an attacker can post, and say yes to what it shows first (P9)."""
    body = urlencode(data, errors="surrogatepass")
    answer = client.post(url, body, content_type="application/x-www-form-urlencoded")
    client.cookies.pop("messages", None)
    foresight = answer.context["form"].foresight if answer.status_code == 200 else None
    return save(client, url, {**data, "foreseen": foresight.digest}) if foresight and "foreseen" not in data else answer


def refusal(answer: Any, name: str, case: Case) -> str:
    """Check a page that refused: the text is still there, and the fault is named at its field. Returns what is wrong."""
    if answer.status_code != 200:
        return f"{answer.status_code}"
    form = answer.context["form"]
    page = answer.content.decode()
    if cannot_be_posted(case):
        return "" if form.errors.get(name) else "no error"
    expected = "Null characters are not allowed." if "\0" in case.text else sentence_of(at_a_form(case))
    if expected not in form.errors.get(name, []) or escape(expected) not in page:
        return f"says {form.errors}"
    return "" if form[name].value() == case.text and escape(case.text) in page else "forgot what was typed"


def sentence_of(case: Case) -> str:
    return str(ADDRESS_FAULTS[Fault(case.fault)])


@dataclass(frozen=True)
class Door:
    """A form: its address, what else is posted, the field of the address, and what is stored there."""

    url: str
    field: str
    more: dict[str, str]
    stored: Callable[[], str]
    optional: bool = True


def settings_of(owner: Tenant | User) -> Door:
    url = "/settings/" if isinstance(owner, Tenant) else "/settings/own/"
    return Door(url, "sender_address", {}, lambda: str(changes.own_values(owner).get("sender_address", "")))


def account(tenant: Tenant) -> Door:
    row = changes.save_account(Book("test"), tenant=tenant, slug="office", sender_address="office@huber.example", values={})
    rows = EmailAccount.objects.filter(pk=row.pk)
    url = f"/email-accounts/{row.pk}/"
    return Door(url, "sender_address", {"is_active": "on"}, lambda: rows.get().sender_address, optional=False)


def employee(tenant: Tenant) -> Door:
    row = changes.save_employee(Book("test"), tenant=tenant, number="2", name="Bernd Moser")
    rows = Employee.objects.filter(pk=row.pk)
    return Door(f"/employees/{row.pk}/", "email", {"name": "Bernd Moser", "is_active": "on"}, lambda: rows.get().email)


DOORS: dict[str, Callable[[], Door]] = {
    "general settings": lambda: settings_of(Tenant.objects.get()),
    "own settings": lambda: settings_of(User.objects.get(login="anna")),
    "account": lambda: account(Tenant.objects.get()),
    "employee": lambda: employee(Tenant.objects.get()),
}


# ---- Forms: who has typed it sees it again and reads why


def tried(client: Client, door: Door, case: Case) -> str:
    """Type a case at a door and save; returns what is wrong with the outcome."""
    meant = at_a_form(case)
    answer = save(client, door.url, {**door.more, door.field: case.text})
    if meant.fault == Fault.EMPTY:
        return "" if answer.status_code == (302 if door.optional else 200) else f"{answer.status_code}"
    if not meant.accepted:
        return refusal(answer, door.field, case)
    stored = door.stored()
    return "" if answer.status_code == 302 and key_of(stored) == meant.key else f"{answer.status_code}, stored {stored!r}"


@pytest.mark.parametrize("door", DOORS)
def test_p7_each_form_takes_or_refuses_each_address(client: Client, bare: Callable[[], None], door: str) -> None:
    place = DOORS[door]()
    spread = len(SENDERS) // FULL_PAGES
    whole, stripped = SENDERS[::spread], [case for number, case in enumerate(SENDERS) if number % spread]
    outcomes = [(case, tried(client, place, case)) for case in whole]
    bare()
    outcomes += [(case, tried(client, place, case)) for case in stripped]
    assert [f"{case.place} {ascii(case.text)[:80]}: {wrong}" for case, wrong in outcomes if wrong] == []


def test_t3_an_employee_has_all_accepted_addresses_as_further_ones(client: Client) -> None:
    anna = Employee.objects.get()
    lines = "\n".join(case.text for case in ACCEPTED)
    data = {"name": "Anna Huber", "additional_emails": lines, "user": str(anna.user_id), "is_active": "on"}
    assert save(client, f"/employees/{anna.pk}/", data).status_code == 302
    anna.refresh_from_db()
    assert [key_of(address) for address in anna.additional_emails] == [case.key for case in ACCEPTED]


# ---- Import


def _imported(texts: list[str]) -> dict[str, Any]:
    """The document with each text as sender of a user, of an account and as an employee's addresses."""
    wanted = document()
    firm = wanted["firms"][0]
    for number, text in enumerate(texts):
        login = f"user{number}"
        firm["users"].append({"id": login, "role": "firm_user", "parameters": {"sender_address": text}})
        firm["employees"].append({"id": f"e{number}", "name": "Bernd Moser", "email": text, "additional_emails": [text]})
        firm["email_accounts"].append({"id": f"a{number}", "sender_address": text})
    return wanted


@pytest.mark.django_db
def test_an_import_takes_all_accepted_addresses_and_means_the_same_again() -> None:
    wanted = _imported([case.text for case in ACCEPTED])
    import_document(wanted, actor="test")
    for number, case in enumerate(ACCEPTED):
        user = User.objects.get(login=f"user{number}")
        assert key_of(changes.own_values(user)["sender_address"]) == case.key
    stored = [key_of(row.email) for row in Employee.objects.exclude(number="1").order_by("pk")]
    assert stored == [key_of(row.sender_address) for row in EmailAccount.objects.exclude(slug="rechnungen").order_by("pk")]
    assert stored == [case.key for case in ACCEPTED]
    assert import_document(wanted, actor="test").records == []


@pytest.mark.django_db
def test_an_import_names_the_place_and_the_fault_of_each_refused_address() -> None:
    refused = [case for case in REFUSED if not at_a_form(case).accepted and at_a_form(case).fault != Fault.EMPTY]
    with pytest.raises(ConfigurationInvalid) as invalid:
        import_document(_imported([case.text for case in refused]), actor="test")
    faults = set(invalid.value.faults)
    for number, case in enumerate(refused):
        meant = at_a_form(case)
        for place in (
            f"firms[0].users[{number + 1}].parameters.sender_address",
            f"firms[0].employees[{number + 1}].email",
            f"firms[0].email_accounts[{number + 1}].sender_address",
        ):
            assert f"{place}: {sentence_of(meant)}" in faults, (case, place)
    assert not Tenant.objects.exists()


# ---- Explain


@pytest.mark.django_db
def test_explain_answers_each_passed_sender(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_document(document(), actor="test")
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps({"user": "anna", "context_sender": case.text}) + "\n" for case in SENDERS_AND_RECIPIENTS))
    call_command("explain", cases=str(file))
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == len(SENDERS_AND_RECIPIENTS)
    for case, answer in zip(SENDERS_AND_RECIPIENTS, answers, strict=True):
        passed = next(level for level in answer["levels"] if level["level"] == "context_sender")
        if not case.text.strip():
            assert passed["outcome"] == "absent"
        elif case.accepted and case in SENDERS:
            assert answer["allowed"], case
            assert (answer["sender"]["address"].lower(), answer["sender"]["name"]) == (case.key, case.name)
        else:
            assert (answer["refused"]["code"], answer["sender"]) == ("address_invalid", None), case
            assert passed["address"] == visible(case.text[:200])
            if case in SENDERS:
                assert sentence_of(case) in answer["refused"]["message"]


# ---- Messages


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "reply_to"])
@pytest.mark.parametrize("listed", [True, False], ids=["list", "text"])
def test_a_message_takes_or_refuses_each_address(field: str, listed: bool) -> None:
    for case in SENDERS_AND_RECIPIENTS:
        if not listed and not case.text:
            continue  # no address at all
        if case.fault == Fault.LOCAL_NOT_ASCII and field != "reply_to":
            continue  # of recipients whose local part is international, recipients.tsv tells
        raw = {"to": ["klient@kunde.example"], field: [case.text] if listed else case.text}
        if case.accepted and (case in SENDERS or field != "reply_to"):
            (mailbox,) = getattr(parse_message(raw), field)
            assert (mailbox.key, mailbox.name) == (case.key, case.name)
        else:
            fault = case.fault if case in SENDERS or field != "reply_to" else "[a-z_]+"
            with pytest.raises(MessageInvalid, match=rf"^{field}: address_invalid {fault}$"):
                parse_message(raw)
