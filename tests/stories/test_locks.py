"""Stories of locked parameters (T5): by the firm, by a Com customer, by the operator; what arrives, and at whose server."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from mailjobs import delivery
from mailjobs.models import MailJob
from mailjobs.submission import submit
from mailsettings.changes import Book, own_values, save_account, save_parameters
from mailsettings.models import Tenant, User
from tests.cast import OFFICE, connection_to, invoice, move_in, user
from tests.pages.conftest import save
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
LOCKS, SETTINGS, OWN = "/settings/locks/", "/settings/", "/settings/own/"
MIA = "mia@musterkunde.example"


def log_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def tenant(slug: str) -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def put(owner: Tenant | User, **values: Any) -> None:
    save_parameters(Book("test"), owner, {**own_values(owner), **values})


def locks(login: str, *keys: str, of: str = "", **more: str) -> None:
    """Somebody ticks exactly these on the page, and says yes to what it foresees."""
    data = {key if "-" in key else f"lock-{key}": "on" for key in keys}
    answer = save(log_in(login), LOCKS + (f"?tenant={of}" if of else ""), {**data, **more})
    assert answer.redirect_chain, answer.context["form"].errors


def sent_by(server: CountingServer, login: str, number: int = 1) -> str:
    """The address that a mail of this user's carries when it arrives."""
    before = len(server.received)
    submit(user(login), invoice(number))
    delivery.run(until_empty=True)
    assert len(server.received) == before + 1
    return server.received[-1].sender


def test_the_firm_locks_the_address_its_com_customers_and_users_send_with(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    put(user("mia"), sender_address=MIA)
    put(user("bernd"), sender_address="bernd@kanzlei-huber.example")
    assert sent_by(smtp_server, "mia") == MIA
    locks("anna", "sender_address")
    assert [sent_by(smtp_server, login) for login in ("mia", "max", "bernd")] == [OFFICE] * 3
    page = log_in("mia").get(OWN).content.decode()
    assert "Locked by Kanzlei Huber" in page
    assert own_values(user("mia"))["sender_address"] == MIA, "ignored, not forgotten"

    locks("anna")
    assert [sent_by(smtp_server, login) for login in ("mia", "max")] == [MIA, "rechnung@musterkunde.example"]


def test_a_com_customer_locks_for_its_own_users_and_for_nobody_else(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    put(user("mia"), sender_address=MIA)
    put(user("bernd"), sender_address="bernd@kanzlei-huber.example")
    locks("max", "sender_address")
    assert sent_by(smtp_server, "mia") == "rechnung@musterkunde.example"
    assert sent_by(smtp_server, "bernd") == "bernd@kanzlei-huber.example"
    assert "Locked by Musterkunde GmbH" in log_in("mia").get(OWN).content.decode()
    save(log_in("max"), SETTINGS, {"sender_address": "neu@musterkunde.example"})
    assert own_values(tenant("muster"))["sender_address"] == "neu@musterkunde.example", "the locking level sets it"


def test_the_firm_locks_the_server_and_with_it_the_whole_connection(smtp_servers: Callable[..., CountingServer]) -> None:
    of_firm, elsewhere = smtp_servers(), smtp_servers(auth=False)
    move_in(of_firm)
    own = {key: value for key, value in connection_to(elsewhere).items() if key != "smtp_password"}
    put(tenant("muster"), **own)
    put(user("mia"), smtp_user="mias-own")
    save_account(
        Book("test"), tenant=tenant("muster"), slug="max", sender_address="max@musterkunde.example", values=own, user=user("max")
    )
    assert sent_by(elsewhere, "max") == "max@musterkunde.example"
    locks("anna", "smtp_server")
    assert sent_by(of_firm, "max") == "max@musterkunde.example", "the account's address, over the firm's server"
    assert sent_by(of_firm, "mia") == "rechnung@musterkunde.example"
    assert len(elsewhere.received) == 1
    form = log_in("max").get(SETTINGS).context["form"]
    assert all(form.fields[key].disabled for key in ("smtp_server", "smtp_port", "smtp_user", "smtp_password", "oauth_tenant"))


def test_the_operator_locks_a_firms_set_up_for_everybody_but_the_operator(smtp_servers: Callable[..., CountingServer]) -> None:
    """A hosted database: the mail set-up is left to the operator's technicians."""
    hosted, elsewhere = smtp_servers(), smtp_servers(auth=False)
    move_in(hosted)
    User.objects.create(login="root", name="Betrieb", role="operator")
    locks("root", "operator-smtp_server", of="huber")
    form = log_in("anna").get(SETTINGS).context["form"]
    assert form.fields["smtp_server"].disabled
    assert "Locked by the operator" in form.fields["smtp_server"].origin["text"]
    typed = {"smtp_server": elsewhere.host, "smtp_port": str(elsewhere.port), "smtp_tls": "off"}
    save(log_in("anna"), SETTINGS, {**typed, "sender_address": OFFICE})
    put(tenant("muster"), smtp_server=elsewhere.host, smtp_port=elsewhere.port)
    assert own_values(tenant("huber"))["smtp_port"] == hosted.port
    assert sent_by(hosted, "bernd") == OFFICE
    assert sent_by(hosted, "max") == "rechnung@musterkunde.example"
    assert elsewhere.received == []
    assert not log_in("root").get(f"{SETTINGS}?tenant=huber").context["form"].fields["smtp_server"].disabled


@pytest.mark.parametrize("level", ["user", "com"])
def test_u2_a_lock_ends_a_redirect_below_only_with_the_password(smtp_server: CountingServer, level: str) -> None:
    move_in(smtp_server)
    owner = user("mia") if level == "user" else tenant("muster")
    put(owner, redirect_enabled=True, redirect_addresses=["test@musterkunde.example"])
    assert sent_by(smtp_server, "mia") == "rechnung@musterkunde.example"
    queued = submit(user("mia"), invoice(2))
    refused = log_in("anna").post(LOCKS, {"lock-redirect_enabled": "on"})
    assert "Enter your log-in password" in refused.content.decode()
    assert tenant("huber").locked == []

    locks("anna", "redirect_enabled", login_password="anna-log-in-1")
    delivery.run(until_empty=True)
    assert queued.id is not None
    assert MailJob.objects.get(pk=queued.id).state == "sent"
    submit(user("mia"), invoice(3))
    delivery.run(until_empty=True)
    # U4: what was queued while it was on never goes to its real recipients; what came afterwards does.
    assert [mail.recipients for mail in smtp_server.received] == [
        ("test@musterkunde.example",),
        ("test@musterkunde.example",),
        ("klient3@kunde.example",),
    ]


def test_c1_what_a_lock_ignores_checks_no_sender_and_what_the_firm_switches_on_checks_all(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    put(user("mia"), check_sender=True)
    assert submit(user("mia"), invoice()).code == "check_sender_no_employee"
    locks("anna", "check_sender")
    assert sent_by(smtp_server, "mia") == "rechnung@musterkunde.example"
    put(tenant("huber"), check_sender=True)
    assert submit(user("mia"), invoice()).code == "check_sender_no_employee"
