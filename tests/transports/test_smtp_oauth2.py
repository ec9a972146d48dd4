"""Send systems 8 and 9 against Postfix with Dovecot's SASL, which asks whether a token holds: every refusal, one attempt."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mailjobs import delivery
from mailjobs.consenting import ask, place_of, receive
from mailjobs.core.envelope import Endpoint, HandOver, Phase, TransportError, Trouble
from mailjobs.core.lifecycle import State, settle
from mailjobs.models import Attempt, MailJob
from mailjobs.submission import submit
from mailjobs.transports import registry, smtp_oauth2
from mailjobs.transports.bearer import MECHANISMS
from mailjobs.transports.smtp_connection import SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession
from mailjobs.transports.transcript import hide
from mailsettings.changes import Book
from mailsettings.models import Tenant
from tests.cast import invoice, move_in, user
from tests.peers.fixtures import Peers, Postfix
from tests.peers.graph_standin import GraphStandIn
from tests.peers.tokens import SMTP_AUDIENCE, issue, revoke
from tests.transports.letters import ANNA, STRANGER, Letter

pytestmark = pytest.mark.peers

PATIENT = Timeouts(connect=5, command=20, block=20, final=20, quit=1)


def token(**changes: Any) -> str:
    return issue(**{"audience": SMTP_AUDIENCE, "scope": "SMTP.SendAsApp", "user": ANNA, **changes})


@pytest.fixture(params=list(MECHANISMS))
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only one of the two that the client knows."""
    known = {request.param: smtp_oauth2._MECHANISMS[request.param]}
    monkeypatch.setattr(smtp_oauth2, "_MECHANISMS", known)
    return str(request.param)


@pytest.fixture
def server(postfix: Postfix, dovecot: Peers) -> Postfix:
    return postfix


def endpoint(server: Postfix, secret: str, **changes: Any) -> Endpoint:
    return replace(server.endpoint("oauth", "starttls"), **{"username": ANNA, "secret": secret, "send_system": 9, **changes})


@asynccontextmanager
async def session_to(to: Endpoint) -> AsyncIterator[SmtpSession]:
    session = await smtp_oauth2.open_session(to, timeouts=PATIENT)
    try:
        yield session
    finally:
        await session.close()


async def refused(to: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await smtp_oauth2.open_session(to, timeouts=PATIENT)
    return caught.value


def test_registry_hands_8_and_9_to_smtp_oauth2() -> None:
    assert registry.TRANSPORTS[8] is registry.TRANSPORTS[9] is smtp_oauth2.open_session


async def test_open_session_logs_in_and_delivers(server: Postfix, mechanism: str) -> None:
    letter, held = Letter(), token()
    async with session_to(endpoint(server, held)) as session:
        assert f"C: AUTH {mechanism} ***" in session.transcript
        outcome = await letter.over(session, STRANGER)
        said = "\n".join(session.transcript)
    assert outcome.final is not None
    assert outcome.final.code == 250
    assert len(server.delivered(letter.message_id)) == 1
    assert held not in said
    assert base64.b64encode(held.encode()).decode()[:40] not in said


async def test_verify_answers_a_command_after_the_login(server: Postfix, mechanism: str) -> None:
    session = await smtp_oauth2.verify(endpoint(server, token()), timeouts=PATIENT)
    assert session.transcript[-2] == "C: NOOP"
    await session.close()


@pytest.mark.parametrize("kind", ["expired", "revoked", "audience", "scope", "user", "forged"])
async def test_open_session_gives_the_refusal_of_a_token(server: Postfix, mechanism: str, kind: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "expired": {"seconds": -1},
        "audience": {"audience": "https://graph.microsoft.com"},
        "scope": {"scope": "Mail.Send"},
        "user": {"user": "bernd@test.local"},
        "forged": {"key": b"another"},
    }
    held = token(**changes.get(kind, {}))
    if kind == "revoked":
        revoke(held, server.state)
    error = await refused(endpoint(server, held))
    assert error.reply is not None
    assert (error.phase, error.reply.code, error.reply.enhanced) == (Phase.AUTH, 535, "5.7.8")
    assert settle(HandOver(error=error), [STRANGER], sender=ANNA).login_refused
    lines = [line for line in error.transcript if line.startswith("C: ")]
    assert len([line for line in lines if line.startswith("C: AUTH")]) == 1
    everything = "\n".join((*error.transcript, str(error), repr(error)))
    assert hide(everything, [held]) == everything
    if kind != "user":
        assert "status" in str(error), str(error)  # what the challenge said (RFC 7628 3.2.2)


async def test_submit_is_refused_a_sender_of_somebody_else(server: Postfix, mechanism: str) -> None:
    async with session_to(endpoint(server, token())) as session:
        outcome = await Letter().over(session, STRANGER, sender="bernd@test.local")
    settled = settle(outcome, [STRANGER], sender="bernd@test.local")
    assert (settled.state, settled.login_refused) == (State.FAILED, False)
    assert "553" in settled.error


async def test_open_session_prefers_the_standard(server: Postfix) -> None:
    async with session_to(endpoint(server, token())) as session:
        assert "C: AUTH OAUTHBEARER" in "\n".join(session.transcript)


async def test_open_session_needs_to_know_the_mailbox(server: Postfix) -> None:
    error = await refused(endpoint(server, token(), username=""))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.MAILBOX_MISSING)


async def test_open_session_says_that_no_mechanism_fits(postfix: Postfix) -> None:
    error = await refused(replace(postfix.endpoint("submission", "starttls"), username=ANNA, secret=token(), send_system=8))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.MECHANISM_MISSING)


async def test_s7_open_session_sends_no_token_without_tls(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmtpConnection, "is_loopback", False)
    error = await refused(replace(postfix.endpoint("clear", "off"), username=ANNA, secret=token(), send_system=8))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.AUTH_NEEDS_TLS)


async def test_respond_keeps_what_the_challenge_says() -> None:
    for mechanism in MECHANISMS.values():
        made = smtp_oauth2._Bearer(mechanism, Endpoint("mail.test.local", 587, "starttls", 8, username=ANNA, secret="t"))
        assert (await made.respond(b'{"status":"401","schemes":"bearer"}'), made.status) == (mechanism.end, "status 401")


# The whole way: settings, consent, token, Postfix


@pytest.fixture
def authority() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        running.apps["portal"].mailbox = ANNA
        yield running


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["program", "mailbox"])
def test_a_firm_sends_with_tokens_of_its_authority(server: Postfix, authority: GraphStandIn, by: str) -> None:
    connection = {
        "send_system": 9,
        "smtp_server": "localhost",
        "smtp_port": server.ports["oauth"],
        "smtp_user": ANNA if by == "program" else None,
        "sender_address": ANNA,
        "always_use_sender_address": True,
        "oauth_authority": authority.authority,
        "oauth_client_id": "portal",
        "oauth_client_secret": "client-secret-of-the-tests",
        "ca_certificate": f"{server.ca_certificate}\n{authority.ca_pem}",
    }
    move_in(parameters=connection)
    if by == "mailbox":
        place = place_of(Tenant.objects.get(slug="huber"))
        asked = ask(place, state="x", redirect_uri="https://portal.example/mailboxes/callback/")
        assert asked is not None
        code = parse_qs(urlsplit(authority.consent(asked.url, ANNA)).query)["code"][0]
        mailbox = receive(
            Book("anna"), place, code=code, verifier=asked.verifier, redirect_uri="https://portal.example/mailboxes/callback/"
        )
        assert mailbox == ANNA
    submit(user("bernd"), invoice())
    assert delivery.run(until_empty=True).document()["sent"] == 1
    job = MailJob.objects.get()
    assert len(server.delivered(job.message_id)) == 1
    assert not any("Bearer" in line or "eyJ" in line for line in Attempt.objects.get(job=job).dialogue)


async def test_open_session_takes_a_token_as_long_as_microsofts(server: Postfix, mechanism: str) -> None:
    held = token(scope="SMTP.SendAsApp " + " ".join(f"Permission.{number}" for number in range(200)))
    assert len(held) > 4_000
    async with session_to(endpoint(server, held)) as session:
        assert f"C: AUTH {mechanism}" in session.transcript, "too long for the command line (RFC 4954 section 4)"
        assert "C: ***" in session.transcript
    error = await refused(endpoint(server, held, username="bernd@test.local"))
    assert held not in "".join((*error.transcript, str(error)))
