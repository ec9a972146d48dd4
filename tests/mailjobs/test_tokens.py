"""Access tokens end to end: one for all workers, fetched by one at a time, shown nowhere; what a refusal comes to (J8)."""

import asyncio
import base64
import json
import logging
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from django.db.models.functions import Now

from mailjobs import delivery, tokens
from mailjobs.collecting import Database
from mailjobs.core.authorities import authority_of, consent_scope, mailbox_scope, program_scope
from mailjobs.core.envelope import Endpoint, Phase, TokenSource, TransportError
from mailjobs.models import AccessToken, Incident, MailJob, SharedConnection
from mailjobs.preparation import Ready, prepare_unclaimed
from mailjobs.remedies import remedy_for
from mailjobs.submission import requeue, submit, submit_many
from mailjobs.transports.oauth import token_of_program
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.changes.secrets import save_consent
from mailsettings.models import Consent, Secret, Tenant
from tests.cast import invoice, move_in, user
from tests.peers.graph_standin import GraphStandIn

pytestmark = pytest.mark.django_db(transaction=True)

OFFICE = "office@kanzlei-huber.example"
SECRET = "client-secret-of-the-tests"


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        running.may_send_as = {OFFICE: {"anna@kanzlei-huber.example"}}
        running.apps["portal"].mailbox = OFFICE
        yield running


def settings_of(service: GraphStandIn, **more: Any) -> dict[str, Any]:
    return {
        "send_system": 11,
        "smtp_user": OFFICE,
        "graph_url": service.graph_url,
        "oauth_authority": service.authority,
        "oauth_tenant": "huber.example",
        "oauth_client_id": "portal",
        "oauth_client_secret": SECRET,
        "ca_certificate": service.ca_pem,
        **more,
    }


@pytest.fixture
def cast(service: GraphStandIn) -> None:
    """The firm's general settings lead to the stand-in, as a program."""
    move_in(parameters=settings_of(service))


def firm() -> Tenant:
    return Tenant.objects.get(slug="huber")


def change_firm(**values: object) -> None:
    save_parameters(Book("test"), firm(), {**own_values(firm()), **values})


def consented(service: GraphStandIn, scope: str = "") -> str:
    """A consent of the office's mailbox as the callback stores it; the refresh token."""
    asked = {"client_id": "portal", "scope": scope or consent_scope("", service.graph_url), "mailbox": OFFICE}
    refresh = str(service._consented(asked)["refresh_token"])
    service.issued.clear()
    save_consent(Book("anna"), firm(), refresh, mailbox=OFFICE)
    return refresh


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def token_requests(service: GraphStandIn) -> int:
    return sum(request.endswith("/token") for request in service.requests)


# Sending


def test_a_program_sends_many_mails_with_one_token(service: GraphStandIn, cast: None) -> None:
    submit_many(user("bernd"), [invoice(number) for number in range(30)])
    assert deliver()["sent"] == 30
    assert len({taken.message_id for taken in service.taken}) == len(service.taken) == 30
    assert token_requests(service) == 1
    assert service.most_at_once <= 4
    assert {request for request in service.requests if "token" in request} == {"POST /huber.example/oauth2/v2.0/token"}


def test_direct_mail_is_handed_over_within_the_call(service: GraphStandIn) -> None:
    move_in(parameters=settings_of(service, send_system=10))
    assert submit(user("bernd"), invoice()).status == "sent"
    assert len(service.taken) == 1


def test_a_consenting_mailbox_sends_and_its_consent_is_renewed(service: GraphStandIn, cast: None) -> None:
    first = consented(service)
    submit(user("bernd"), invoice())
    assert deliver()["sent"] == 1
    consent = Consent.objects.get()
    assert consent.renewed_at > consent.given_at
    assert (consent.mailbox, consent.given_by, consent.refusal) == (OFFICE, "anna", "")
    assert first not in service._refresh, "spent"
    AccessToken.objects.update(expires_at=Now())
    submit(user("bernd"), invoice(2))
    assert deliver()["sent"] == 1
    assert (service.reused, token_requests(service)) == (0, 2)


# One worker at a time


def endpoint_of_the_firm() -> Endpoint:
    """As a worker has it for a mail of Bernd's."""
    submit(user("bernd"), invoice(99))
    [ready] = prepare_unclaimed([MailJob.objects.latest("pk").pk])
    assert isinstance(ready, Ready)
    return ready.route.endpoint


@pytest.mark.parametrize("state", ["none yet", "about to end"])
def test_many_workers_fetch_one_token(service: GraphStandIn, cast: None, state: str) -> None:
    consented(service)
    endpoint = endpoint_of_the_firm()
    service.token_delay = 0.5
    if state == "about to end":
        asyncio.run(_token(endpoint))
        AccessToken.objects.update(expires_at=Now() + timedelta(minutes=2))
    before = token_requests(service)
    found: list[str] = []
    workers = [threading.Thread(target=lambda: found.append(asyncio.run(_token(endpoint)))) for _number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=20)
    assert len(found) == 6
    assert set(found) <= set(service.issued)
    assert (token_requests(service) - before, service.reused) == (1, 0)
    assert len(set(found)) == (1 if state == "none yet" else 2), "what still held was used meanwhile"


async def _token(endpoint: Endpoint) -> str:
    database = Database()
    try:
        return (await tokens.with_token(endpoint, database))[0].secret
    finally:
        await asyncio.to_thread(database.close)


def test_a_worker_that_died_while_fetching_is_not_waited_for(service: GraphStandIn, cast: None) -> None:
    source = endpoint_of_the_firm().token
    assert source is not None
    assert tokens.look(source).mine_to_fetch
    assert not tokens.look(source).mine_to_fetch
    AccessToken.objects.update(fetching_until=Now() - timedelta(seconds=1))
    assert tokens.look(source).mine_to_fetch


def test_the_token_before_serves_while_the_authority_is_away(service: GraphStandIn, cast: None) -> None:
    endpoint = endpoint_of_the_firm()
    first = asyncio.run(_token(endpoint))
    AccessToken.objects.update(expires_at=Now() + timedelta(minutes=2))
    service.token_faults.append(503)
    assert asyncio.run(_token(endpoint)) == first
    assert asyncio.run(_token(endpoint)) != first


# Refusals


def test_a_wrong_client_secret_pauses_the_login_until_it_is_corrected(service: GraphStandIn) -> None:
    """J2, J3, J8."""
    move_in(parameters=settings_of(service, oauth_client_secret="a-wrong-client-secret"))
    submit_many(user("bernd"), [invoice(number) for number in range(5)])
    assert deliver()["failed"] == 1
    assert token_requests(service) == 1
    failed = MailJob.objects.get(state="failed")
    assert failed.last_error.startswith("401 HTTP invalid_client: AADSTS7000215")
    assert "a-wrong-client-secret" not in failed.last_error
    assert Incident.objects.get().reason == "login_refused"
    assert deliver()["sent"] == 0, "nothing probes by itself"
    assert token_requests(service) == 1
    save_secret(Book("test"), firm(), "oauth_client_secret", SECRET)
    requeue(user("anna"), [failed.pk])
    assert deliver()["sent"] == 5


def test_a_revoked_consent_is_told_in_words_and_ends_with_a_new_one(service: GraphStandIn, cast: None) -> None:
    refresh = consented(service)
    service.revoke_consents()
    submit_many(user("bernd"), [invoice(number) for number in range(3)])
    assert deliver()["failed"] == 1
    failed = MailJob.objects.get(state="failed")
    assert failed.last_error.startswith("400 HTTP invalid_grant: AADSTS700082")
    assert refresh not in failed.last_error
    assert Consent.objects.get().refusal == failed.last_error
    assert Incident.objects.get().reason == "login_refused"
    remedy = remedy_for(failed.last_error, state="failed")
    assert remedy is not None
    assert "consent" in str(remedy.title)
    consented(service)
    assert Consent.objects.get().refusal == ""
    assert deliver()["sent"] == 2, "what waited goes by itself"
    requeue(user("anna"), [failed.pk])
    assert deliver()["sent"] == 1


def test_a_stored_token_that_was_withdrawn_is_replaced_at_once(service: GraphStandIn, cast: None) -> None:
    submit(user("bernd"), invoice(1))
    assert deliver()["sent"] == 1
    service.revoke_tokens()
    submit(user("bernd"), invoice(2))
    assert deliver()["sent"] == 1
    assert token_requests(service) == 2


def test_a_program_without_permission_pauses_its_login(service: GraphStandIn) -> None:
    move_in(parameters=settings_of(service, oauth_client_id="bare"))
    submit_many(user("bernd"), [invoice(number) for number in range(20)])
    assert 1 <= deliver()["failed"] <= 4, "at most as many as were under way"
    assert {job.last_error[:27] for job in MailJob.objects.filter(state="failed")} == {"403 HTTP ErrorAccessDenied:"}
    assert SharedConnection.objects.exclude(paused_at=None).count() == 1


def test_a_throttle_makes_the_connection_wait_as_long_as_it_asks(service: GraphStandIn, cast: None) -> None:
    service.faults.append("throttle:400")
    submit_many(user("bernd"), [invoice(number) for number in range(2)])
    assert deliver()["deferred"] == 1
    shared = SharedConnection.objects.annotate(now=Now()).get()
    assert shared.blocked_until is not None
    assert 380 < (shared.blocked_until - shared.now).total_seconds() <= 400
    assert shared.block_reason == "throttled"


def test_a_lost_answer_is_uncertain_and_not_sent_twice(service: GraphStandIn, cast: None) -> None:
    service.faults.append("drop")
    submit(user("bernd"), invoice())
    assert deliver()["unknown"] == 1
    assert deliver()["sent"] == 0
    assert len(service.taken) == 1


@pytest.mark.parametrize("setting", ["graph_url", "oauth_authority", "oauth_tenant", "smtp_user", "smtp_server"])
@pytest.mark.parametrize("by", ["program", "mailbox"])
def test_p5_a_secret_is_offered_to_nothing_else(service: GraphStandIn, cast: None, setting: str, by: str) -> None:
    if by == "mailbox":
        consented(service)
    submit(user("bernd"), invoice(1))
    changed = (
        f"https://localhost:{service.port}/elsewhere" if setting in {"graph_url", "oauth_authority"} else "elsewhere.example"
    )
    change_firm(**{setting: changed})
    assert submit(user("bernd"), invoice(2)).code == "secret_needed"
    assert deliver()["failed"] == 1
    assert service.requests == []
    assert "rule P5" in MailJob.objects.get().last_error


# Where nothing may show (Z8)


def test_z8_no_token_and_no_secret_shows_anywhere(
    service: GraphStandIn, cast: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    refresh = consented(service)
    endpoint = repr(endpoint_of_the_firm())
    service.faults.extend(["403:ErrorSendAsDenied", "throttle:1"])
    submit_many(user("bernd"), [invoice(number) for number in range(3)])
    deliver()
    service.revoke_consents()
    AccessToken.objects.update(expires_at=Now())
    SharedConnection.objects.update(blocked_until=None)
    MailJob.objects.filter(state="deferred").update(due_at=Now())
    deliver()
    assert service.issued
    secrets = [SECRET, refresh, *service._refresh, *service._spent, *service.issued]
    seen = "\n".join([caplog.text, *_all_rows(), endpoint])
    assert "ErrorSendAsDenied" in seen
    for secret in secrets:
        for spoken in _spellings(secret):
            assert spoken not in seen


def _all_rows() -> Iterator[str]:
    """Every stored value; sealed ones as their octets are."""
    for model in apps.get_models():
        for row in model._default_manager.values():
            yield json.dumps(
                {key: bytes(value).hex() if isinstance(value, bytes) else value for key, value in row.items()}, default=str
            )


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield secret.encode().hex()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        yield re.sub("=+$", "", encoded)[4:-4]


def test_z8_a_token_is_sealed_where_it_lies(service: GraphStandIn, cast: None) -> None:
    endpoint = endpoint_of_the_firm()
    access = asyncio.run(_token(endpoint))
    row = AccessToken.objects.get()
    assert row.sealed is not None
    assert access.encode() not in bytes(row.sealed)
    assert access not in repr(endpoint)
    another = AccessToken.objects.create(place="x" * 64, owner=row.owner, sealed=row.sealed, expires_at=row.expires_at)
    source = endpoint.token
    assert source is not None
    AccessToken.objects.filter(pk=row.pk).delete()
    AccessToken.objects.filter(pk=another.pk).update(place=tokens._place(_other(source)))
    assert tokens.look(_other(source)).access == "", "moved to another place it opens nothing"


def _other(source: TokenSource) -> TokenSource:
    return TokenSource(source.token_url, source.client_id, "https://another/.default", source.owner, source.binding)


def test_purge_erases_old_tokens(service: GraphStandIn, cast: None) -> None:
    asyncio.run(_token(endpoint_of_the_firm()))
    tokens.forget_old()
    assert AccessToken.objects.count() == 1
    AccessToken.objects.update(expires_at=Now() - timedelta(days=2))
    tokens.forget_old()
    assert AccessToken.objects.count() == 0


def test_forgotten_consents_leave_nothing_behind(service: GraphStandIn, cast: None) -> None:
    consented(service)
    Secret.objects.filter(key="oauth_refresh_token").delete()
    assert Consent.objects.count() == 0


# Whom to ask


@pytest.mark.parametrize(
    ("authority", "tenant", "token_url"),
    [
        ("", "", "https://login.microsoftonline.com/organizations/oauth2/v2.0/token"),
        ("", "huber.example", "https://login.microsoftonline.com/huber.example/oauth2/v2.0/token"),
        ("https://login.microsoftonline.us/", "x", "https://login.microsoftonline.us/x/oauth2/v2.0/token"),
        ("https://accounts.google.com", "x", "https://oauth2.googleapis.com/token"),
    ],
)
def test_authority_of_knows_where_tokens_are_issued(authority: str, tenant: str, token_url: str) -> None:
    assert authority_of(authority, tenant).token_url == token_url


@pytest.mark.parametrize(
    ("authority", "graph_url", "program", "mailbox"),
    [
        ("", "", "https://outlook.office365.com/.default", "https://outlook.office.com/SMTP.Send"),
        (
            "",
            "https://graph.microsoft.com/v1.0",
            "https://graph.microsoft.com/.default",
            "https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/Mail.ReadWrite",
        ),
        (
            "https://login.microsoftonline.us",
            "",
            "https://outlook.office365.us/.default",
            "https://outlook.office365.us/SMTP.Send",
        ),
        ("https://accounts.google.com", "", "https://outlook.office365.com/.default", "https://mail.google.com/"),
    ],
)
def test_scopes_are_those_of_the_cloud(authority: str, graph_url: str, program: str, mailbox: str) -> None:
    assert program_scope(authority, graph_url) == program
    assert mailbox_scope(authority, graph_url) == mailbox
    assert consent_scope(authority, graph_url).endswith(mailbox)


async def test_an_authority_is_judged_like_any_server(service: GraphStandIn) -> None:
    """Z6."""
    source = TokenSource("https://127.1/x/oauth2/v2.0/token", "portal", "x", "tenant:1", "")
    with pytest.raises(TransportError) as caught:
        await token_of_program(Endpoint("graph.example", 443, "implicit", 11), source, secret=SECRET)
    assert (caught.value.phase, str(caught.value)) == (
        Phase.RESOLVE,
        "host_not_allowed: this server name or port is not allowed",
    )


@pytest.fixture(autouse=True)
def _close_threads() -> Iterator[None]:
    yield
    connections.close_all()
