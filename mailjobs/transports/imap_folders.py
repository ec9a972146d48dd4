"""A finished mail put into a folder of a mailbox over IMAP (X1, X3; RFC 3501, RFC 6154; SASL: RFC 4616, RFC 7628, XOAUTH2).

The library blocks, so it runs in a thread, over a socket of the guarded connector (Z6); one log-in, tried once.
"""

import asyncio
import imaplib
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from imap_tools import BaseMailBox, FolderInfo, ImapToolsError

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network, tls
from mailjobs.transports.bearer import MECHANISMS, status_of
from mailjobs.transports.smtp_login import may_send_login
from mailjobs.transports.transcript import hide

IMAP_PORTS: Final = frozenset({143, 993})
SECONDS: Final = 60.0  # for everything up to the mail, and as much again for the mail
CONNECT_SECONDS: Final = 15.0
_SILENCE: Final = 20.0  # of the server, at most
_MOST_READ: Final = 4 * 2**20  # octets that a server may say in one session
_BUSY: Final = re.compile(r"\[(UNAVAILABLE|INUSE|SERVERBUG|LIMIT)\]", re.IGNORECASE)
_NOT_CONTROL: Final = re.compile(r"[^\x00-\x1f\x7f]*")

Answer = TypeVar("Answer")
Ready = Callable[[], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the folders that every mailbox has: how the server marks it (RFC 6154), what it is called where it does not, the
    flags of the mails in it.
    """

    mark: str
    names: tuple[str, ...]
    flags: tuple[str, ...]


DRAFTS: Final = Kind("\\drafts", ("drafts", "entwürfe", "draft", "entwurf"), (r"\Draft", r"\Seen"))
SENT: Final = Kind(
    "\\sent",
    ("sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete elemente", "gesendete objekte"),
    (r"\Seen",),
)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a mail lies now. `found`: it was there already."""

    folder: str
    found: bool = False


async def put_mail(endpoint: Endpoint, kind: Kind, ready: Ready, *, message_id: str, look_first: bool) -> Placed | None:
    """Put a mail into a folder of the mailbox. The endpoint's secret is a password, with a `token` an access token.

    `ready` is asked when the mailbox is open, just before the mail goes, and gives its octets; None: it must not go, and nothing
    is put. `look_first`: an earlier try may have put it there; whether a mail with this Message-ID (angle brackets included) lies
    in the folder is looked up. Raises TransportError: in Phase.BODY where nobody knows whether it is there.
    """
    connection = await network.connect(endpoint, CONNECT_SECONDS, IMAP_PORTS)
    mailbox = Mailbox(endpoint, connection)
    try:
        folder = await in_time(mailbox, mailbox.open, kind, phase=Phase.CONNECT)
        if look_first and await in_time(mailbox, mailbox.has, folder, message_id, phase=Phase.MAIL):
            return Placed(folder.name, found=True)
        octets = await ready()
        if octets is None:
            return None
        await in_time(mailbox, mailbox.put, folder, octets, kind.flags, phase=Phase.BODY)
        return Placed(folder.name)
    finally:
        await asyncio.to_thread(mailbox.close)


async def in_time(mailbox: "Mailbox", call: Callable[..., Answer], *arguments: object, phase: Phase) -> Answer:
    """The call in a thread; when the time is over the connection is cut, which ends it. Nothing of it goes on after that."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        done, _waiting = await asyncio.wait({work}, timeout=SECONDS)
        if not done:
            raise TransportError(phase=phase, trouble=Trouble.TIMEOUT)
        return work.result()
    finally:
        if not work.done():
            mailbox.cut()
            with suppress(Exception):
                await work


class _Client(imaplib.IMAP4):
    """The library's client over a connected socket; a server cannot make it read without end (Z22)."""

    def __init__(self, endpoint: Endpoint, connected: socket.socket, most: int) -> None:
        self._connected, self._read, self._most = connected, 0, most
        super().__init__(network.server_name(endpoint.host), endpoint.port, timeout=_SILENCE)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._connected

    def read(self, size: int) -> bytes:
        self._count(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._count(len(line))
        return line

    def _count(self, octets: int) -> None:
        self._read += octets
        if self._read > self._most:
            raise self.abort("too much was said")


class _Box(BaseMailBox):
    """The library's mailbox around such a client."""

    def __init__(self, client: _Client) -> None:
        self._made = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._made


class Mailbox:
    """One session; its methods block, one at a time, and raise TransportError."""

    def __init__(self, endpoint: Endpoint, connection: socket.socket, most_read: int = _MOST_READ) -> None:
        self._endpoint, self._socket, self._most_read = endpoint, connection, most_read
        self._box: _Box | None = None
        self._is_loopback = ipaddress.ip_address(connection.getpeername()[0]).is_loopback

    def open(self, kind: Kind) -> FolderInfo:
        """Greet, encrypt, log in; the folder."""
        box = self.log_in()
        missing = Trouble.NO_DRAFTS_FOLDER if kind is DRAFTS else Trouble.NO_SENT_FOLDER
        folders = asked(box.folder.list, Phase.MAIL, missing)
        if (folder := folder_of(folders, kind)) is None:
            raise TransportError(phase=Phase.MAIL, trouble=missing)
        return folder

    def log_in(self) -> "_Box":
        """Greet, encrypt, log in."""
        self._box = box = _Box(self._greet())
        self._log_in(box.client)
        return box

    def has(self, folder: FolderInfo, message_id: str) -> bool:
        """Whether a mail with this Message-ID lies there."""
        box = self.opened()
        asked(lambda: box.folder.set(folder.name, readonly=True), Phase.MAIL, Trouble.NOT_IMAP)
        quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
        return bool(asked(lambda: box.uids(f'HEADER Message-ID "{quoted}"'), Phase.MAIL, Trouble.NOT_IMAP))

    def put(self, folder: FolderInfo, octets: bytes, flags: Sequence[str]) -> None:
        """RFC 3501 6.3.11."""
        box = self.opened()
        asked(lambda: box.append(octets, folder.name, flag_set=list(flags)), Phase.BODY, Trouble.DRAFT_REFUSED)

    def close(self) -> None:
        """Never raises."""
        with suppress(Exception):
            if self._box is not None:
                self._box.logout()
        self.cut()

    def cut(self) -> None:
        """End the connection whatever is under way on it; from any thread."""
        sock = self._socket if self._box is None else self._box.client.socket()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            sock.close()

    def opened(self) -> _Box:
        if self._box is None:
            raise TransportError(phase=Phase.CONNECT, trouble=Trouble.OTHER)
        return self._box

    def _greet(self) -> _Client:
        endpoint = self._endpoint
        self._socket.setblocking(True)
        self._socket.settimeout(_SILENCE)
        if endpoint.tls == "implicit":
            self._socket = self._secured(lambda trust: trust.wrap_socket(self._socket, server_hostname=self._server_name))
        client = asked(lambda: _Client(endpoint, self._socket, self._most_read), Phase.GREETING, Trouble.NOT_IMAP)
        if client.state != "NONAUTH":  # a log-in that is not ours
            raise TransportError(phase=Phase.GREETING, trouble=Trouble.NOT_IMAP)
        if endpoint.tls == "starttls":
            if "STARTTLS" not in client.capabilities:
                raise TransportError(phase=Phase.TLS, trouble=Trouble.STARTTLS_MISSING)
            self._secured(lambda trust: asked(lambda: client.starttls(trust), Phase.TLS, Trouble.STARTTLS_MISSING))
        return client

    def _secured(self, begin: Callable[[ssl.SSLContext], Answer]) -> Answer:
        trust = tls.context(self._endpoint)
        try:
            return begin(trust)
        except OSError as error:
            raise TransportError(phase=Phase.TLS, trouble=tls.trouble_of(error), detail=tls.detail_of(error)) from error

    def _log_in(self, client: imaplib.IMAP4) -> None:
        endpoint = self._endpoint
        encrypted = isinstance(client.socket(), ssl.SSLSocket)
        if not may_send_login(encrypted=encrypted, loopback=self._is_loopback, allow_plain_auth=endpoint.allow_plain_auth):
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.AUTH_NEEDS_TLS)
        if endpoint.token is not None:
            self._log_in_by_token(client)
            return
        user, password = endpoint.username, endpoint.secret
        if "AUTH=PLAIN" in client.capabilities:
            said = f"\0{user}\0{password}".encode()
            self._refusable(lambda: client.authenticate("PLAIN", lambda _challenge: said))
            return
        simple = (user + password).isascii() and _NOT_CONTROL.fullmatch(user + password)
        if "LOGINDISABLED" in client.capabilities or not simple:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING)
        self._refusable(lambda: client.login(_escaped(user), password))

    def _log_in_by_token(self, client: imaplib.IMAP4) -> None:
        """With one mechanism, once; what the server says in its challenge (RFC 7628 3.2.2) belongs to its refusal."""
        endpoint = self._endpoint
        known = [name for name in MECHANISMS if f"AUTH={name}" in client.capabilities]
        if not known:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING)
        name, mechanism = known[0], MECHANISMS[known[0]]
        challenges: list[bytes] = []

        def answer(challenge: bytes) -> bytes:
            challenges.append(challenge)
            return mechanism.first_line(endpoint) if len(challenges) == 1 else mechanism.end

        try:
            self._refusable(lambda: client.authenticate(name, answer), Trouble.TOKEN_REFUSED)
        except TransportError as error:
            if (status := status_of(challenges[-1])) and len(challenges) > 1:
                error.detail = hide(f"{error.detail} ({status})", [endpoint.secret])[:500]
            raise

    def _refusable(self, log_in: Callable[[], object], refused: Trouble = Trouble.PASSWORD_REFUSED) -> None:
        """The log-in; a refusal that repeats the password does not show it."""
        try:
            asked(log_in, Phase.AUTH, refused)
        except TransportError as error:
            raise TransportError(
                phase=Phase.AUTH, trouble=error.trouble, detail=hide(error.detail, [self._endpoint.secret])
            ) from None

    @property
    def _server_name(self) -> str:
        return network.server_name(self._endpoint.host)


def folder_of(folders: Sequence[FolderInfo], kind: Kind) -> FolderInfo | None:
    """The folder that the server marks as the one (RFC 6154), else one whose name says so."""
    usable = [folder for folder in folders if not {"\\noselect", "\\nonexistent"} & {flag.lower() for flag in folder.flags}]
    marked = [folder for folder in usable if any(flag.lower() == kind.mark for flag in folder.flags)]
    named = [folder for name in kind.names for folder in usable if _last_part(folder).lower() == name]
    return next(iter([*marked, *named]), None)


def _last_part(folder: FolderInfo) -> str:
    return folder.name.rpartition(folder.delim)[2] if folder.delim and folder.delim != "NIL" else folder.name


def _escaped(user: str) -> str:
    """As a quoted string; of the password the library does so itself."""
    return '"' + user.replace("\\", "\\\\").replace('"', '\\"') + '"'


def asked(call: Callable[[], Answer], phase: Phase, refused: Trouble) -> Answer:
    """What the server answered; its "no" in words, without codes or control characters. Raises TransportError."""
    try:
        return call()
    except imaplib.IMAP4.abort as error:  # a kind of `error`: the connection has ended, or what came cannot be read
        trouble = Trouble.NOT_IMAP if phase is Phase.GREETING else Trouble.CLOSED_BY_SERVER
        raise TransportError(phase=phase, trouble=trouble) from error
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        said = _said(error)
        trouble = Trouble.MAILBOX_BUSY if _BUSY.search(said) else refused
        known_phase = Phase.MAIL if phase is Phase.BODY else phase  # a definite answer
        raise TransportError(phase=known_phase, trouble=trouble, detail=said) from error
    except OSError as error:
        if phase is Phase.TLS:
            raise
        late = isinstance(error, TimeoutError)
        raise TransportError(phase=phase, trouble=Trouble.TIMEOUT if late else Trouble.CLOSED_BY_SERVER) from error
    except (ValueError, IndexError, UnicodeError) as error:
        raise TransportError(phase=phase, trouble=Trouble.NOT_IMAP) from error


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    if isinstance(error, ImapToolsError):
        result = getattr(error, "command_result", None)
        text = result[1][-1] if result and result[1] else ""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return "".join(letter if letter.isprintable() else " " for letter in words)[:300].strip()
