"""The sender pages: who sees what of them (T4), and the what-if of one case (R4, P8)."""

import csv
import re
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from mailsettings.configuration import import_document
from mailsettings.models import User
from tests.pages.conftest import PASSWORD, LogIn, document

PAGE, FILE = "/senders/", "/senders/matrix.csv"
SERVER = "mail.kanzlei-huber.example"
pytestmark = pytest.mark.django_db


def move_in(*, firm: dict[str, Any] | None = None, **changes: dict[str, Any]) -> None:
    """The cast again: `firm` replaces keys of Huber's entry, a Com customer's name those of its entry; parameters are added."""
    configuration = document()
    huber = configuration["firms"][0]
    for entry, changed in [(huber, firm or {}), *((_customer(huber, name), more) for name, more in changes.items())]:
        parameters = {**entry.get("parameters", {}), **changed.get("parameters", {})}
        entry.update({**changed, "parameters": parameters})
    import_document(configuration, actor="test")


def _customer(firm: dict[str, Any], slug: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in firm["com_customers"] if entry["id"] == slug)
    return found


def somebody(login: str, name: str, role: str, **parameters: Any) -> dict[str, Any]:
    return {"id": login, "name": name, "role": role, "password": PASSWORD, "parameters": parameters}


def text_of(client: Client, url: str, status: int = 200) -> str:
    """What the page says, without its tags and with single spaces."""
    answer = client.get(url)
    assert answer.status_code == status, url
    body = re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)
    assert body, url
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body[0])).split())


def sentence(client: Client, url: str) -> str:
    return str(client.get(url).context["answer"]["sentence"])


def file_of(client: Client, url: str = FILE) -> list[dict[str, str]]:
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))


def logins(client: Client, url: str = PAGE) -> list[str]:
    """Whose rows the matrix has."""
    return [line.user.login for line in client.get(url).context["lines"]]


# ---- Who sees what


@pytest.mark.parametrize(
    ("login", "seen"),
    [("anna", ["anna", "bernd"]), ("bernd", ["bernd"]), ("max", ["max", "mia"]), ("mia", ["mia"]), ("eva", ["eva"])],
)
def test_t4_each_role_sees_the_rows_of_its_own(log_in: LogIn, login: str, seen: list[str]) -> None:
    client = log_in(login)
    assert logins(client) == seen
    assert {row["User ID"] for row in file_of(client)} == set(seen)
    assert "Senders" in [item.label for item in client.get(PAGE).context["navigation"]]


def test_who_is_not_logged_in_is_sent_to_the_log_in(cast: None) -> None:
    assert Client().get(PAGE).status_code == 302
    assert Client().get(FILE).status_code == 302


def test_a_service_user_who_logs_in_sees_only_themself(db: None) -> None:
    move_in(firm={"users": [*document()["firms"][0]["users"], somebody("stapel", "Stapel-User", "service_user")]})
    client = Client()
    client.force_login(User.objects.get(login="stapel"))
    assert logins(client) == ["stapel"]


@pytest.mark.parametrize(
    ("login", "tenant", "status"),
    [
        ("anna", "huber", 200),
        ("anna", "muster", 200),
        ("anna", "gruber", 404),
        ("bernd", "muster", 404),
        ("max", "huber", 404),
        ("max", "beispiel", 404),
        ("mia", "gruber", 404),
        ("root", "gruber", 200),
        ("root", "muster", 200),
        ("root", "nowhere", 404),
    ],
)
def test_t4_only_visible_tenants_can_be_chosen(log_in: LogIn, login: str, tenant: str, status: int) -> None:
    assert log_in(login).get(PAGE, {"tenant": tenant}).status_code == status
    assert log_in(login).get(FILE, {"tenant": tenant}).status_code == status


@pytest.mark.parametrize(
    ("login", "asked"),
    [("bernd", "anna"), ("mia", "max"), ("mia", "anna"), ("max", "eva"), ("anna", "greta"), ("anna", "nobody")],
)
def test_t4_who_may_not_be_asked_about_is_as_unknown_as_who_does_not_exist(log_in: LogIn, login: str, asked: str) -> None:
    client = log_in(login)
    text = text_of(client, f"{PAGE}?user={asked}", 404)
    assert ("There is no user with the ID" in text) is (login in {"anna", "max"})
    assert ("You can ask about your own mail only." in text) is (login in {"bernd", "mia"})
    assert client.get(f"{PAGE}?user={asked}").context["answer"] is None
    names = set(User.objects.values_list("name", flat=True)) - {line.user.name for line in client.get(PAGE).context["lines"]}
    assert not [name for name in names if name in text]


def test_a_link_that_names_a_user_only_opens_their_tenant(log_in: LogIn) -> None:
    client = log_in("anna")
    assert client.get(f"{PAGE}?user=mia").context["view"].chosen.slug == "muster"
    assert logins(client, f"{PAGE}?user=mia") == ["max", "mia"]


# ---- The firm behind a Com customer (T4)


@pytest.mark.parametrize("login", ["eva", "mia"])
def test_t4_the_firms_server_port_and_login_are_the_mail_server_of_the_firm(db: None, login: str) -> None:
    move_in(firm={"parameters": {"smtp_user": "relay-login", "smtp_password": "x", "smtp_port": 2525}})
    client = Client()
    client.force_login(User.objects.get(login=login))
    whole = "".join(client.get(url).content.decode() for url in (f"{PAGE}?user={login}&print_model=invoices", FILE))
    assert whole.count("mail server of the firm") >= 4
    for secret in (SERVER, "relay-login", "2525", "anna@", "bernd"):
        assert secret not in whole


def test_t4_a_hazard_that_names_the_firms_provider_is_the_firms_to_see(db: None) -> None:
    provider = {"smtp_server": "smtp.office365.com", "smtp_user": "office", "smtp_password": "x"}
    move_in(firm={"parameters": provider})
    seen = {}
    for login in ("anna", "eva"):
        client = Client()
        client.force_login(User.objects.get(login=login))
        seen[login] = text_of(client, f"{PAGE}?user=eva")
        assert client.get(f"{PAGE}?user=eva&only=basic_auth_retired").context["lines"] == [] or login == "anna"
    assert "Microsoft 365 switches log-in" in seen["anna"].partition("Hazards that do not occur")[0]
    assert "Microsoft 365 switches log-in" not in seen["eva"].partition("Hazards that do not occur")[0]


def test_t4_an_address_of_the_firm_that_an_own_one_overrides_is_not_told(db: None) -> None:
    account = {"id": "own", "sender_address": "own@musterkunde.example", "user": "mia"}
    move_in(
        firm={"parameters": {"always_use_sender_address": True}},
        muster={"email_accounts": [account], "parameters": {"sender_address": None}},
    )
    seen = {}
    for login in ("anna", "mia"):
        client = Client()
        client.force_login(User.objects.get(login=login))
        seen[login] = text_of(client, f"{PAGE}?user=mia")
    assert "own@musterkunde.example" in seen["mia"]
    assert "office@kanzlei-huber.example" not in seen["mia"]
    assert "office@kanzlei-huber.example" in seen["anna"]


# ---- The what-if


def test_r4_a_case_is_answered_in_one_sentence_with_its_ladder_and_server(log_in: LogIn) -> None:
    client = log_in("anna")
    answer = client.get(f"{PAGE}?user=anna&print_model=invoices").context["answer"]
    assert answer["sentence"] == f"Anna Huber would send by SMTP over {SERVER}:587 as anna@kanzlei-huber.example."
    assert answer["kind"] == "ready"
    assert [level["outcome"] for level in answer["ladder"]["levels"]].count("used") == 1
    assert len(answer["ladder"]["levels"]) == 9
    text = text_of(client, f"{PAGE}?user=anna&print_model=invoices")
    assert "Own settings of the user" in text
    assert "1 – Asynchronously over the mail service" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("user=bernd&context_sender=neu@kanzlei-huber.example", "as neu@kanzlei-huber.example."),
        ("user=bernd&context_sender=Neu%20<neu@kanzlei-huber.example>", "as Neu <neu@kanzlei-huber.example>."),
        ("user=anna&sender_method=crm", "as anna@kanzlei-huber.example."),
        ("user=anna&unattended=1", "as anna@kanzlei-huber.example."),
        ("user=max", "as rechnung@musterkunde.example."),
    ],
)
def test_r4_everything_a_case_asks_for_decides(log_in: LogIn, query: str, said: str) -> None:
    assert said in sentence(log_in("anna"), f"{PAGE}?{query}")


@pytest.mark.parametrize(
    "address",
    ["nonsense", "a@b", "%00", "a@b.example%0d%0aBcc:x@y.example", "x" * 3000, "%F0%9F%92%A9@x.example", '"', "a,b@c.example"],
)
def test_r4_an_impossible_context_sender_is_an_answer(log_in: LogIn, address: str) -> None:
    answer = log_in("anna").get(f"{PAGE}?user=bernd&context_sender={address}")
    assert answer.status_code == 200
    shown = answer.context["answer"]
    assert shown["kind"] == "refused" or address == "%00"
    assert shown["sentence"] == "A mail of Bernd Moser would be refused." or address == "%00"


def test_an_impossible_context_sender_stays_in_the_form(log_in: LogIn) -> None:
    body = log_in("anna").get(f"{PAGE}?user=bernd&context_sender=%3Cb%3Enonsense").content.decode()
    assert 'value="&lt;b&gt;nonsense"' in body
    assert "<b>nonsense" not in body


@pytest.mark.parametrize(
    "query", ["print_model=nowhere", "print_model=%00", "print_model=" + "x" * 2000, "print_model=%F0%9F%92%A9"]
)
def test_an_unknown_print_model_is_said_clearly(log_in: LogIn, query: str) -> None:
    answer = log_in("anna").get(f"{PAGE}?user=anna&{query}")
    assert answer.status_code == 200
    if "%00" not in query:
        assert answer.context["answer"]["kind"] == "refused"
        assert "print model" in answer.context["answer"]["text"]


@pytest.mark.parametrize(
    "name", ["user", "print_model", "context_sender", "sender_method", "unattended", "tenant", "q", "only", "page"]
)
@pytest.mark.parametrize("value", ["%00", "'\"><x>", "-1", "999999999999999999999", "%ff%fe", "%F0%9F%92%A9", "x" * 2000, "  "])
def test_nothing_typed_into_the_address_breaks_the_page(log_in: LogIn, name: str, value: str) -> None:
    for login in ("anna", "mia", "root"):
        for url in (PAGE, FILE):
            answer = log_in(login).get(f"{url}?{name}={value}")
            assert answer.status_code in {200, 404}
            assert b"<x>" not in answer.content


def test_c1_a_refusal_says_why_and_leads_to_where_it_is_mended(db: None) -> None:
    move_in(firm={"parameters": {"check_sender": True}})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    answer = client.get(f"{PAGE}?user=bernd").context["answer"]
    assert (answer["kind"], answer["mending"].url) == ("refused", "/employees/")
    assert "Check sender" in answer["text"]
    assert "Refused" in text_of(client, PAGE)
    assert "no employee linked" in text_of(client, PAGE)
    client.force_login(User.objects.get(login="bernd"))
    assert client.get(PAGE).context["answer"]["mending"] is None


@pytest.mark.parametrize(("policy", "who"), [("warn", "the sender"), ("hold", "the firm")])
def test_p8_a_held_case_says_for_whom(db: None, policy: str, who: str) -> None:
    move_in(beispiel={"sends_as_firm": policy})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    answer = client.get(f"{PAGE}?user=eva").context["answer"]
    assert answer["sentence"].endswith(f"as office@kanzlei-huber.example; held for {who}.")
    assert (answer["kind"], [danger.code for danger in answer["hazards"]]) == ("held", ["sends_as_firm"])
    assert "Held: until" in text_of(client, f"{PAGE}?tenant=beispiel")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"redirect_addresses": ["test@kanzlei-huber.example"]}, "; redirected to test@kanzlei-huber.example."),
        ({}, "; redirected to anna@test-dummy.at."),
        ({"redirect_capture_only": True}, "; captured by the redirect mode, not sent."),
    ],
)
def test_u1_a_redirected_case_says_to_whom(db: None, parameters: dict[str, Any], said: str) -> None:
    move_in(firm={"parameters": {"redirect_enabled": True, **parameters}})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    assert sentence(client, f"{PAGE}?user=anna").endswith(said)


def test_p2_the_mail_client_is_said_where_there_is_no_server(db: None) -> None:
    move_in(firm={"parameters": {"smtp_server": None}})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    assert sentence(client, f"{PAGE}?user=bernd") == (
        "Bernd Moser would send through the own mail client as office@kanzlei-huber.example."
    )
    refused = client.get(f"{PAGE}?user=bernd&print_model=invoices").context["answer"]
    assert (refused["kind"], refused["mending"].url) == ("refused", "/settings/")


def test_t6_a_deactivated_user_can_be_asked_about_but_has_no_row(log_in: LogIn) -> None:
    User.objects.filter(login="bernd").update(is_active=False)
    client = log_in("anna")
    assert logins(client) == ["anna"]
    assert client.get(f"{PAGE}?user=bernd").context["answer"]["kind"] == "refused"
