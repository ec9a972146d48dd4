"""*Connect mailbox*: a consent through the browser, bound to session, user and settings; who may, what is stored and said."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from mailjobs.consenting import place_of
from mailsettings.changes import Book, own_values, save_account, save_locks, save_parameters, save_secret
from mailsettings.models import AuditEvent, Consent, EmailAccount, Secret, Tenant
from tests.pages.conftest import LogIn, person, text_of
from tests.peers.graph_standin import App, GraphStandIn

OFFICE = "office@kanzlei-huber.example"


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


@pytest.fixture
def log_in_there(log_in: LogIn, service: GraphStandIn) -> LogIn:
    """The firm sends by Graph, with the stand-in as its authority."""
    firm = Tenant.objects.get(slug="huber")
    values = own_values(firm) | connection(service)
    save_parameters(Book("test"), firm, values)
    save_secret(Book("test"), firm, "oauth_client_secret", "client-secret-of-the-tests")
    return log_in


def connection(service: GraphStandIn) -> dict[str, Any]:
    return {
        "send_system": 11,
        "smtp_user": OFFICE,
        "graph_url": service.graph_url,
        "oauth_authority": service.authority,
        "oauth_client_id": "portal",
        "ca_certificate": service.ca_pem,
    }


def url_of_firm() -> str:
    return f"/mailboxes/tenant/{Tenant.objects.get(slug='huber').pk}/"


def asked_at(client: Client, url: str) -> str:
    """The address behind *Connect mailbox*."""
    found = str(client.get(url).context["authorize_url"])
    assert found
    return found


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_a_consent_through_the_browser_is_stored_and_audited(service: GraphStandIn, log_in_there: LogIn) -> None:
    client, url = log_in_there("anna"), url_of_firm()
    assert "mailboxes/tenant" in text_of(client, "/settings/")
    address = asked_at(client, url)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["redirect_uri"] == "http://testserver/mailboxes/callback/"
    assert (asked["login_hint"], asked["prompt"]) == (OFFICE, "select_account")
    assert asked["scope"].split()[:3] == ["openid", "email", "offline_access"]
    answer = client.get(path_of(service.consent(address, OFFICE)), follow=True)
    assert answer.redirect_chain[0][0] == url
    assert f"The mailbox {OFFICE} is connected." in said(answer)
    consent = Consent.objects.get()
    assert (consent.mailbox, consent.given_by, consent.refusal) == (OFFICE, "anna", "")
    event = AuditEvent.objects.get(action="consent")
    assert (event.actor, event.after) == ("anna", {"mailbox": OFFICE})
    assert all(refresh.encode() not in bytes(consent.secret.sealed) for refresh in service._refresh)
    page = text_of(client, url)
    assert "Connect mailbox again" in page
    assert OFFICE in page


def test_a_public_client_needs_no_secret(service: GraphStandIn, log_in_there: LogIn) -> None:
    service.apps["public"] = App(secret="")
    firm = Tenant.objects.get(slug="huber")
    Secret.objects.all().delete()
    save_parameters(Book("test"), firm, {**own_values(firm), "oauth_client_id": "public"})
    client = log_in_there("anna")
    client.get(path_of(service.consent(asked_at(client, url_of_firm()), OFFICE)))
    assert Consent.objects.count() == 1


def lead_back(client: Client, service: GraphStandIn) -> str:
    """The path that the browser is led back to after the firm's administrator has asked and somebody has consented."""
    return path_of(service.consent(asked_at(client, url_of_firm()), OFFICE))


@pytest.mark.parametrize(
    ("found", "instead"),
    [("state=", "state=x"), ("&state=", "&other="), ("code=", "code=x"), ("code=", "error=access_denied&c=")],
    ids=["another state", "no state", "another code", "refused"],
)
def test_an_answer_that_was_changed_does_not_count(service: GraphStandIn, log_in_there: LogIn, found: str, instead: str) -> None:
    client = log_in_there("anna")
    answer = client.get(lead_back(client, service).replace(found, instead), follow=True)
    assert Consent.objects.count() == 0
    assert "connected." not in said(answer)
    assert "Nothing has changed." in said(answer) or "was not asked for here" in said(answer)


@pytest.mark.parametrize("changes", [{"user": 0}, {"at": 0.0}], ids=["another user", "too late"])
def test_an_answer_counts_for_who_asked_and_for_a_while(
    service: GraphStandIn, log_in_there: LogIn, changes: dict[str, Any]
) -> None:
    client = log_in_there("anna")
    back = lead_back(client, service)
    session = client.session
    session["mailbox_consent"] = {**session["mailbox_consent"], **changes}
    session.save()
    assert "was not asked for here" in said(client.get(back, follow=True))
    assert Consent.objects.count() == 0


def test_an_answer_counts_once_and_in_its_session(service: GraphStandIn, log_in_there: LogIn) -> None:
    client = log_in_there("anna")
    back = lead_back(client, service)
    assert "was not asked for here" in said(log_in_there("anna").get(back, follow=True))
    assert Consent.objects.count() == 0
    client.get(back)
    assert Consent.objects.count() == 1
    Consent.objects.all().delete()
    assert "was not asked for here" in said(client.get(back, follow=True))
    assert Consent.objects.count() == 0


def test_an_answer_is_for_the_settings_of_then(service: GraphStandIn, log_in_there: LogIn) -> None:
    client = log_in_there("anna")
    back = lead_back(client, service)
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), "graph_url": "https://elsewhere.example/v1.0"})
    assert "The settings have changed meanwhile." in said(client.get(back, follow=True))
    assert service.requests == []


def test_t5_a_locked_connection_takes_no_consent(service: GraphStandIn, log_in_there: LogIn) -> None:
    client = log_in_there("anna")
    back = lead_back(client, service)
    save_locks(Book("root"), Tenant.objects.get(slug="huber"), locked=[], locked_by_operator=["smtp_server"])
    assert client.get(back).status_code == 404
    assert client.get(url_of_firm()).context["authorize_url"] == ""
    assert Consent.objects.count() == 0


def test_what_the_authority_did_not_say_is_not_shown(service: GraphStandIn, log_in_there: LogIn) -> None:
    client = log_in_there("anna")
    address = asked_at(client, url_of_firm())
    state = parse_qs(urlsplit(address).query)["state"][0]
    answer = client.get(f"/mailboxes/callback/?error=Call+0900+now%21&state={state}", follow=True)
    assert "0900" not in answer.content.decode()


@pytest.mark.parametrize(
    ("login", "kind", "status"),
    [
        ("anna", "tenant", 200),
        ("root", "tenant", 200),
        ("bernd", "tenant", 404),
        ("max", "tenant", 404),
        ("greta", "tenant", 404),
        ("anna", "account", 200),
        ("max", "account", 200),
        ("mia", "account", 404),
        ("eva", "account", 404),
        ("greta", "account", 404),
        ("anna", "user", 200),
        ("max", "user", 200),
        ("mia", "user", 404),
        ("greta", "user", 404),
        ("anna", "nothing", 404),
    ],
)
def test_t4_who_may_edit_the_settings_may_connect(log_in_there: LogIn, login: str, kind: str, status: int) -> None:
    muster = Tenant.objects.get(slug="muster")
    save_account(Book("test"), tenant=muster, slug="rechnung", sender_address="rechnung@musterkunde.example", values={})
    keys = {
        "tenant": Tenant.objects.get(slug="huber").pk,
        "account": EmailAccount.objects.get().pk,
        "user": person("mia").pk,
    }
    assert log_in_there(login).get(f"/mailboxes/{kind}/{keys.get(kind, 1)}/").status_code == status


def test_a_consent_is_forgotten_and_audited(service: GraphStandIn, log_in_there: LogIn) -> None:
    client, url = log_in_there("anna"), url_of_firm()
    client.get(path_of(service.consent(asked_at(client, url), OFFICE)))
    assert client.post(url, {"action": "forget"}).status_code == 302
    assert (Consent.objects.count(), Secret.objects.filter(key="oauth_refresh_token").count()) == (0, 0)
    assert AuditEvent.objects.filter(subject="huber/oauth_refresh_token", actor="anna").count() == 2


def test_the_page_says_what_is_missing(log_in: LogIn) -> None:
    page = text_of(log_in("anna"), url_of_firm())
    assert "First enter the client ID" in page
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), "oauth_client_id": "portal"})
    assert "choose one with OAuth" in text_of(log_in("anna"), url_of_firm())
    values = {**own_values(firm), "send_system": 9, "oauth_authority": "http://authority.example"}
    save_parameters(Book("test"), firm, values)
    assert "no https address" in text_of(log_in("anna"), url_of_firm())


def test_the_page_shows_a_refusal_and_what_no_longer_fits(service: GraphStandIn, log_in_there: LogIn) -> None:
    client, url = log_in_there("anna"), url_of_firm()
    client.get(path_of(service.consent(asked_at(client, url), "somebody@else.example")))
    Consent.objects.update(refusal="400 HTTP invalid_grant: AADSTS700082: expired")
    firm = Tenant.objects.get(slug="huber")
    page = text_of(client, url)
    assert "AADSTS700082" in page
    assert f"The settings name {OFFICE}" in page
    save_parameters(Book("test"), firm, {**own_values(firm), "smtp_user": "another@kanzlei-huber.example"})
    assert "connect the mailbox again" in text_of(client, url)


def test_z6_an_authority_inside_is_not_asked(service: GraphStandIn, log_in_there: LogIn, settings: Any) -> None:
    client, url = log_in_there("anna"), url_of_firm()
    back = path_of(service.consent(asked_at(client, url), OFFICE))
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    answer = client.get(back, follow=True)
    assert "cannot be reached" in said(answer)
    assert service.requests == []


def test_google_is_asked_for_lasting_access(log_in: LogIn) -> None:
    firm = Tenant.objects.get(slug="huber")
    values = {"send_system": 9, "oauth_authority": "https://accounts.google.com", "oauth_client_id": "portal"}
    save_parameters(Book("test"), firm, {**own_values(firm), **values})
    asked = parse_qs(urlsplit(asked_at(log_in("anna"), url_of_firm())).query)
    assert (asked["access_type"], asked["prompt"]) == (["offline"], ["consent"])
    assert asked["scope"] == ["openid email https://mail.google.com/"]
    assert not place_of(firm).authority.programs
