"""Send systems 4 and 5: whose login NTLM takes, never another's, and what is said where there is none."""

import struct
from pathlib import Path

import pytest
import spnego

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.submission import submit
from mailjobs.transports import smtp_ntlm
from tests.cast import invoice, move_in, user
from tests.peers.fixtures import Postfix
from tests.transports.letters import SHORT, STRANGER, Letter

pytestmark = pytest.mark.peers


@pytest.fixture
def endpoint(postfix: Postfix) -> Endpoint:
    return postfix.endpoint("submission", "starttls", send_system=4)


@pytest.fixture(autouse=True)
def no_user_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NTLM_USER_FILE", raising=False)


async def refused(endpoint: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await (await smtp_ntlm.open_session(endpoint, timeouts=SHORT)).close()
    return caught.value


async def test_without_a_user_and_without_a_file_it_is_clearly_impossible(endpoint: Endpoint) -> None:
    error = await refused(endpoint)
    assert (error.phase, error.trouble, error.detail) == (Phase.AUTH, Trouble.NO_IDENTITY, "NTLM_USER_FILE")
    assert not [line for line in error.transcript if line.startswith("C: AUTH")]
    assert classify(error.phase, None, error.trouble) is ReplyClass.CONFIGURATION


@pytest.mark.parametrize("text", [None, "", "no line of three parts\n", "anna:1000:nothex:nothex:[U]:LCT-1\n", "\udcff:x:y\n"])
async def test_a_file_that_cannot_be_used_is_not_quoted(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "ntlm").write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "ntlm"))
    error = await refused(endpoint)
    assert (error.trouble, error.detail) == (Trouble.NO_IDENTITY, "NTLM_USER_FILE cannot be read")


async def test_a_user_never_goes_over_the_process_s_login(
    postfix: Postfix, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with a wrong password nor without one; and the file is the process's own, whoever else is entered."""
    (tmp_path / "ntlm").write_text("TEST:relay:Relay-pw-4\nTEST:anna:Anna-pw-1\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "ntlm"))
    for secret in ("", "Falsches-Passwort-9"):
        wrong = postfix.endpoint("submission", "starttls", send_system=4, username="anna", secret=secret)
        assert str(await refused(wrong)).startswith("535 5.7.8")
    session = await smtp_ntlm.open_session(endpoint, timeouts=SHORT)
    assert (await Letter().over(session, STRANGER, sender="bernd@test.local")).final is not None, "relay may send as anybody"
    await session.close()


@pytest.mark.parametrize(
    ("username", "domain", "account"),
    [
        ("anna", "", (None, "anna")),
        ("anna", "TEST", ("TEST", "anna")),
        ("OTHER\\anna", "TEST", ("OTHER", "anna")),
        ("anna@test.local", "TEST", (None, "anna@test.local")),
    ],
)
def test_the_domain_stands_before_a_bare_user(username: str, domain: str, account: tuple[str | None, str]) -> None:
    """As Windows writes it in the answer to the challenge."""
    exchange = smtp_ntlm._Ntlm(smtp_ntlm._context(Endpoint("localhost", 25, "off", 4, username, "Anna-pw-1", domain=domain)))
    assert exchange.initial is not None
    assert exchange.initial.startswith(b"NTLMSSP\0\x01")
    shown = exchange._context._credential  # type: ignore[attr-defined]
    assert (shown.domain, shown.username) == account


async def test_the_answer_is_ntlm_v2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the challenge of the library's own server side, which needs a file of its own."""
    exchange = smtp_ntlm._Ntlm(smtp_ntlm._context(Endpoint("localhost", 25, "off", 4, "anna", "Anna-pw-1", domain="TEST")))
    (tmp_path / "ntlm").write_text("TEST:anna:Anna-pw-1\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "ntlm"))
    server = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    answer = await exchange.respond(server.step(exchange.initial) or b"")
    server.step(answer)
    assert server.complete
    length = struct.unpack_from("<H", answer, 20)[0]  # NtChallengeResponseLen (MS-NLMP 2.2.1.3): 24 octets are NTLMv1
    assert length > 24
    lm_length, lm_offset = struct.unpack_from("<HxxI", answer, 12)
    assert answer[lm_offset : lm_offset + lm_length] == bytes(lm_length)


async def test_a_server_that_asks_again_gets_the_first_message_again() -> None:
    exchange = smtp_ntlm._Ntlm(smtp_ntlm._context(Endpoint("localhost", 25, "off", 4, "anna", "Anna-pw-1")))
    assert [await exchange.respond(words) for words in (b"", b"ntlm supported")] == [exchange.initial] * 2
    with pytest.raises(TransportError) as caught:
        await exchange.respond(b"NTLMSSP\0\x02\0\0\0broken")
    assert (caught.value.phase, caught.value.trouble) == (Phase.AUTH, Trouble.NOT_SMTP)


@pytest.mark.django_db(transaction=True)
def test_user_and_domain_of_the_settings_reach_the_wire(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    account = smtp_ntlm._account

    def noted(endpoint: Endpoint) -> str:
        seen.append(account(endpoint))
        return seen[-1]

    monkeypatch.setattr(smtp_ntlm, "_account", noted)
    server = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    login = {"smtp_user": "anna", "smtp_password": "Anna-pw-1", "ntlm_domain": "TEST"}
    move_in(parameters={**server, **login, "sender_address": "anna@test.local", "send_system": 4})
    assert (submit(user("bernd"), invoice()).status, seen) == ("sent", ["TEST\\anna"])
