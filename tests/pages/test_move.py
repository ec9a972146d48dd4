"""The guided move to OAuth: tried before it is taken, nothing is switched while it fails, and one click back (S4, S6)."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from diagnostics.models import Diagnosis
from diagnostics.moving import judged, move_of
from mailjobs import sharing
from mailjobs.connections import known_to
from mailsettings.changes import Book, own_values, save_account, save_locks, save_parameters, save_secret
from mailsettings.models import AuditEvent, EmailAccount, Tenant, User
from tests.cast import OFFICE
from tests.pages.conftest import PASSWORD, LogIn, person, text_of
from tests.peers.graph_standin import GraphStandIn
from tests.services import wait_until

OLD = {"smtp_server": "smtp.office365.com", "smtp_user": OFFICE, "send_system": 0}


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


def huber() -> Tenant:
    return Tenant.objects.get(slug="huber")


def prepare(service: GraphStandIn | None = None) -> str:
    """The firm sends by user and password over Exchange Online; returns the page of its move."""
    more = {"ca_certificate": service.ca_pem, "graph_url": service.graph_url} if service else {}
    save_parameters(Book("test"), huber(), {**own_values(huber()), **OLD, **more})
    save_secret(Book("test"), huber(), "smtp_password", "old-password-of-the-tests")
    return f"/move/tenant/{huber().pk}/"


def send(client: Client, url: str, **data: Any) -> Any:
    """A post with the yes that the page asks for."""
    data["confirm_password"] = PASSWORD
    answer = client.post(url, data)
    for name in ("registration", "switch", "back_form"):
        form = answer.context.get(name) if answer.context else None
        if form is not None and getattr(form, "foresight", None):
            answer = client.post(url, {**data, "foreseen": form.foresight.digest})
    return answer


def register(client: Client, url: str, service: GraphStandIn, **changes: str) -> None:
    fields = {
        "oauth_tenant": "huber.example",
        "oauth_client_id": "portal",
        "oauth_client_secret": "client-secret-of-the-tests",
        "oauth_authority": service.authority,
        "graph_url": service.graph_url,
        **changes,
    }
    assert send(client, url, action="save", **fields).status_code == 302


def tried(client: Client, url: str) -> Diagnosis:
    count = Diagnosis.objects.count()
    assert client.post(url, {"action": "try"}).status_code == 302
    wait_until(lambda: Diagnosis.objects.exclude(finished_at=None).count() == count + 1, what="a diagnosis", seconds=20)
    return Diagnosis.objects.latest("pk")


@pytest.mark.django_db(transaction=True)
def test_the_whole_way_as_a_program_and_back(service: GraphStandIn, log_in: LogIn) -> None:
    client, url = log_in("anna"), prepare(service)
    service.may_send_as = {OFFICE: {"anna@kanzlei-huber.example"}}
    page = text_of(client, url)
    assert "Graph" in page
    assert "http://testserver/mailboxes/callback/" in page
    assert "Mail.Send" in page
    register(client, url, service)
    assert own_values(huber())["send_system"] == 0, "the old way goes on"
    move = move_of(huber())
    assert move.connection is not None
    assert move.connection.secret_usable
    assert (move.target, move.program, move.green) == (10, True, False)
    send(client, url, action="switch")
    assert own_values(huber())["send_system"] == 0, "not tried yet"
    row = tried(client, url)
    assert (judged(row), row.send_system, row.of_prospect) == ("passed", 10, True)
    assert service.taken == []
    assert "Switch over" in text_of(client, url)
    assert send(client, url, action="switch").status_code == 302
    assert own_values(huber())["send_system"] == 10
    event = AuditEvent.objects.filter(action="parameters", actor="anna").latest("pk")
    assert (event.before, event.after) == ({"send_system": 0}, {"send_system": 10})
    wait_until(lambda: Diagnosis.objects.filter(alike__startswith="user").exclude(finished_at=None).exists(), what="the proof")
    proof = Diagnosis.objects.latest("pk")
    assert judged(proof) == "passed", [step for step in proof.steps if step["verdict"] == "failed"]
    assert [mail.mailbox for mail in service.taken] == [OFFICE], "the test mail went the new way"
    assert "Back to the old way" in text_of(client, url)
    send(client, url, action="back")
    assert own_values(huber())["send_system"] == 0


@pytest.mark.django_db(transaction=True)
def test_what_only_the_test_mail_shows_is_said_after_the_switch_beside_the_way_back(service: GraphStandIn, log_in: LogIn) -> None:
    """The mailbox may not send as Anna: who takes mail says so only with the mail."""
    client, url = log_in("anna"), prepare(service)
    register(client, url, service)
    assert judged(tried(client, url)) == "passed"
    send(client, url, action="switch")
    wait_until(lambda: Diagnosis.objects.filter(alike__startswith="user").exclude(finished_at=None).exists(), what="the proof")
    assert judged(Diagnosis.objects.latest("pk")) == "failed"
    page = text_of(client, url)
    assert "go back to the old way below" in page
    assert "Back to the old way" in page


@pytest.mark.django_db(transaction=True)
def test_what_fails_is_said_and_nothing_is_switched(service: GraphStandIn, log_in: LogIn) -> None:
    client, url = log_in("anna"), prepare(service)
    register(client, url, service, oauth_client_secret="wrong-one")
    assert judged(tried(client, url)) == "failed"
    page = text_of(client, url)
    assert "Nothing is switched" in page
    assert "AADSTS7000215" not in own_values(huber())
    send(client, url, action="switch")
    assert own_values(huber())["send_system"] == 0
    register(client, url, service)
    assert judged(tried(client, url)) == "passed"
    register(client, url, service, oauth_tenant="other.example")
    assert not move_of(huber()).green, "another directory was never tried"


def test_a_mailbox_consents_for_the_new_way_while_the_old_one_is_in_force(service: GraphStandIn, log_in: LogIn) -> None:
    client, url = log_in("anna"), prepare(service)
    save_parameters(Book("test"), huber(), {**own_values(huber()), "oauth_client_id": "portal"})
    save_parameters(Book("test"), huber(), {**own_values(huber()), "oauth_authority": service.authority})
    save_secret(Book("test"), huber(), "oauth_client_secret", "client-secret-of-the-tests")
    address = str(client.get(url).context["authorize_url"])
    assert "Mail.Send" in address
    parts = urlsplit(service.consent(address, OFFICE))
    answer = client.get(f"{parts.path}?{parts.query}")
    assert answer.headers["Location"] == f"{url}?to=10#try"
    assert move_of(huber()).logged_in
    assert own_values(huber())["send_system"] == 0


@pytest.mark.django_db
def test_an_account_and_google(log_in: LogIn) -> None:
    values = {"smtp_server": "smtp.gmail.com", "smtp_user": "lohn@kanzlei-huber.example", "send_system": 1}
    account = save_account(Book("test"), tenant=huber(), slug="lohn", sender_address="lohn@kanzlei-huber.example", values=values)
    client, url = log_in("anna"), f"/move/account/{account.pk}/"
    page = text_of(client, url)
    assert "https://mail.google.com/" in page
    assert "Microsoft Entra" not in page
    send(client, url, action="save", oauth_client_id="client.apps", oauth_client_secret="secret-of-google")
    stored = EmailAccount.objects.get(pk=account.pk).values
    assert (stored["oauth_authority"], stored["send_system"]) == ("https://accounts.google.com", 1)
    move = move_of(EmailAccount.objects.get(pk=account.pk))
    assert (move.choices, move.program, move.logged_in) == ((9,), False, False)


@pytest.mark.parametrize(
    ("login", "kind", "status"),
    [
        ("anna", "tenant", 200),
        ("root", "tenant", 200),
        ("bernd", "tenant", 404),
        ("max", "tenant", 404),
        ("greta", "tenant", 404),
        ("anna", "user", 200),
        ("max", "user", 200),
        ("mia", "user", 404),
        ("greta", "user", 404),
        ("anna", "x", 404),
    ],
)
def test_t4_who_may_edit_the_settings_may_move_them(log_in: LogIn, login: str, kind: str, status: int) -> None:
    keys = {"tenant": huber().pk, "user": person("mia").pk}
    assert log_in(login).get(f"/move/{kind}/{keys.get(kind, 1)}/").status_code == status


def test_t4_a_com_customer_reads_no_server_of_the_firm(log_in: LogIn) -> None:
    prepare()
    muster = Tenant.objects.get(slug="muster")
    assert "smtp.office365.com" not in text_of(log_in("max"), f"/move/tenant/{muster.pk}/")


def test_t5_locked_settings_are_not_moved(log_in: LogIn) -> None:
    url = prepare()
    save_locks(Book("root"), huber(), locked=[], locked_by_operator=["smtp_server"])
    client = log_in("anna")
    assert "locked" in text_of(client, url)
    for action in ("save", "try", "switch", "back"):
        assert client.post(url, {"action": action}).status_code == 404


@pytest.mark.parametrize("page", ["/", "/connections/", "/advisor/", "/settings/"])
def test_s6_every_place_that_names_the_deadline_leads_to_the_move(log_in: LogIn, page: str) -> None:
    url = prepare()
    sharing.ids_of(list(known_to(User.objects.select_related("tenant").get(login="anna"))))
    assert url in text_of(log_in("anna"), page)


@pytest.mark.parametrize("action", ["", "whatever", "back", "switch", "save", "try"])
@pytest.mark.parametrize("to", ["", "?to=99", "?to=8", "?to=x"])
def test_nothing_that_is_typed_breaks_the_page(log_in: LogIn, action: str, to: str) -> None:
    client, url = log_in("anna"), prepare()
    assert client.get(url + to).status_code == 200
    assert client.post(url + to, {"action": action}).status_code in {200, 302, 400}
