"""The first steps: guessed servers, the form over them, the test mail, the first operator, the checklist (ui 9)."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from mailjobs.models import MailJob
from mailjobs.people.guessing import ADVICE, Guess, How, guess_for, providers
from mailjobs.people.models import Link
from mailsettings.changes import Book, own_values, save_locks, save_parameters
from mailsettings.models import Secret, Tenant, User
from tests.cast import move_in, user
from tests.pages.conftest import save
from tests.people.conftest import NEW, is_in
from tests.people.name_server import NameServer

pytestmark = pytest.mark.django_db(transaction=True)
SERVER, TEST = "/start/mail-server/", "/start/test-mail/"
RECORDS = {
    ("_submission._tcp.own.example", "SRV"): ["20 1 587 second.own.example.", "10 1 2525 mail.own.example."],
    ("_submissions._tcp.tls.example", "SRV"): ["0 1 465 smtp.tls.example."],
    ("_submission._tcp.none.example", "SRV"): ["0 0 0 ."],
    ("kanzlei.example", "MX"): ["20 other.example.", "0 kanzlei-example.mail.protection.outlook.com."],
    ("strato.example", "MX"): ["5 smtpin.rzone.de."],
    ("private.example", "MX"): ["5 x.olc.protection.outlook.com."],
    ("unknown.example", "MX"): ["5 mail.unknown.example."],
    ("liar.example", "MX"): ["5 mail.protection.outlook.com.liar.example."],
}


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    server = NameServer(RECORDS)
    settings.DNS_RESOLVER = server.address
    yield server
    server.close()


# ---- Guessing


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Kanzlei <office@gmx.at>", (How.TABLE, "mail.gmx.net", 587, "starttls")),
        ("a@T-Online.de", (How.TABLE, "securesmtp.t-online.de", 465, "implicit")),
        ("a@firma.onmicrosoft.com", (How.TABLE, "smtp.office365.com", 587, "starttls")),
        ("a@own.example", (How.SRV, "mail.own.example", 2525, "starttls")),
        ("a@tls.example", (How.SRV, "smtp.tls.example", 465, "implicit")),
        ("a@kanzlei.example", (How.MX, "smtp.office365.com", 587, "starttls")),
        ("a@private.example", (How.MX, "smtp-mail.outlook.com", 587, "starttls")),
        ("a@strato.example", (How.MX, "smtp.strato.de", 587, "starttls")),
    ],
)
def test_a_server_is_guessed(names: NameServer, address: str, expected: tuple[How, str, int, str]) -> None:
    guess = guess_for(address)
    assert isinstance(guess, Guess)
    assert (guess.how, guess.server, guess.port, guess.tls) == expected


@pytest.mark.parametrize(
    "address", ["a@none.example", "a@unknown.example", "a@liar.example", "a@missing.example", "no address", "a@gmx.at.example"]
)
def test_nothing_is_guessed_where_nothing_is_known(names: NameServer, address: str) -> None:
    assert guess_for(address) is None


def test_the_own_domain_of_a_provider_needs_no_name_server(names: NameServer) -> None:
    guess_for("a@web.de")
    assert names.asked == []


def test_a_silent_name_server_is_no_error(settings: Any) -> None:
    settings.DNS_RESOLVER = "127.0.0.1:1"
    assert guess_for("a@own.example") is None


def test_the_table_is_sound() -> None:
    rows = providers()
    assert {"Microsoft 365", "Google", "GMX", "WEB.DE", "IONOS", "STRATO", "Hetzner", "A1", "World4You"} <= {
        row.name for row in rows
    }
    domains = [domain for row in rows for domain in row.domains]
    assert len(domains) == len(set(domains))
    for row in rows:
        assert row.source.startswith("https://"), row.name
        assert (row.port, row.tls) in {(587, "starttls"), (465, "implicit")}, row.name
        assert not row.advice or row.advice in ADVICE


# ---- The form over the server


@pytest.fixture
def anna() -> Client:
    move_in()
    client = Client()
    client.force_login(user("anna"))
    return client


def huber() -> Tenant:
    return Tenant.objects.get(slug="huber")


def test_the_form_shows_the_guess_and_saves_it(anna: Client, names: NameServer) -> None:
    shown = anna.post(SERVER, {"sender_address": "Kanzlei Huber <office@own.example>"})
    filled = dict(shown.context["form"].initial)
    assert filled["smtp_server"] == "mail.own.example"
    assert filled["smtp_user"] == "office@own.example"
    answer = save(anna, SERVER, {**filled, "smtp_password": "Server-Passwort-1"})
    assert answer.redirect_chain[0][0] == TEST
    values = own_values(huber())
    assert values["smtp_server"] == "mail.own.example"
    assert values["sender_address"] == "Kanzlei Huber <office@own.example>"
    assert values["smtp_port"] == 2525
    assert Secret.objects.filter(key="smtp_password").count() == 1


@pytest.mark.parametrize(
    "wrong", [{"smtp_port": "99999"}, {"smtp_server": "kein server!"}, {"smtp_tls": "x"}, {"sender_address": "\x00"}]
)
def test_what_cannot_be_is_said_at_its_field(anna: Client, wrong: dict[str, str]) -> None:
    before = own_values(huber())
    data = {"sender_address": "office@own.example", "smtp_server": "mail.own.example", "smtp_port": "587", "smtp_tls": "starttls"}
    answer = anna.post(SERVER, {**data, **wrong})
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == set(wrong)
    assert own_values(huber()) == before


def test_t5_where_the_server_is_locked_there_is_no_such_page(anna: Client) -> None:
    save_locks(Book("root"), huber(), locked=[], locked_by_operator=["smtp_server"])
    assert anna.get(SERVER).status_code == 404


@pytest.mark.parametrize(("login", "status"), [("bernd", 404), ("mia", 404), ("max", 200)])
def test_t4_who_manages_no_settings_has_no_such_page(login: str, status: int) -> None:
    move_in()
    client = Client()
    client.force_login(user(login))
    assert client.get(SERVER).status_code == status


# ---- The test mail


def test_z19_who_is_no_administrator_tests_with_oneself_only(anna: Client) -> None:
    User.objects.filter(login="bernd").update(email="bernd@kanzlei-huber.example")
    bernd = Client()
    bernd.force_login(user("bernd"))
    assert bernd.post(TEST, {"to": "somebody@kunde.example"}).status_code == 200
    assert MailJob.objects.count() == 0
    assert bernd.post(TEST, {"to": "Bernd@kanzlei-huber.example"}).status_code == 302
    assert anna.post(TEST, {"to": "somebody@kunde.example"}).status_code == 302
    assert MailJob.objects.count() == 2


def test_z19_test_mails_are_limited(anna: Client) -> None:
    answers = [anna.post(TEST, {"to": "somebody@kunde.example"}).status_code for _try in range(10)]
    assert answers == [302] * 6 + [200] * 4
    assert MailJob.objects.count() == 6


# ---- The first operator


FIRST = {"login": "root", "name": "Rosa Betrieb", "email": "rosa@hoster.example", "password": NEW, "again": NEW}


def token() -> str:
    out = StringIO()
    call_command("first_token", stdout=out)
    return out.getvalue().strip()


def test_z14_the_first_operator_needs_the_token_of_the_console() -> None:
    assert Client().get("/accounts/login/")["Location"] == "/accounts/first/"
    for wrong in ("", "x", "\x00", token()[:-1]):
        assert Client().post("/accounts/first/", {**FIRST, "token": wrong}).status_code == 200
    assert not User.objects.exists()
    old, new, browser = token(), token(), Client()
    assert browser.post("/accounts/first/", {**FIRST, "token": old}).status_code == 200, "a newer one was printed"
    assert browser.post("/accounts/first/", {**FIRST, "token": new})["Location"] == "/com-customers/firms/new/"
    assert is_in(browser)
    assert user("root").is_operator


def test_z14_there_is_one_first_operator() -> None:
    spare = token()
    move_in()
    assert Client().post("/accounts/first/", {**FIRST, "token": spare})["Location"] == "/accounts/login/"
    assert not User.objects.filter(login="root").exists()
    with pytest.raises(CommandError):
        call_command("first_token")


def test_the_token_can_not_be_guessed_at_leisure() -> None:
    good = token()
    for _try in range(6):
        Client().post("/accounts/first/", {**FIRST, "token": "guess"})
    assert Client().post("/accounts/first/", {**FIRST, "token": good}).status_code == 200
    assert not User.objects.exists()
    assert Link.objects.get(kind="first").used_at is None


# ---- The checklist


def test_the_checklist_leads_to_what_is_left_and_comes_back(anna: Client) -> None:
    text = anna.get("/").content.decode()
    assert "Send a test mail" in text
    for slug in ("smtp_server", "sender_address"):
        values = own_values(huber())
        values.pop(slug, None)
        save_parameters(Book("test"), huber(), values)
    text = anna.get("/").content.decode()
    assert f'href="{SERVER}"' in text
    assert "No mail server is set" in text
