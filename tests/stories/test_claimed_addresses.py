"""A Com customer claims a sender address: nothing carries it before its mailbox has said yes (T4, P8)."""

import re
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailjobs import delivery
from mailjobs.core.plan import Plan, make_plan
from mailjobs.models import MailJob
from mailjobs.submission import submit
from mailsettings.changes import Book, Trust, save_account, save_employee, save_parameters
from mailsettings.changes.claims import MAILS_A_DAY_OF_TENANT
from mailsettings.configuration import import_document
from mailsettings.core.facts import Request
from mailsettings.models import AuditEvent, ClaimedAddress, Tenant
from mailsettings.selectors import facts_of
from tests.cast import OFFICE, document, invoice, move_in, user
from tests.pages.conftest import save
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "mia.muster@musterkunde.example"
OWN = "/settings/own/"


@pytest.fixture
def relay(settings: Any, smtp_server: CountingServer, tmp_path: Any) -> CountingServer:
    """The operator's relay for system mail; it is also the firm's mail server here."""
    ca = tmp_path / "ca.pem"
    ca.write_text(smtp_server.ca_pem)
    settings.OUTBOUND_CA_FILE = str(ca)
    settings.SYSTEM_EMAIL_FROM = "Postausgang <postausgang@hoster.example>"
    settings.SYSTEM_EMAIL = {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": smtp_server.host,
        "EMAIL_PORT": smtp_server.port,
        "EMAIL_HOST_USER": smtp_server.login,
        "EMAIL_HOST_PASSWORD": smtp_server.password,
        "EMAIL_USE_TLS": True,
    }
    move_in(smtp_server)
    return smtp_server


def log_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def plan(login: str) -> Plan:
    return make_plan(facts_of(user(login), Request("invoices")))


def claim(login: str, address: str) -> str:
    """Enter an own sender address through the page; the text of the answer."""
    answer = save(log_in(login), OWN, {"sender_address": address})
    return str(answer.content.decode())


def link_in(server: CountingServer) -> str:
    raw = server.received[-1].content
    text = message_from_bytes(raw, policy=default).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    found = re.search(r"/addresses/confirm/[A-Za-z0-9_-]+/", text)
    assert found, text
    return found[0]


def test_t4_an_address_is_used_only_after_its_mailbox_confirmed_it(relay: CountingServer) -> None:
    page = claim("mia", NEW)
    assert NEW in page
    assert "is refused" in page
    [mail] = relay.received
    assert (mail.recipients, mail.sender) == ((NEW,), "postausgang@hoster.example")
    assert "Mia Muster" in message_from_bytes(mail.content, policy=default).get_body(("plain",)).get_content()  # type: ignore[union-attr]

    before = plan("mia")
    assert (before.allowed, before.refused, before.sender.level) == (False, "address_unconfirmed", "user_parameters")
    assert submit(user("mia"), invoice(1)).code == "address_unconfirmed"

    link, stranger = link_in(relay), Client()
    assert stranger.get(link).status_code == 200
    assert not plan("mia").allowed, "opening the link changes nothing, since mail filters open links too"
    assert stranger.post(link, {"action": "confirm"}).status_code == 200
    assert plan("mia").allowed
    submit(user("mia"), invoice(2))
    delivery.run(until_empty=True)
    assert [mail.sender for mail in relay.received[1:]] == [NEW]
    assert stranger.get(link).status_code == 404, "a link serves once"


def test_t4_who_says_no_ends_the_claim_and_only_the_firm_can_allow_it(relay: CountingServer) -> None:
    claim("mia", NEW)
    Client().post(link_in(relay), {"action": "disown"})
    assert plan("mia").refused == "address_unconfirmed"
    row = ClaimedAddress.objects.get(key=NEW)
    page = log_in("max").post(f"/addresses/{row.pk}/", {"action": "ask"}, follow=True).content.decode()
    assert "Only your firm can allow it" in page
    assert len(relay.received) == 1
    log_in("max").post(f"/addresses/{row.pk}/", {"action": "confirm"})
    assert not plan("mia").allowed, "the Com customer cannot vouch for itself"
    log_in("anna").post(f"/addresses/{row.pk}/", {"action": "confirm"})
    assert plan("mia").allowed
    assert AuditEvent.objects.filter(action="address", actor="anna").exists()


def test_t4_a_disowned_address_stops_mail_that_is_queued_already(relay: CountingServer) -> None:
    claim("mia", NEW)
    link = link_in(relay)
    row = ClaimedAddress.objects.get(key=NEW)
    log_in("anna").post(f"/addresses/{row.pk}/", {"action": "confirm"})
    submit(user("mia"), invoice(1))
    ClaimedAddress.objects.filter(pk=row.pk).update(confirmed_at=None, disowned_at=timezone.now())
    delivery.run(until_empty=True)
    assert len(relay.received) == 1
    assert MailJob.objects.get().state == "failed"
    assert Client().get(link).status_code == 404, "who confirmed by hand made the link void"


def test_p8_an_address_of_another_tenant_cannot_be_claimed(relay: CountingServer) -> None:
    for login, address in (
        ("mia", OFFICE),
        ("mia", "Anna <ANNA@kanzlei-huber.example>"),
        ("eva", "rechnung@musterkunde.example"),
    ):
        answer = log_in(login).post(OWN, {"sender_address": address})
        assert answer.status_code == 200
        assert "rule P8" in answer.content.decode()
    assert relay.received == []


def test_an_unconfirmed_claim_blocks_nobody_else(relay: CountingServer) -> None:
    claim("mia", "office@beispiel-handel.example")
    claim("eva", "office@beispiel-handel.example")
    assert [mail.recipients for mail in relay.received] == [("office@beispiel-handel.example",)] * 2
    Client().post(link_in(relay), {"action": "confirm"})
    assert plan("eva").allowed
    assert plan("mia").refused == "foreign_address"


@pytest.mark.parametrize("door", ["general", "account", "employee"])
def test_t4_every_door_of_a_com_customer_asks(door: str, relay: CountingServer) -> None:
    tenant, book = Tenant.objects.select_related("firm").get(slug="muster"), Book("max", trust=Trust.CLAIMANT)
    if door == "general":
        save_parameters(book, tenant, {"sender_address": NEW})
    elif door == "account":
        save_account(book, tenant=tenant, slug="neu", sender_address=NEW, values={}, user=user("mia"))
    else:  # P6 carries the e-mail into the own settings
        save_employee(book, tenant=tenant, number="9", name="Mia Muster", email=NEW, user=user("mia"))
    assert {row.key for row in book.claims} == {NEW}
    assert plan("mia").refused == "address_unconfirmed"


def test_addresses_count_as_confirmed_from_an_import_and_from_the_firm(relay: CountingServer) -> None:
    assert plan("mia").allowed
    tenant = Tenant.objects.select_related("firm").get(slug="muster")
    save_parameters(Book("anna", trust=Trust.ADMINISTRATOR), tenant, {"sender_address": NEW})
    assert plan("mia").allowed
    save_parameters(Book("max", trust=Trust.CLAIMANT), user("mia"), {"sender_address": "neu@musterkunde.example"})
    assert not plan("mia").allowed
    save_parameters(Book("anna", trust=Trust.ADMINISTRATOR), user("mia"), {"sender_address": "neu@musterkunde.example"})
    assert not plan("mia").allowed, "who saves a page over it has not vouched for what stood there"
    moved = document(relay)
    moved["firms"][0]["com_customers"][0]["users"][1]["parameters"] = {"sender_address": "neu@musterkunde.example"}
    import_document(moved, actor="test")
    assert plan("mia").allowed


def test_many_claims_at_once_are_told_in_one_sentence_and_stay_below_the_days_limit(relay: CountingServer) -> None:
    numbers = range(MAILS_A_DAY_OF_TENANT + 5)
    further = "\n".join(f"n{n}@musterkunde.example" for n in numbers)
    answer = save(
        log_in("max"), "/employees/new/", {"number": "9", "name": "Viele", "additional_emails": further, "is_active": "on"}
    )
    page = answer.content.decode()
    assert "and 25 more" in page
    assert "can be asked tomorrow" in page
    assert len(relay.received) == MAILS_A_DAY_OF_TENANT


def test_a_mailbox_is_asked_three_times_a_day_at_most(relay: CountingServer) -> None:
    claim("mia", NEW)
    row = ClaimedAddress.objects.get(key=NEW)
    for _time in range(5):
        log_in("mia").post(f"/addresses/{row.pk}/", {"action": "ask"})
    assert len(relay.received) == 3


def test_without_a_relay_the_page_says_why_and_the_firm_can_confirm(relay: CountingServer, settings: Any) -> None:
    settings.SYSTEM_EMAIL, given = {}, settings.SYSTEM_EMAIL
    assert "SYSTEM_EMAIL_URL" in claim("mia", NEW)
    settings.SYSTEM_EMAIL, settings.SYSTEM_EMAIL_FROM = given, "keine Adresse"
    assert "SYSTEM_EMAIL_FROM" in claim("mia", "mia.zwei@musterkunde.example")
    assert plan("mia").refused == "address_unconfirmed"
    assert "Confirm" in log_in("anna").get("/addresses/").content.decode()


def test_t4_claims_of_others_are_not_found(relay: CountingServer) -> None:
    claim("mia", NEW)
    row = ClaimedAddress.objects.get(key=NEW)
    for login in ("eva", "bernd"):
        assert log_in(login).post(f"/addresses/{row.pk}/", {"action": "ask"}).status_code == 404
        assert NEW not in log_in(login).get("/addresses/").content.decode()
    for token in ("x", "%00", "A" * 5000):
        assert Client().get(f"/addresses/confirm/{token}/").status_code == 404


def test_an_address_that_moves_to_another_com_customer_is_free_again(relay: CountingServer) -> None:
    moved = document(relay)
    muster, beispiel = moved["firms"][0]["com_customers"]
    beispiel["parameters"], muster["parameters"] = muster["parameters"], {"sender_address": "neu@musterkunde.example"}
    import_document(moved, actor="test")
    answer = make_plan(facts_of(user("eva"), Request("invoices", context_sender="rechnung@musterkunde.example")))
    assert answer.allowed
