"""Send systems 6 and 7 from the settings to Exchange's stand-in: tokens, copies, pauses, waits, and nothing secret on the way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from django.db.models.functions import Now

from mailjobs import delivery
from mailjobs.models import Attempt, JobRecipient, MailJob, SharedConnection
from mailjobs.submission import submit, submit_many
from mailjobs.transports import ews_discovery, web_session
from tests.cast import invoice, move_in, user
from tests.peers.ews_standin import EwsStandIn
from tests.peers.graph_standin import App, GraphStandIn

pytestmark = pytest.mark.django_db(transaction=True)

ANNA, OFFICE = "anna@test.local", "office@test.local"
SECRET = "client-secret-of-the-tests"


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[EwsStandIn]:
    monkeypatch.setattr(web_session, "LOOK_AFTER", (0.0, 0.1))
    with EwsStandIn() as running:
        yield running
        assert running.complaints == []
    connections.close_all()


def settings_of(service: EwsStandIn, **more: Any) -> dict[str, Any]:
    return {
        "send_system": 7,
        "ews_url": service.ews_url,
        "ews_auth": "ntlm",
        "ntlm_domain": "TEST",
        "smtp_user": "anna",
        "smtp_password": service.users["anna"],
        "ca_certificate": service.ca_pem,
        "sender_address": f"Büro <{OFFICE}>",
        **more,
    }


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def test_many_mails_go_over_one_login(exchange: EwsStandIn) -> None:
    move_in(parameters=settings_of(exchange))
    submit_many(user("bernd"), [invoice(number, bcc=["still@kunde.example"]) for number in range(20)])
    assert deliver()["sent"] == 20
    ids = set(MailJob.objects.values_list("message_id", flat=True))
    assert {taken.message_id for taken in exchange.taken} == ids
    assert {taken.recipients[1:] for taken in exchange.taken} == {("still@kunde.example",)}
    assert not any("still@" in str(taken.mail) for taken in exchange.taken)
    assert {(taken.mailbox, taken.author) for taken in exchange.taken} == {(ANNA, OFFICE)}
    assert exchange.requests.count("ntlm GetFolder") == exchange.connections <= 3


def test_a_program_logs_in_with_tokens_of_the_authority(exchange: EwsStandIn) -> None:
    with GraphStandIn() as authority:
        authority.others.add(exchange.audience)
        authority.apps["portal"] = App(granted="full_access_as_app")
        oauth = {"oauth_authority": authority.authority, "oauth_tenant": "huber.example", "oauth_client_id": "portal"}
        both = exchange.ca_pem + authority.ca_pem
        secret = {"oauth_client_secret": SECRET, "ca_certificate": both, "smtp_user": OFFICE}
        move_in(parameters=settings_of(exchange, ews_auth="oauth2", **oauth, **secret))
        submit_many(user("bernd"), [invoice(number) for number in range(3)])
        assert deliver()["sent"] == 3
        assert len(authority.issued) == 1
        assert {(taken.mailbox, taken.author) for taken in exchange.taken} == {(OFFICE, OFFICE)}
        assert {request.split()[0] for request in exchange.requests} == {"app"}


@pytest.mark.parametrize(("copy", "state"), [(True, "sent"), (False, "unknown")])
def test_a_lost_reply_is_settled_by_the_copy_that_was_asked_for(exchange: EwsStandIn, copy: bool, state: str) -> None:
    exchange.faults.append("drop")
    move_in(parameters=settings_of(exchange, sent_copy=copy))
    submit(user("bernd"), invoice())
    deliver()
    job = MailJob.objects.get()
    assert (job.state, job.attempts, len(exchange.taken)) == (state, 1, 1)
    assert any("FindItem" in line for line in Attempt.objects.get().dialogue) is copy
    assert ("found in Sent Items" in JobRecipient.objects.get().reply) is copy


def test_exchange_that_is_busy_is_left_alone_as_long_as_it_asks(exchange: EwsStandIn) -> None:
    exchange.faults.append("busy:400000")
    move_in(parameters=settings_of(exchange))
    submit_many(user("bernd"), [invoice(number) for number in range(5)])
    delivered = deliver()
    shared = SharedConnection.objects.get()
    assert shared.block_reason == "throttled"
    left = SharedConnection.objects.filter(pk=shared.pk).values_list("blocked_until", Now()).get()
    assert 390 < (left[0] - left[1]).total_seconds() <= 401
    assert delivered["deferred"] == 1
    assert exchange.taken == []


def test_403_pauses_the_login_and_says_why(exchange: EwsStandIn) -> None:
    exchange.login_faults.append("403")
    move_in(parameters=settings_of(exchange))
    submit_many(user("bernd"), [invoice(number) for number in range(3)])
    deliver()
    states = sorted(MailJob.objects.values_list("state", flat=True))
    assert (states, exchange.connections) == (["failed", "new", "new"], 1)
    assert MailJob.objects.get(state="failed").last_error == "403 HTTP EWS is switched off for this login"
    assert SharedConnection.objects.get().paused_at is not None


def test_autodiscover_finds_the_server_of_the_login(exchange: EwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ews_discovery, "PLACES", (f"https://localhost:{exchange.port}",))
    move_in(parameters=settings_of(exchange, ews_url="", smtp_user=ANNA))
    submit(user("bernd"), invoice())
    assert deliver()["sent"] == 1
    assert (SharedConnection.objects.get().key.startswith("autodiscover tenant:"), len(exchange.taken)) == (True, 1)


@pytest.mark.parametrize("way", ["basic", "ntlm"])
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_z8_no_password_is_kept_in_sight(exchange: EwsStandIn, way: str, right: bool) -> None:
    password = exchange.users["anna"] if right else "Falsches-Passwort-9"
    exchange.faults.append("ErrorSendAsDenied")
    move_in(parameters=settings_of(exchange, ews_auth=way, smtp_password=password))
    submit(user("bernd"), invoice())
    assert deliver()["failed"] == 1
    rows = [row for model in apps.get_models() for row in model._default_manager.values()]
    said = json.dumps(rows, default=lambda value: bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value))
    assert "ErrorSendAsDenied" in said if right else "401 HTTP" in said
    assert password not in said
