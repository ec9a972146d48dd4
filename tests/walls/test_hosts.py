"""A corpus of hosts through the guarded connector: nothing outside the policy is reached, all are refused alike (Z6)."""

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, TransportError, Trouble
from mailjobs.transports import network
from tests.transports.test_network import NEVER, NOT_GLOBAL, ODD, resolver

LOOPBACK = [  # every way to write this machine that a resolver, a browser or a library has been known to take
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "[::1]",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "::",
    "user@127.0.0.1",
    "127.0.0.1:25",
    "http://127.0.0.1",
    "127.0.0.1#.firma.at",
    "127.0.0.1%00.firma.at",
]
CORPUS = list(dict.fromkeys([*LOOPBACK, *NOT_GLOBAL, *NEVER, *ODD]))
ROUNDS = 200


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A server on this machine, on all of its addresses; the port and who came."""
    came: list[object] = []
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        server.settimeout(0.1)
        stopped = threading.Event()

        def accept() -> None:
            while not stopped.is_set():
                try:
                    came.append(server.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], came
        stopped.set()
        thread.join()


async def refusal(host: str, port: int = 2525) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await network.connect(Endpoint(host=host, port=port, tls="off", send_system=0), 2)
    return caught.value


async def test_no_host_of_the_corpus_is_reached_and_all_are_refused_alike(listener: tuple[int, list[object]]) -> None:
    port, came = listener
    assert len(CORPUS) >= 60
    errors = await asyncio.gather(*(refusal(host, port) for host in CORPUS))
    said = {host: str(error) for host, error in zip(CORPUS, errors, strict=True)}
    unknown = {host for host in ("localhost.",) if said[host].startswith("host_unknown")}  # to some resolvers
    assert {said[host] for host in CORPUS if host not in unknown} == {f"host_not_allowed: {network.NOT_ALLOWED}"}
    await asyncio.sleep(0.2)
    assert came == []


async def test_a_name_that_leads_inside_is_refused_whatever_stands_beside(
    monkeypatch: pytest.MonkeyPatch, listener: tuple[int, list[object]]
) -> None:
    """Rebinding: what the first look-up said is what is connected to, and nothing is looked up again."""
    port, came = listener
    for inside in (*NOT_GLOBAL, *NEVER):
        asked = resolver(monkeypatch, inside)
        assert (await refusal("mail.firma.at", port)).trouble is Trouble.HOST_NOT_ALLOWED
        assert asked.asked == ["mail.firma.at"]
    assert came == []


async def test_only_the_judged_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []

    async def connect(_socket: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "refused")

    answers = iter((["10.0.0.1", "8.8.8.8", "::1"], ["127.0.0.1"]))
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: resolver(monkeypatch, *next(answers))("", 2525))
    assert (await refusal("rebind.firma.at")).trouble is Trouble.REFUSED
    assert connected == [("8.8.8.8", 2525)]


async def test_refusals_take_the_same_time_whether_a_name_was_looked_up_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians over 200 tries each, within 10 %: by notation, by port, by an address, by a quick and by a slow resolver."""
    quick = resolver(monkeypatch, "10.0.0.5")

    def slow(*words: Any, **more: Any) -> Any:
        time.sleep(0.02)
        return quick(*words, **more)

    kinds = {
        "notation": ("127.1", 25),
        "port": ("mail.firma.at", 22),
        "address": ("10.0.0.1", 25),
        "name": ("intern.firma.at", 25),
    }
    medians = {kind: await _median(*where) for kind, where in kinds.items()}
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    medians["slow"] = await _median("intern.firma.at", 25)
    assert max(medians.values()) < 1.1 * min(medians.values()), medians


async def _median(host: str, port: int) -> float:
    async def once() -> float:
        begun = time.perf_counter()
        await refusal(host, port)
        return time.perf_counter() - begun

    taken: list[float] = []
    for _round in range(ROUNDS // 10):
        taken += await asyncio.gather(*(once() for _n in range(10)))
    assert len(taken) == ROUNDS
    return statistics.median(taken)
