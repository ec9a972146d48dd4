"""Invitations and password resets by mail: sealed, single use, ending; the same answer whether somebody exists or not (Z14)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from mailjobs.people.models import Link, Passkey
from mailsettings.models import AuditEvent, Tenant, User
from tests.cast import user
from tests.people.conftest import NEW, PASSWORD, is_in, link_in, log_in, text_of
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)


def as_anna() -> Client:
    client = Client()
    client.force_login(user("anna"))
    return client


def make(client: Client, **more: str) -> Any:
    data = {"login": "nina", "name": "Nina Neu", "email": "nina@kanzlei-huber.example", "role": "firm_user", "is_active": "on"}
    return client.post("/users/new/", {**data, "invite": "on", **more}, follow=True)


def test_z14_an_invited_user_chooses_a_password_once_and_is_in(relay: CountingServer) -> None:
    assert "nina@kanzlei-huber.example" in make(as_anna()).content.decode()
    [mail] = relay.received
    assert mail.recipients == ("nina@kanzlei-huber.example",)
    assert "nina" in text_of(mail)
    path, browser = link_in(mail), Client()
    assert browser.get(path).status_code == 200
    assert not user("nina").has_usable_password()
    answer = browser.post(path, {"password": NEW, "again": NEW})
    assert (answer.status_code, answer["Location"], is_in(browser)) == (302, "/", True)
    assert user("nina").check_password(NEW)
    assert Client().get(path).status_code == 404
    assert Client().post(path, {"password": "etwas ganz anderes 12", "again": "etwas ganz anderes 12"}).status_code == 404
    assert user("nina").check_password(NEW)


def test_the_token_is_stored_as_a_digest_only(relay: CountingServer) -> None:
    make(as_anna())
    token = link_in(relay.received[0]).rstrip("/").rpartition("/")[2]
    assert token not in str(list(Link.objects.values()))
    assert token not in str(list(AuditEvent.objects.values()))


def test_a_link_ends_and_a_newer_one_replaces_it(relay: CountingServer) -> None:
    client = as_anna()
    make(client)
    client.post(f"/users/{user('nina').pk}/access/", {"action": "invite"})
    old, new = (link_in(mail) for mail in relay.received)
    assert (Client().get(old).status_code, Client().get(new).status_code) == (404, 200)
    Link.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert Client().get(new).status_code == 404


def test_a_deactivated_user_cannot_take_an_invitation_up(relay: CountingServer) -> None:
    make(as_anna())
    User.objects.filter(login="nina").update(is_active=False)
    path = link_in(relay.received[0])
    assert Client().post(path, {"password": NEW, "again": NEW}).status_code == 404


@pytest.mark.parametrize(
    "given", [("kurz", "kurz"), (NEW, NEW + "x"), ("nina@kanzlei-huber.example",) * 2, ("passwordpassword", "")]
)
def test_a_weak_or_mistyped_password_is_refused_and_the_link_stays(relay: CountingServer, given: tuple[str, str]) -> None:
    make(as_anna())
    path = link_in(relay.received[0])
    answer = Client().post(path, {"password": given[0], "again": given[1]})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert Client().get(path).status_code == 200


def test_without_a_relay_the_inviter_hands_the_link_over(relay: CountingServer, settings: Any) -> None:
    settings.SYSTEM_EMAIL = {}
    text = make(as_anna()).content.decode()
    assert "/accounts/welcome/" in text
    assert "SYSTEM_EMAIL_URL" in text


def test_the_answer_to_a_reset_is_the_same_for_everybody(relay: CountingServer) -> None:
    answers: dict[str, tuple[Any, ...]] = {}
    for who in ("anna", "ANNA@kanzlei-huber.example", "nobody", "bernd", "\x00", "x" * 254):
        answer = Client().post("/accounts/forgotten/", {"who": who}, REMOTE_ADDR=f"192.0.2.{len(answers)}")
        answers[who] = (answer.status_code, answer.content.count(b"<p>"), b"is on its way" in answer.content)
    assert len({answers[who] for who in ("anna", "ANNA@kanzlei-huber.example", "nobody", "bernd", "x" * 254)}) == 1
    relay.wait_for(2, seconds=20)
    assert {mail.recipients for mail in relay.received} == {("anna@kanzlei-huber.example",)}


def test_a_reset_sets_the_password_and_logs_out_elsewhere(relay: CountingServer) -> None:
    elsewhere = Client()
    log_in("anna", PASSWORD, elsewhere)
    assert is_in(elsewhere)
    Client().post("/accounts/forgotten/", {"who": "anna"})
    relay.wait_for(1, seconds=20)
    browser = Client()
    browser.post(link_in(relay.received[0]), {"password": NEW, "again": NEW})
    assert is_in(browser)
    assert not is_in(elsewhere)
    assert not user("anna").check_password(PASSWORD)


def test_whose_password_was_taken_away_gets_no_reset_and_no_link_holds(relay: CountingServer) -> None:
    client = as_anna()
    make(client)
    path = link_in(relay.received[0])
    Client().post(path, {"password": NEW, "again": NEW})
    client.post(f"/users/{user('nina').pk}/access/", {"action": "invite"})
    Passkey.objects.create(user=user("nina"), name="Laptop", key="x", credential=b"")
    form = {
        "name": "Nina Neu",
        "email": "nina@kanzlei-huber.example",
        "role": "firm_user",
        "is_active": "on",
        "no_password": "on",
    }
    assert client.post(f"/users/{user('nina').pk}/", form).status_code == 302
    assert not Passkey.objects.exists()
    assert Client().get(link_in(relay.received[1])).status_code == 404
    Client().post("/accounts/forgotten/", {"who": "nina"})
    assert not Link.objects.filter(kind="reset").exists()


def test_the_first_administrator_of_a_com_customer_is_invited_with_it(relay: CountingServer) -> None:
    form = {"slug": "neukunde", "name": "Neukunde GmbH", "sends_as_firm": "warn", "login": "nadja", "person": "Nadja Neukunde"}
    assert as_anna().post("/com-customers/new/", form).context["form"].errors, "no address to invite"
    answer = as_anna().post("/com-customers/new/", {**form, "email": "nadja@neukunde.example"})
    assert answer.status_code == 302
    [mail] = relay.received
    assert mail.recipients == ("nadja@neukunde.example",)
    browser = Client()
    browser.post(link_in(mail), {"password": NEW, "again": NEW})
    assert user("nadja").role == "com_admin"
    assert "Neukunde GmbH" in browser.get("/").content.decode()


def test_a_taken_user_id_makes_no_half_com_customer(relay: CountingServer) -> None:
    form = {
        "slug": "neukunde",
        "name": "Neukunde GmbH",
        "sends_as_firm": "warn",
        "login": "bernd",
        "person": "X",
        "email": "x@y.example",
    }
    assert as_anna().post("/com-customers/new/", form).context["form"].errors
    assert not Tenant.objects.filter(slug="neukunde").exists()
    assert relay.received == []


def test_the_administrator_of_a_new_firm_is_invited_where_no_password_is_typed(relay: CountingServer) -> None:
    operator = User.objects.create_superuser("root", "x")
    client = Client()
    client.force_login(operator)
    form = {"slug": "neu", "name": "Kanzlei Neu", "login": "nora", "person": "Nora Neu", "email": "nora@neu.example"}
    assert client.post("/com-customers/firms/new/", form).status_code == 302
    [mail] = relay.received
    assert mail.recipients == ("nora@neu.example",)
    assert not user("nora").has_usable_password()


def test_a_mailbox_is_not_flooded(relay: CountingServer) -> None:
    for number in range(8):
        Client().post("/accounts/forgotten/", {"who": "anna"}, REMOTE_ADDR=f"198.51.100.{number}")
    relay.wait_for(5, seconds=20)
    assert Link.objects.filter(kind="reset").count() == 5
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        Client().post("/accounts/forgotten/", {"who": "anna"})
    assert Link.objects.filter(kind="reset").count() == 6


@pytest.mark.parametrize(("login", "status"), [("bernd", 404), ("max", 404), ("eva", 404), ("anna", 200)])
def test_t4_only_who_manages_a_user_sees_their_access(relay: CountingServer, login: str, status: int) -> None:
    client = Client()
    client.force_login(user(login))
    url = f"/users/{user('bernd').pk}/access/"
    assert client.get(url).status_code == status
    if status == 404:
        assert client.post(url, {"action": "invite"}).status_code == 404
    assert relay.received == []
