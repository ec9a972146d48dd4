"""Z6: which server names and addresses the portal connects to."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network

GLOBAL = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "52.97.1.2",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "223.255.255.255",
    "2a00:1450:4001:80b::200e",
    "2603:1026:c0a:4::2",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_GLOBAL = [
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.7",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.3",
    "203.0.113.9",
    "::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fec0::1",
    "2001:db8::1",
    "2001:10::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "100::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:a00:1::1",
    "2002:7f00:1::",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "2001:0:53aa:64c::1",
    "64:ff9b:1::10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
]
EVERYTHING = ("0.0.0.0/0", "::/0")

NAMES = {
    "smtp.firma.at": "smtp.firma.at",
    "SMTP.Firma.AT": "smtp.firma.at",
    "smtp.firma.at.": "smtp.firma.at",
    "localhost": "localhost",
    "mail_relay.firma.local": "mail_relay.firma.local",
    "mail.müller.at": "mail.xn--mller-kva.at",
    "straße.de": "xn--strae-oqa.de",
    "3com.com": "3com.com",
    "1.2.3.4.firma.at": "1.2.3.4.firma.at",
    "93.184.216.34": "93.184.216.34",
    "::1": "::1",
    "2A00:1450:0:0:0:0:0:1": "2a00:1450::1",
    "::ffff:10.0.0.1": "::ffff:a00:1",
}
ODD = [
    "127.1",
    "127.0.1",
    "10.1",
    "0",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.01",
    "0x7f.1",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "127.0.0.0x1",
    "0x",
    "127.0.0.1.",
    "256.1.1.1",
    "1.2.3.4.5",
    "firma.123",
    "１２７.0.0.1",
    "127。0。0。1",
    "⑫7.0.0.1",
    "[::1]",
    "[127.0.0.1]",
    "fe80::1%eth0",
    "::1%lo",
    "::ffff:127.1",
    "1::2::3",
    "",
    ".",
    "..",
    "firma..at",
    "-firma.at",
    "firma-.at",
    "firma.at ",
    " firma.at",
    "firma.at\n",
    "firma.at\x00",
    "firma.at/x",
    "user@firma.at",
    "firma.at:25",
    "http://firma.at",
    "fir\u200bma.at ",
    "a" * 64 + ".at",
    ".".join(["a" * 60] * 5),
    "*.firma.at",
]


@pytest.mark.parametrize("address", GLOBAL)
def test_is_allowed_lets_global_unicast_pass(address: str) -> None:
    assert network.is_allowed(address)


@pytest.mark.parametrize("address", NOT_GLOBAL + NEVER)
def test_is_allowed_refuses_what_is_not_global_unicast(address: str) -> None:
    assert not network.is_allowed(address)


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_is_allowed_lets_pass_what_an_administrator_named(address: str) -> None:
    assert network.is_allowed(address, EVERYTHING)


@pytest.mark.parametrize("address", NEVER)
def test_is_allowed_refuses_some_even_where_an_administrator_named_them(address: str) -> None:
    assert not network.is_allowed(address, EVERYTHING)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.2.3", True), ("fd00:1::7", True), ("fd00:2::7", False)],
)
def test_is_allowed_keeps_to_the_networks_named(address: str, expected: bool) -> None:
    assert network.is_allowed(address, ("10.1.0.0/16", "fd00:1::/32")) is expected


@pytest.mark.parametrize(("host", "expected"), NAMES.items())
def test_ascii_host_gives_the_name_that_is_looked_up(host: str, expected: str) -> None:
    assert network.ascii_host(host) == expected


@pytest.mark.parametrize("host", ODD)
def test_ascii_host_refuses_odd_notations(host: str) -> None:
    assert network.ascii_host(host) is None


@pytest.mark.parametrize(
    ("port", "expected"),
    [(25, True), (465, True), (587, True), (2525, True), (1024, True), (65535, True)]
    + [(port, False) for port in (-1, 0, 22, 53, 80, 110, 143, 443, 993, 1023, 65536)],
)
def test_is_allowed_port_keeps_to_the_list(port: int, expected: bool) -> None:
    assert network.is_allowed_port(port) is expected


class Resolver:
    """Stands in for the system's; answers with these addresses, or raises, and counts."""

    def __init__(self, *addresses: str, error: OSError | None = None) -> None:
        self.addresses, self.error = addresses, error
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if self.error:
            raise self.error
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.addresses]
        return [(family, socket.SOCK_STREAM, 6, "", (a, port)) for family, a in zip(families, self.addresses, strict=True)]


def resolver(monkeypatch: pytest.MonkeyPatch, *addresses: str, error: OSError | None = None) -> Resolver:
    made = Resolver(*addresses, error=error)
    monkeypatch.setattr(socket, "getaddrinfo", made)
    return made


def endpoint(host: str, port: int, *networks: str) -> Endpoint:
    return Endpoint(host=host, port=port, tls="off", send_system=0, allowed_networks=networks)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


async def refused(host: str, port: int = 25, *networks: str) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await network.connect(endpoint(host, port, *networks), 2)
    return caught.value


async def test_connect_refuses_every_host_with_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, "10.0.0.5", "169.254.169.254", "fe80::1")
    errors = [await refused(host) for host in ("intern.firma.at", "127.1", "0x7f.1", "nonsense host", "10.0.0.5")]
    errors.append(await refused("mail.firma.at", 22))
    assert {(error.phase, error.trouble, str(error)) for error in errors} == {
        (Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED, f"host_not_allowed: {network.NOT_ALLOWED}")
    }


async def test_connect_asks_no_resolver_for_an_odd_name_or_port(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolver(monkeypatch, "8.8.8.8")
    await refused("2130706433")
    await refused("mail.firma.at", 80)
    assert asked.asked == []


async def test_connect_takes_the_judged_address_and_resolves_once(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    """Z6: a second look-up could give another address (DNS rebinding)."""
    asked = resolver(monkeypatch, "10.9.9.9", "127.0.0.1")
    connection = await network.connect(endpoint("mail.firma.at", listener.getsockname()[1], "127.0.0.0/8"), 2)
    with connection:
        assert connection.getpeername() == listener.getsockname()
    assert asked.asked == ["mail.firma.at"]


async def test_connect_goes_on_to_the_next_address(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> None:
    resolver(monkeypatch, "127.0.0.2", "127.0.0.1")
    with await network.connect(endpoint("mail.firma.at", listener.getsockname()[1], "127.0.0.0/8"), 2) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


async def test_connect_says_that_the_connection_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = await refused("127.0.0.1", port, "127.0.0.0/8")
    assert (error.phase, error.trouble) == (Phase.CONNECT, Trouble.REFUSED)


async def test_connect_gives_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: object) -> None:
        await asyncio.sleep(60)

    resolver(monkeypatch, "127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    with pytest.raises(TransportError) as caught:
        await network.connect(endpoint("mail.firma.at", 2525, "127.0.0.0/8"), 0.1)
    assert (caught.value.phase, caught.value.trouble) == (Phase.CONNECT, Trouble.TIMEOUT)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Trouble.HOST_UNKNOWN),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), Trouble.DNS_FAILURE),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), Trouble.DNS_FAILURE),
    ],
)
async def test_connect_tells_an_unknown_name_from_a_failing_resolver(
    monkeypatch: pytest.MonkeyPatch, error: OSError, trouble: Trouble
) -> None:
    resolver(monkeypatch, error=error)
    found = await refused("mail.firma.at")
    assert (found.phase, found.trouble) == (Phase.RESOLVE, trouble)
