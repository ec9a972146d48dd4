"""Send systems 0 to 5 against a real Postfix with Cyrus SASL and a real KDC: what holds for each way to log in."""

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.transports import registry
from mailjobs.transports.smtp_connection import SmtpConnection
from tests.peers.fixtures import Kerberos, Postfix
from tests.transports.letters import ANNA, STRANGER, Letter

pytestmark = pytest.mark.peers

PASSWORD = "Anna-pw-1"
WRONG = "Falsches-Passwort-9"


@dataclass(frozen=True)
class Way:
    """A way to log in as anna: of which send systems, with what of the connection; `prepare` makes it right or wrong."""

    systems: tuple[int, int]
    mechanism: str
    prepare: Callable[[pytest.FixtureRequest, bool], dict[str, Any]]
    phase_of_refusal: str  # "server": 535; else the trouble found before anything is said


def _password(_request: pytest.FixtureRequest, right: bool) -> dict[str, Any]:
    return {"username": "anna", "secret": PASSWORD if right else WRONG}


def _domain(request: pytest.FixtureRequest, right: bool) -> dict[str, Any]:
    return {**_password(request, right), "domain": "TEST"}


def _keytab(request: pytest.FixtureRequest, right: bool) -> dict[str, Any]:
    kerberos: Kerberos = request.getfixturevalue("kerberos")
    kerberos.use_keytab(kerberos.keytab("anna") if right else kerberos.wrong_keytab("anna"))
    return {}


def _ticket(request: pytest.FixtureRequest, right: bool) -> dict[str, Any]:
    kerberos: Kerberos = request.getfixturevalue("kerberos")
    kerberos.use_cache(kerberos.ticket("anna") if right else "FILE:/nowhere/cache")
    return {}


def _user_file(request: pytest.FixtureRequest, right: bool) -> dict[str, Any]:
    folder: Path = request.getfixturevalue("tmp_path")
    (folder / "ntlm").write_text(f"TEST:anna:{PASSWORD if right else WRONG}\n")
    request.getfixturevalue("monkeypatch").setenv("NTLM_USER_FILE", str(folder / "ntlm"))
    return {}


WAYS = {
    "password": Way((0, 1), "PLAIN", _password, "server"),
    "keytab": Way((2, 3), "GSSAPI", _keytab, Trouble.TICKET_REFUSED),
    "ticket": Way((2, 3), "GSSAPI", _ticket, Trouble.NO_TICKET),
    "ntlm": Way((4, 5), "NTLM", _password, "server"),
    "ntlm with a domain": Way((4, 5), "NTLM", _domain, "server"),
    "ntlm of the process": Way((4, 5), "NTLM", _user_file, "server"),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def right(way: Way, request: pytest.FixtureRequest) -> dict[str, Any]:
    return way.prepare(request, True) | {"send_system": way.systems[0]}


@pytest.fixture
def wrong(way: Way, request: pytest.FixtureRequest) -> dict[str, Any]:
    return way.prepare(request, False) | {"send_system": way.systems[0]}


async def refused(endpoint: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await registry.open_session(endpoint)
    return caught.value


def said(lines: list[str] | tuple[str, ...], verb: str) -> list[str]:
    return [line for line in lines if line.startswith(f"C: {verb}")]


@pytest.mark.parametrize(("port", "tls"), [("submission", "starttls"), ("smtps", "implicit"), ("clear", "off")])
async def test_each_system_logs_in_and_delivers(postfix: Postfix, way: Way, right: dict[str, Any], port: str, tls: str) -> None:
    for system in way.systems:
        letter = Letter()
        session = await registry.open_session(postfix.endpoint(port, tls, **right | {"send_system": system}))
        [auth] = said(session.transcript, "AUTH")
        assert auth.split()[2] == way.mechanism
        outcome = await letter.over(session, STRANGER)
        await session.close()
        assert outcome.final is not None
        assert outcome.final.code == 250
        [mail] = postfix.delivered(letter.message_id)
        assert mail["Return-Path"] == f"<{ANNA}>"


async def test_each_system_logs_in_as_the_one_that_was_meant(postfix: Postfix, right: dict[str, Any]) -> None:
    """The server knows who it is: anna's own second address goes, another's does not (and no recipient is bad)."""
    session = await registry.open_session(postfix.endpoint("submission", "starttls", **right))
    assert (await Letter().over(session, STRANGER, sender="office@test.local")).final is not None
    outcome = await Letter().over(session, STRANGER, sender="bernd@test.local")
    await session.close()
    reply = outcome.recipients[STRANGER]
    assert (reply.code, reply.enhanced, outcome.final) == (553, "5.7.1", None)
    assert "not owned by user anna" in reply.text
    assert classify(Phase.RCPT, reply, None, "bernd@test.local") is ReplyClass.SENDER_REFUSED


async def test_each_system_tries_once(postfix: Postfix, way: Way, wrong: dict[str, Any]) -> None:
    error = await refused(postfix.endpoint("submission", "starttls", **wrong))
    assert error.phase is Phase.AUTH
    if way.phase_of_refusal == "server":
        assert error.reply is not None
        assert (error.reply.code, error.reply.enhanced) == (535, "5.7.8")
        assert len(said(error.transcript, "AUTH")) == 1
    else:
        assert (error.trouble, said(error.transcript, "AUTH")) == (way.phase_of_refusal, [])


async def test_each_system_says_that_its_mechanism_is_not_offered(postfix: Postfix, way: Way, right: dict[str, Any]) -> None:
    """No other is tried: PLAIN with an NTLM login would show the server the password."""
    port = "mx" if "PLAIN" in way.mechanism else "login"
    error = await refused(postfix.endpoint(port, "off", **right))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.MECHANISM_MISSING)
    assert not said(error.transcript, "AUTH")


@pytest.mark.parametrize(
    ("port", "trouble"),
    [
        ("expired", Trouble.CERTIFICATE_EXPIRED),
        ("wrongname", Trouble.CERTIFICATE_NAME),
        ("selfsigned", Trouble.CERTIFICATE_UNTRUSTED),
        ("oldtls", Trouble.TLS_VERSION),
    ],
)
async def test_z5_each_system_refuses_bad_tls(postfix: Postfix, right: dict[str, Any], port: str, trouble: Trouble) -> None:
    error = await refused(postfix.endpoint(port, "implicit", **right))
    assert (error.phase, error.trouble) == (Phase.TLS, trouble)


async def test_s7_without_tls_only_kerberos_logs_in(
    postfix: Postfix, way: Way, right: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kerberos shows a listener nothing of a secret; from an NTLM answer a password can be guessed."""
    monkeypatch.setattr(SmtpConnection, "is_loopback", False)
    endpoint = postfix.endpoint("clear", "off", **right)
    if way.mechanism == "GSSAPI":
        await (await registry.open_session(endpoint)).close()
        return
    error = await refused(endpoint)
    assert (error.phase, error.trouble, said(error.transcript, "AUTH")) == (Phase.AUTH, Trouble.AUTH_NEEDS_TLS, [])
    await (await registry.open_session(replace(endpoint, allow_plain_auth=True))).close()


async def test_z8_nothing_shows_what_a_login_was_made_with(
    postfix: Postfix,
    request: pytest.FixtureRequest,
    way: Way,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither transcript nor error nor any logger at its lowest level has a password, a ticket or what the two sides said."""
    caplog.set_level(logging.DEBUG)
    spoken = record_exchange(monkeypatch)
    shown: list[str] = []
    for right in (True, False):
        endpoint = postfix.endpoint("clear", "off", **way.prepare(request, right), send_system=way.systems[0])
        try:
            session = await registry.open_session(endpoint)
            shown += [*session.transcript, repr(session.endpoint) if isinstance(session, SmtpConnection) else ""]
            await session.close()
        except TransportError as error:
            shown += [*error.transcript, str(error), repr(error), repr(endpoint)]
    everything = "\n".join([*shown, caplog.text])
    secrets = [secret.encode() for secret in (PASSWORD, WRONG)] + [answer for answer in spoken if len(answer) > 4]
    assert len(secrets) > 2
    for secret in secrets:
        for form in (base64.b64encode(secret).decode(), secret.hex(), repr(secret)[2:-1]):
            assert form not in everything


def record_exchange(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that the exchanges hand to the wire, not yet encoded."""
    spoken: list[bytes] = []
    plain = SmtpConnection.auth

    async def auth(self: SmtpConnection, mechanism: str, respond: Any, *, initial: bytes | None = None) -> Any:
        async def recorded(challenge: bytes) -> bytes:
            spoken.extend([challenge, await respond(challenge)])
            return spoken[-1]

        spoken.append(initial or b"")
        return await plain(self, mechanism, recorded, initial=initial)

    monkeypatch.setattr(SmtpConnection, "auth", auth)
    return spoken
