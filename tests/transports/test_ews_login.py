"""How send systems 6 and 7 log in to Exchange, where they go (Z5 to Z8), and how autodiscover finds the way."""

import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Exchange, HandOver, Phase, TransportError, Trouble
from mailjobs.core.lifecycle import State
from mailjobs.transports import ews_discovery, web_session
from tests.peers.ews_standin import EwsStandIn
from tests.peers.tokens import issue
from tests.transports.ews_sessions import ANNA, ANY, BASIC, NTLM, Letter, endpoint, refusal, session_to, settled, with_token


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EwsStandIn]:
    monkeypatch.setattr(web_session, "LOOK_AFTER", (0.0, 0.1))
    with EwsStandIn() as running:
        yield running
        assert running.complaints == []


@pytest.mark.parametrize("exchange", [BASIC, NTLM, ANY], ids=["basic", "ntlm", "whatever is offered"])
@pytest.mark.parametrize("changes", [{"secret": "Falsches-Passwort-9"}, {"username": "niemand"}], ids=["password", "user"])
async def test_open_session_is_refused(service: EwsStandIn, exchange: Exchange, changes: dict[str, str]) -> None:
    error = await refusal(endpoint(service, exchange, **changes))
    assert (error.phase, error.reply and error.reply.code) == (Phase.AUTH, 401)
    assert settled(HandOver(error=error)).login_refused
    assert service.requests == []


@pytest.mark.parametrize("kind", ["expired", "wrong audience", "somebody else's", "none"])
async def test_open_session_is_refused_a_token(service: EwsStandIn, kind: str) -> None:
    token = {
        "expired": issue(audience=service.audience, scope="EWS.AccessAsUser.All", user=ANNA, seconds=-1),
        "wrong audience": issue(audience="https://graph.microsoft.com", scope="EWS.AccessAsUser.All", user=ANNA),
        "somebody else's": issue(audience=service.audience, scope="EWS.AccessAsUser.All", user=ANNA, key=b"another"),
        "none": "x",
    }[kind]
    error = await refusal(with_token(service, token))
    assert (error.phase, error.reply and error.reply.code) == (Phase.AUTH, 401)
    assert settled(HandOver(error=error)).login_refused


@pytest.mark.parametrize(
    ("exchange", "offered"), [(BASIC, ("ntlm",)), (NTLM, ("basic",)), (ANY, ("bearer",))], ids=["basic", "ntlm", "password"]
)
async def test_open_session_blames_no_password_where_another_way_is_wanted(
    service: EwsStandIn, exchange: Exchange, offered: tuple[str, ...]
) -> None:
    service.offered = offered
    error = await refusal(endpoint(service, exchange))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.MECHANISM_MISSING)
    assert not settled(HandOver(error=error)).login_refused


async def test_open_session_needs_a_user(service: EwsStandIn) -> None:
    error = await refusal(endpoint(service, username=""))
    assert (error.trouble, service.connections) == (Trouble.MAILBOX_MISSING, 0)


@pytest.mark.parametrize("exchange", [BASIC, NTLM], ids=["basic", "ntlm"])
@pytest.mark.parametrize("written", ["TEST\\anna", "anna@test.local", "anna"])
async def test_open_session_takes_the_domain_of_the_user(service: EwsStandIn, exchange: Exchange, written: str) -> None:
    async with session_to(endpoint(service, exchange, username=written, domain="TEST")) as session:
        assert settled(await Letter().over(session)).state is State.SENT


async def test_open_session_takes_a_password_with_umlauts(service: EwsStandIn) -> None:
    for exchange in (BASIC, NTLM):
        async with session_to(endpoint(service, exchange, username="grete", secret=service.users["grete"])):
            pass
    assert service.requests == ["basic GetFolder", "ntlm GetFolder"]


async def test_session_is_not_used_beyond_its_token(service: EwsStandIn) -> None:
    async with session_to(with_token(service, secret_until=0.0)) as session:
        assert not session.usable


@pytest.mark.parametrize("exchange", [BASIC, NTLM], ids=["basic", "ntlm"])
async def test_submit_logs_in_anew_on_a_new_connection(service: EwsStandIn, exchange: Exchange) -> None:
    async with session_to(endpoint(service, exchange)) as session:
        await session._https._pool.connections[0].aclose()
        assert settled(await Letter().over(session)).state is State.SENT
    assert service.connections == 2


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("way", ["basic", "ntlm", "token"])
async def test_z8_no_secret_is_shown(service: EwsStandIn, caplog: pytest.LogCaptureFixture, way: str, right: bool) -> None:
    caplog.set_level(logging.DEBUG)
    to = with_token(service) if way == "token" else endpoint(service, Exchange(way))
    to = to if right else replace(to, secret=to.secret + "-Falsch9")
    service.faults.append("ErrorSendAsDenied")
    shown = []
    try:
        async with session_to(to) as session:
            shown = [str(await Letter().over(session)), *session.transcript]
    except TransportError as error:
        shown = [str(error), repr(error), *error.transcript]
    assert any("GetFolder" in line for line in shown)
    said = "\n".join([*shown, caplog.text])
    for secret in (
        to.secret,
        base64.b64encode(f"anna:{to.secret}".encode()).decode(),
        base64.b64encode(to.secret.encode()).decode(),
    ):
        assert secret not in said
    assert "TlRMTVNTUAAD" not in said, "the answer to a challenge of NTLM, of which a password can be guessed"


# The network (Z5, Z6)


@pytest.mark.parametrize(
    ("changes", "phase", "trouble"),
    [
        ({"ca_certificate": ""}, Phase.TLS, Trouble.CERTIFICATE_UNTRUSTED),
        ({"allowed_networks": ()}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://127.1/EWS/Exchange.asmx"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://localhost:22/EWS/Exchange.asmx"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "http://localhost/EWS/Exchange.asmx"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://anna:x@localhost/EWS/Exchange.asmx"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://nowhere.invalid/EWS/Exchange.asmx"}, Phase.RESOLVE, Trouble.HOST_UNKNOWN),
    ],
)
async def test_z6_open_session_goes_nowhere_else(
    service: EwsStandIn, changes: dict[str, Any], phase: Phase, trouble: Trouble
) -> None:
    error = await refusal(endpoint(service, ANY, **changes))
    assert (error.phase, error.trouble) == (phase, trouble)
    assert (service.requests, bytes(service.told)) == ([], b"")


async def test_submit_knows_when_nothing_was_said(service: EwsStandIn) -> None:
    async with session_to(endpoint(service, NTLM)) as session:
        service.__exit__(None, None, None)
        await session._https.close()
        outcome = await Letter().over(session)
        service.__enter__()
    assert outcome.error is not None
    assert outcome.error.phase is Phase.CONNECT
    assert settled(outcome).state is State.DEFERRED


# Autodiscover


@pytest.fixture
def places(service: EwsStandIn, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """An endpoint without an address, whose domain's servers are one that does not exist and the stand-in."""
    monkeypatch.setattr(ews_discovery, "PLACES", ("https://autodiscover.invalid", f"https://localhost:{service.port}"))
    return endpoint(service, username=ANNA, url="")


async def test_autodiscover_finds_the_address_without_a_login(service: EwsStandIn, places: Endpoint) -> None:
    async with session_to(places) as session:
        assert session.endpoint.url == service.ews_url
        assert settled(await Letter().over(session)).state is State.SENT


async def test_autodiscover_follows_a_redirect(service: EwsStandIn, places: Endpoint) -> None:
    with EwsStandIn() as other:
        service.discovery_redirect = f"{other.audience}/autodiscover/autodiscover.json?Email={ANNA}&Protocol=EWS"
        other.discovered = service.ews_url
        both = service.ca_pem + other.ca_pem
        async with session_to(replace(places, ca_certificate=both)) as session:
            assert session.endpoint.url == service.ews_url
        assert other.complaints == []


@pytest.mark.parametrize("where", ["named", "redirected"])
@pytest.mark.parametrize(
    "url", ["http://localhost:{port}/EWS", "https://169.254.169.254/EWS", "https://10.0.0.1/EWS", "https://localhost:25/", "junk"]
)
async def test_z6_autodiscover_leads_nowhere_else(service: EwsStandIn, places: Endpoint, where: str, url: str) -> None:
    url = url.format(port=service.port)
    if where == "named":
        service.discovered = url
    else:
        service.discovery_redirect = url
    error = await refusal(places)
    expected = Trouble.BAD_REPLY if where == "redirected" and url == "junk" else Trouble.HOST_NOT_ALLOWED
    assert (error.phase, error.trouble) == (Phase.RESOLVE, expected)
    assert service.requests == []


async def test_autodiscover_does_not_go_round_in_circles(service: EwsStandIn, places: Endpoint) -> None:
    service.discovery_redirect = f"{service.audience}/again"
    error = await refusal(places)
    assert (error.phase, error.trouble, service.connections) == (Phase.RESOLVE, Trouble.BAD_REPLY, 4)


async def test_z7_autodiscover_asks_only_where_the_password_is_bound_to(service: EwsStandIn, places: Endpoint) -> None:
    error = await refusal(replace(places, username="anna"))
    assert (error.trouble, service.connections) == (Trouble.MAILBOX_MISSING, 0)
