"""Requests to a web service: through the guarded connector, encrypted, bounded, no redirect followed (Z6, Z22)."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network, tls, watching

MOST_ANSWER = 256 * 1024  # octets of an answer that are read
BLOCK = 2**16  # octets of a body that are written before the network is waited for
_LONGEST_URL = 4_000

BeforeBody = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each wait may take."""

    connect: float = 10  # the name, the connection and the TLS handshake, each
    block: float = 60  # until the network takes more of the body
    answer: float = 30  # from the end of the request to the whole answer
    final: float = 600  # the same of a request that hands a mail over (delivery contract 2, 7)


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, the headers with names in lower case, and the first `MOST_ANSWER` octets of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class Withdrawn(Exception):
    """The caller refused to go on before the first octet of the body was written; the connection is closed."""


def endpoint_of(url: str, like: Endpoint) -> Endpoint:
    """The endpoint of an https address, with the trust and the networks of another one.

    Raises TransportError, HOST_NOT_ALLOWED, for what is no such address or holds a login.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise _not_allowed() from error
    host = network.ascii_host(parts.hostname or "")
    sound = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST_URL
    if parts.scheme != "https" or not host or not sound or parts.username is not None or parts.fragment:
        raise _not_allowed()
    return replace(like, host=host, port=port, tls="implicit", url=url)


class Https:
    """One connection at a time to one web service, kept open between requests; `https://` addresses only."""

    def __init__(self, endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        self._endpoint, self._timeouts = endpoint, timeouts
        self._connector = _Connector(endpoint, timeouts)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls.context(endpoint),
            max_connections=1,
            max_keepalive_connections=1,
            retries=0,
            network_backend=self._connector,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        before_body: BeforeBody | None = None,
        phase: Phase = Phase.MAIL,
        last: bool = False,
    ) -> Answer:
        """One request and its answer, whatever its status. `last`: it hands the mail over.

        `before_body` is asked after the head of the request and before the first octet of its body; False raises Withdrawn. A
        request that is the last one without a body is asked before its head.
        Raises TransportError: in RESOLVE, CONNECT or TLS before anything was said; in Phase.BODY where the last request may have
        arrived whole and no answer came; in `phase` otherwise.
        """
        endpoint_of(url, self._endpoint)
        sending = _Sending(body, before_body)
        if before_body is not None and not body:
            await sending.ask()
        extensions = {"timeout": {"read": self._timeouts.final if last else self._timeouts.answer, "write": self._timeouts.block}}
        content = sending.blocks() if body else b""
        sent = [*headers.items(), ("Content-Length", str(len(body)))]
        try:
            async with (
                asyncio.timeout(self._timeouts.final * 2 if last else self._timeouts.answer * 4),
                self._pool.stream(method, url, headers=sent, content=content, extensions=extensions) as response,
            ):
                return Answer(response.status, _headers(response.headers), await _beginning_of(response))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, TimeoutError) as error:
            in_doubt = last and self._connector.connected and (sending.begun or not body)
            raise TransportError(phase=Phase.BODY if in_doubt else phase, trouble=_trouble_of(error)) from error

    @property
    def connections(self) -> int:
        """How many connections were made so far: what is said on the latest is known to that one only."""
        return self._connector.made

    @property
    def certificate(self) -> bytes:
        """The server's on the latest connection (DER)."""
        return self._connector.certificate

    async def close(self) -> None:
        """Closes at once; never raises for the network."""
        await self._pool.aclose()


@dataclass(slots=True)
class _Sending:
    """The body of one request on its way, and whether any of it may have been written."""

    body: bytes
    before_body: BeforeBody | None
    begun: bool = False

    async def ask(self) -> None:
        if self.before_body is not None and not await self.before_body():
            raise Withdrawn
        self.begun = True

    async def blocks(self) -> AsyncIterator[bytes]:
        await self.ask()
        for start in range(0, len(self.body), BLOCK):
            yield self.body[start : start + BLOCK]


class _Connector(httpcore.AsyncNetworkBackend):
    """Leads httpcore through the guard: every address is judged, also that of an upload on another host."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._endpoint, self._timeouts = endpoint, timeouts
        self.connected = False  # the latest connection is encrypted, so that something may have been said on it
        self.made = 0
        self.certificate = b""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.AsyncNetworkStream:
        self.connected = False
        target = replace(self._endpoint, host=host, port=port)
        return _Unencrypted(self, await network.connect(target, self._timeouts.connect, network.WEB_PORTS))

    async def encrypt(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> "_Stream":
        try:
            reader, writer = await asyncio.open_connection(
                sock=connection,
                ssl=context,
                server_hostname=network.server_name(host),
                ssl_handshake_timeout=self._timeouts.connect,
                limit=BLOCK,
            )
        except OSError as error:
            raise TransportError(phase=Phase.TLS, trouble=tls.trouble_of(error), detail=tls.detail_of(error)) from error
        self.connected = True
        self.made += 1
        encrypted = writer.get_extra_info("ssl_object")
        self.certificate = encrypted.getpeercert(binary_form=True) or b""
        if watching.is_watched():
            watching.reached(Phase.TLS, **tls.found_of(encrypted))
        return _Stream(reader, writer)


class _Unencrypted(httpcore.AsyncNetworkStream):
    """A connection before its handshake, on which nothing can be said."""

    def __init__(self, connector: _Connector, connection: socket.socket) -> None:
        self._connector, self._connection = connector, connection

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return await self._connector.encrypt(self._connection, ssl_context, server_hostname or "")

    async def aclose(self) -> None:
        self._connection.close()


class _Stream(httpcore.AsyncNetworkStream):
    """An encrypted connection as httpcore speaks over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` of an idle connection: the server has closed it."""
        return self._reader.at_eof() or self._writer.is_closing() if info == "is_readable" else None


async def _beginning_of(response: httpcore.Response) -> bytes:
    found = bytearray()
    async for block in response.aiter_stream():
        found += block
        if len(found) >= MOST_ANSWER:
            break
    return bytes(found[:MOST_ANSWER])


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What stands several times is one list (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = (f"{found[key]}, {text}" if key in found else text)[:_LONGEST_URL]
    return found


def _trouble_of(error: Exception) -> Trouble:
    match error:
        case httpcore.TimeoutException() | TimeoutError():
            return Trouble.TIMEOUT
        case httpcore.RemoteProtocolError() if "disconnected" not in str(error):
            return Trouble.BAD_REPLY
        case _:
            return Trouble.CLOSED_BY_SERVER


def _not_allowed() -> TransportError:
    return TransportError(phase=Phase.RESOLVE, trouble=Trouble.HOST_NOT_ALLOWED, detail=network.NOT_ALLOWED)
