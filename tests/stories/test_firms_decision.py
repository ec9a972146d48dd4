"""Stories of the firm's decision for its Com customers (P8): allow, ask the sender, hold; and who is not concerned at all."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailjobs import delivery
from mailjobs.models import InternalMessage, MailJob, MailLogEntry
from mailjobs.submission import Result, submit, submit_many
from mailsettings.changes import Book, save_account, save_print_model
from mailsettings.models import Tenant
from tests.cast import OFFICE, invoice, move_in, user
from tests.pages.conftest import save
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/com-customers/releases/"


def log_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def shown(login: str, url: str) -> str:
    answer = log_in(login).get(url)
    assert answer.status_code == 200, url
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.content.decode())).split())


def decide(policy: str, slug: str = "beispiel") -> None:
    """Anna decides on the Com customer's page, saying yes to the foresight."""
    row = Tenant.objects.get(slug=slug)
    answer = save(log_in("anna"), reverse("com_customer", args=[row.pk]), {"name": row.name, "sends_as_firm": policy})
    assert answer.redirect_chain
    assert Tenant.objects.get(slug=slug).sends_as_firm == policy


def deliver() -> None:
    delivery.run(until_empty=True)


def state(result: Result) -> str:
    assert result.id is not None, result
    return str(MailJob.objects.get(pk=result.id).state)


def arrived(server: CountingServer) -> list[tuple[str, str]]:
    """From and envelope sender of each mail that arrived."""
    return [(str(mail.headers["From"]), mail.sender) for mail in server.received]


def test_allow_sends_as_the_firm_and_says_so_beforehand_everywhere(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    said = f"your mail carries the firm's address {OFFICE}"
    assert said in shown("eva", "/")
    assert said in shown("eva", "/settings/own/")
    assert f"Eva Beispiel eva {OFFICE} General settings of the firm as the firm" in shown("anna", "/com-customers/")
    result = submit(user("eva"), invoice())
    assert result.status == "new"
    deliver()
    assert arrived(smtp_server) == [(f"Kanzlei Huber <{OFFICE}>", OFFICE)]
    assert "instead of the Com customer's" in shown("eva", reverse("job", args=[result.id]))


def test_warn_waits_for_the_sender_and_arrives_after_the_confirmation(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("warn")
    result = submit(user("eva"), invoice())
    deliver()
    assert (state(result), smtp_server.received) == ("held", [])
    assert "1 mail carries the firm's address and waits for your confirmation" in shown("eva", "/")
    where = reverse("job", args=[result.id])
    assert f"Confirm: send as {OFFICE}" in shown("eva", where)

    for somebody_else in ("max", "mia", "bernd"):
        assert log_in(somebody_else).post(where, {"action": "release"}).status_code == 404
    log_in("anna").post(where, {"action": "release"})
    deliver()
    assert (state(result), smtp_server.received) == ("held", []), "the firm's word is not the sender's"

    log_in("eva").post(where, {"action": "release"})
    deliver()
    assert (state(result), arrived(smtp_server)) == ("sent", [(f"Kanzlei Huber <{OFFICE}>", OFFICE)])
    assert "Waits for you" not in shown("eva", "/")


def test_hold_waits_for_the_firm_and_the_released_one_arrives(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("hold")
    first, second = submit_many(user("eva"), [invoice(1), invoice(2)])
    deliver()
    assert ([state(first), state(second)], smtp_server.received) == (["held", "held"], [])
    assert "2 mails of Com customers would carry the firm's address and wait for your release" in shown("anna", "/")
    assert f"would carry {OFFICE}" in shown("anna", QUEUE)

    log_in("eva").post(reverse("job", args=[first.id]), {"action": "release"})
    deliver()
    assert smtp_server.received == [], "Eva has no say in the firm's name"

    log_in("anna").post(QUEUE, {"action": "release", "pk": [first.id]})
    deliver()
    assert (state(first), state(second)) == ("sent", "held")
    assert smtp_server.recipients == {"klient1@kunde.example": 1}


def test_hold_and_rejected_it_never_arrives_and_the_user_is_told_why(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("hold")
    first, second = submit_many(user("eva"), [invoice(1), invoice(2)])
    reason = "Bitte mit der eigenen Adresse."
    log_in("anna").post(QUEUE, {"action": "reject", "pk": [first.id], "reason": reason})
    log_in("anna").post(QUEUE, {"action": "release", "pk": [first.id, second.id]})
    deliver()
    assert (state(first), state(second)) == ("cancelled", "sent")
    assert smtp_server.recipients == {"klient2@kunde.example": 1}
    [letter] = InternalMessage.objects.filter(user=user("eva"))
    assert (letter.kind, letter.error, letter.job_id) == ("rejected", reason, first.id)
    assert reason in shown("eva", "/inbox/")
    assert MailLogEntry.objects.get(job=first.id).error == reason
    assert "No mail waits for the firm" in shown("anna", QUEUE)


def test_the_batch_user_of_a_com_customer_has_somebody_who_confirms(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("warn")
    batch = user("eva")
    batch.pk, batch.login, batch.role = None, "stapel-beispiel", "service_user"
    batch.save()
    result = submit(user("stapel-beispiel"), invoice(), unattended=True)
    assert (result.status, state(result)) == ("held", "held")
    log_in("eva").post(reverse("job", args=[result.id]), {"action": "release"})
    deliver()
    assert state(result) == "sent"


@pytest.mark.parametrize("policy", ["allow", "warn", "hold"])
def test_a_com_user_with_an_address_of_their_own_is_not_concerned(smtp_server: CountingServer, policy: str) -> None:
    move_in(smtp_server)
    decide(policy, "muster")
    result = submit(user("max"), invoice())
    deliver()
    assert state(result) == "sent"
    assert arrived(smtp_server) == [("rechnung@musterkunde.example", "rechnung@musterkunde.example")]
    assert "carries the firm's address" not in shown("max", "/")


def test_a_print_model_with_its_own_account_goes_while_the_users_other_mail_waits(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    beispiel = Tenant.objects.get(slug="beispiel")
    own = save_account(Book("test"), tenant=beispiel, slug="own", sender_address="rechnung@beispiel.example", values={})
    texts: dict[str, Any] = {"subject": "Mahnung", "text": "x", "delivery_mode": "background_smtp"}
    save_print_model(Book("test"), tenant=beispiel, slug="reminders", account=own, user_accounts={}, **texts)
    decide("hold")
    waits, goes = submit_many(user("eva"), [invoice(1), invoice(2, print_model="reminders")])
    deliver()
    assert (state(waits), state(goes)) == ("held", "sent")
    assert [sender for _from, sender in arrived(smtp_server)] == ["rechnung@beispiel.example"]


def test_a_policy_changed_while_mails_wait_holds_them_before_they_go(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    queued = submit(user("eva"), invoice(1))
    own = submit(user("max"), invoice(2))
    assert (queued.status, own.status) == ("new", "new")
    decide("hold")
    deliver()
    assert (state(queued), state(own)) == ("held", "sent")
    assert smtp_server.recipients == {"klient2@kunde.example": 1}
    assert [row.user.login for row in InternalMessage.objects.filter(kind="held")] == ["anna"]
    log_in("anna").post(QUEUE, {"action": "release", "pk": [queued.id]})
    deliver()
    assert state(queued) == "sent"


def test_warn_and_then_hold_the_firm_has_the_last_word(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("warn")
    result = submit(user("eva"), invoice())
    decide("hold")
    log_in("eva").post(reverse("job", args=[result.id]), {"action": "release"})
    deliver()
    assert (state(result), smtp_server.received) == ("held", [])
    assert MailJob.objects.get().held_for == "firm"
    log_in("anna").post(QUEUE, {"action": "release", "pk": [result.id]})
    deliver()
    assert state(result) == "sent"


def test_mails_that_wait_for_the_firm_go_on_waiting_when_it_allows_and_it_is_said(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    decide("hold")
    result = submit(user("eva"), invoice())
    row = Tenant.objects.get(slug="beispiel")
    answer = save(log_in("anna"), reverse("com_customer", args=[row.pk]), {"name": row.name, "sends_as_firm": "allow"})
    assert "1 mail goes on waiting in the release queue until the firm releases or rejects it." in unescape(
        answer.content.decode()
    )
    deliver()
    assert state(result) == "held"
    log_in("anna").post(QUEUE, {"action": "release", "pk": [result.id]})
    deliver()
    assert state(result) == "sent"
