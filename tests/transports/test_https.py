"""Requests to a web service that misbehaves: bounded, no redirect followed, in doubt only where a mail may have arrived."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from diagnostics.sink import certificate_authority
from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports.https import MOST_ANSWER, Answer, Https, Timeouts, Withdrawn
from mailjobs.transports.transcript import hide
from mailjobs.transports.web_reply import LONGEST_WAIT, reply_of

QUICK = Timeouts(connect=2, block=2, answer=0.5, final=0.5)
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A TLS server that says what a test wants after the head of each request, and counts what it read of bodies."""

    def __init__(self, said: bytes, *, read_body: bool = True, connections: int = 99) -> None:
        self.said, self.read_body = said, read_body
        self.heads: list[str] = []
        self.body = b""
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(head)
                length = next((line for line in head.split("\r\n") if line.lower().startswith("content-length")), ":0")
                if self.read_body:
                    self.body += await reader.readexactly(int(length.partition(":")[2]))
                writer.write(self.said)
                await writer.drain()
                if b"Content-Length" not in self.said:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(server: Server, folder: Path) -> AsyncIterator[tuple[Https, str]]:
    ca = certificate_authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.parent / "server.pem", ca.parent / "server.key")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    to = Endpoint("localhost", port, "implicit", 11, ca_certificate=ca.read_text(), allowed_networks=("127.0.0.0/8",))
    async with Https(to, timeouts=QUICK) as https:
        yield https, f"https://localhost:{port}"
    listening.close()


def ok(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return lines.encode() + b"\r\n" + body


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def failure(https: Https, url: str, *, body: bytes = b"mail", last: bool = True) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await https.request("POST", url, headers={}, body=body, before_body=yes, last=last)
    return caught.value


async def test_request_keeps_the_connection_and_notices_that_it_was_closed(tmp_path: Path) -> None:
    server = Server(ok(b"{}"))
    async with served(server, tmp_path) as (https, url):
        for _number in range(3):
            assert (await https.request("POST", url, headers={"X-A": "b"}, body=b"abc")).body == b"{}"
    assert (server.connections, server.body) == (1, b"abcabcabc")
    assert "X-A: b" in server.heads[0]


async def test_request_follows_no_redirect(tmp_path: Path) -> None:
    server = Server(ok(b"", "Location: https://127.0.0.1:1/", status="302 Found"))
    async with served(server, tmp_path) as (https, url):
        answer = await https.request("GET", url, headers={})
    assert (answer.status, len(server.heads)) == (302, 1)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/", "https://127.1/", "https://a@localhost/", "ftp://localhost/", "https:///", "x"]
)
async def test_z6_request_goes_to_no_other_kind_of_address(tmp_path: Path, url: str) -> None:
    server = Server(ok())
    async with served(server, tmp_path) as (https, _url):
        error = await failure(https, url)
    assert (error.phase, error.trouble, server.connections) == (Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED, 0)


async def test_request_reads_so_much_and_no_more(tmp_path: Path) -> None:
    server = Server(ok(b"x" * (MOST_ANSWER * 4)))
    async with served(server, tmp_path) as (https, url):
        answer = await https.request("GET", url, headers={})
        assert len(answer.body) == MOST_ANSWER
        assert (await https.request("GET", url, headers={})).status == 200
    assert server.connections == 2


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"", Trouble.CLOSED_BY_SERVER),
        (b"220 mail.test.local ESMTP\r\n\r\n", Trouble.BAD_REPLY),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, Trouble.BAD_REPLY),
        (b"HTTP/1.1 202 Acc", Trouble.CLOSED_BY_SERVER),
        (ok(b"{}")[:-1], Trouble.TIMEOUT),
    ],
    ids=["nothing", "another protocol", "endless headers", "half a line", "half an answer"],
)
async def test_request_is_in_doubt_once_the_body_was_begun(tmp_path: Path, said: bytes, trouble: Trouble) -> None:
    server = Server(said)
    async with served(server, tmp_path) as (https, url):
        error = await failure(https, url)
        earlier = await failure(https, url, last=False)
    assert (error.phase, error.trouble) == (Phase.BODY, trouble)
    assert earlier.phase is Phase.MAIL


async def test_request_is_refused_before_its_body_was_read(tmp_path: Path) -> None:
    server = Server(ok(b"", "Connection: close", status="413 Too Large"), read_body=False)
    async with served(server, tmp_path) as (https, url):
        answer = await https.request("POST", url, headers={}, body=b"x" * 100, before_body=yes, last=True)
    assert answer.status == 413


async def test_request_withdraws_before_the_first_octet_of_the_body(tmp_path: Path) -> None:
    server = Server(ok())
    async with served(server, tmp_path) as (https, url):
        with pytest.raises(Withdrawn):
            await https.request("POST", url, headers={}, body=b"secret mail", before_body=no, last=True)
        await asyncio.sleep(0.1)
        with pytest.raises(Withdrawn):
            await https.request("POST", url, headers={}, before_body=no, last=True)
    assert (server.body, len(server.heads)) == (b"", 1)


async def test_request_gives_up_a_server_that_is_silent(tmp_path: Path) -> None:
    server = Server(b"")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    server.serve = silent  # type: ignore[method-assign]
    async with served(server, tmp_path) as (https, url):
        error = await failure(https, url)
    assert (error.phase, error.trouble) == (Phase.BODY, Trouble.TIMEOUT)


# What an answer says


@pytest.mark.parametrize(
    ("answer", "said", "wait"),
    [
        (Answer(403, {}, b'{"error": {"code": "ErrorSendAsDenied", "message": "no"}}'), "403 HTTP ErrorSendAsDenied: no", 0),
        (
            Answer(400, {}, b'{"error": "invalid_grant", "error_description": "AADSTS1\\r\\n:x"}'),
            "400 HTTP invalid_grant: AADSTS1 :x",
            0,
        ),
        (Answer(503, {"retry-after": "120"}, b"<html>"), "503 HTTP", 120),
        (Answer(503, {"retry-after": "99999999"}, b"[]"), "503 HTTP", LONGEST_WAIT),
        (Answer(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b'{"error": 5}'), "503 HTTP", 0),
        (Answer(429, {"retry-after": "-5"}, b'{"error": {}}'), "429 HTTP", 0),
        (Answer(429, {"retry-after": "soon"}, b"\xff"), "429 HTTP", 0),
    ],
)
def test_reply_of_tells_code_words_and_wait(answer: Answer, said: str, wait: float) -> None:
    reply = reply_of(answer)
    assert (str(reply), reply.wait) == (said, wait)


def test_reply_of_is_short_and_hides_secrets() -> None:
    reply = reply_of(
        Answer(400, {}, b'{"error": "x", "error_description": "you sent top-secret-1 ' + b"y" * 2000 + b'"}'), ["top-secret-1"]
    )
    assert "top-secret" not in reply.text
    assert len(reply.text) == 500


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"user=x\x01auth=Bearer "])
def test_hide_finds_a_secret_in_base64(before: bytes) -> None:
    said = base64.b64encode(before + b"a-rather-long-token" + b"\x01\x01").decode()
    hidden = hide(f"you said {said} didn't you", ["a-rather-long-token"])
    assert "***" in hidden
    assert base64.b64encode(b"rather-long")[2:-4].decode() not in hidden
    assert hide("percent %2B%2F", ["+/+/"]) == "percent %2B%2F"
    assert hide("percent %2B%2F%2B%2F", ["+/+/"]) == "percent ***"
