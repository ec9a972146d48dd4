"""The SMTP door: takes mail from programs that speak nothing else, by the same rules as every door (issue 8).

aiosmtpd speaks SMTP in an event loop; log-ins and mails are judged and stored in threads. 250 is said after COMMIT.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import close_old_connections
from django.utils import translation

from mailjobs import intake
from mailjobs.backpressure import QUEUE_FULL
from mailjobs.core.message import MAX_RECIPIENTS
from mailjobs.core.plan import Refusal, make_plan
from mailjobs.core.taking_over import NotTakenOver, take_over
from mailjobs.keys import BEGINNING, Scope, key_of
from mailjobs.metering import has_room, take
from mailjobs.models import StateChoices
from mailjobs.refusals import details_of_plan
from mailjobs.wording import say_refusal
from mailsettings.access import Right, may
from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.core.addresses import key_of as key_of_address
from mailsettings.core.facts import Request
from mailsettings.models import User
from mailsettings.selectors import facts_of

Answer = TypeVar("Answer")
SIZE_LIMIT = 35 * 2**20  # 25 MiB of attachments as base64
THREADS = 8  # judging and storing at once
CONNECTIONS = 200
WRONG_LOGINS = 10  # of one user-ID in a minute
WRONG_IN_SESSION = 3
_REFUSALS = frozenset(Refusal)
log = logging.getLogger(__name__)

_NOT_TAKEN = {
    "sealed": "554 5.6.3 Signed or encrypted mail cannot be taken over: the portal writes the mail anew ({detail})",
    "from": "550 5.7.1 From must name exactly one mailbox",
    "twice": "554 5.6.0 The header {detail} stands there more than once",
    "parts": "554 5.6.0 The mail has too many parts",
    "unreadable": "554 5.6.0 The mail cannot be read",
}
_WRONG_LOGIN = AuthResult(success=False, handled=False, message="535 5.7.8 User ID and password or key do not fit together")
_TOO_MANY_LOGINS = AuthResult(success=False, handled=False, message="454 4.7.0 Too many wrong log-ins, try again in a minute")


class Conversation(SMTP):
    """One connection, whose log-ins are judged in a thread (aiosmtpd has only a place for what answers at once)."""

    event_handler: "Gateway"
    counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Also called when TLS has come between: that is no new connection."""
        if not self.counted:
            self.counted = True
            self.event_handler.open += 1
        super().connection_made(transport)
        if self.event_handler.open > CONNECTIONS and isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.counted:
            self.counted = False
            self.event_handler.open -= 1
        super().connection_lost(error)

    def _authenticate(self, mechanism: str, auth_data: Any) -> Any:
        return self.event_handler.log_in(self, auth_data)

    async def auth_PLAIN(self, server: object, args: list[str]) -> AuthResult:
        return await _awaited(await super().auth_PLAIN(server, args))

    async def auth_LOGIN(self, server: object, args: list[str]) -> AuthResult:
        return await _awaited(await super().auth_LOGIN(server, args))


class Gateway:
    """What aiosmtpd asks."""

    def __init__(self) -> None:
        self.open = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")

    async def log_in(self, conversation: Conversation, offered: object) -> AuthResult:
        """A user-ID with its password or with a key of it that may submit."""
        if not isinstance(offered, LoginPassword):
            return _WRONG_LOGIN
        login, password = offered.login.decode(errors="replace").strip().lower(), offered.password.decode(errors="replace")
        found = await self._in_thread(lambda: log_in(login, password))
        if isinstance(found, Login):
            return AuthResult(success=True, auth_data=found)
        assert conversation.session is not None  # noqa: S101 (a connection that logs in has one)
        wrong = getattr(conversation.session, "wrong_logins", 0) + 1
        conversation.session.wrong_logins = wrong  # type: ignore[attr-defined]
        if wrong >= WRONG_IN_SESSION and conversation.transport is not None:
            asyncio.get_running_loop().call_later(0.1, conversation.transport.close)
        return found

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str | None, options: list[str]
    ) -> str:
        """Whether it may be used, is judged with From, print model and all: after DATA."""
        if address and not _is_address(parse_sender, address):
            return "553 5.1.7 This is no address that can be used as a sender"
        envelope.mail_from, envelope.mail_options = address or "", options
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if not _is_address(parse_recipient, address):
            return "553 5.1.3 This is no address that mail can be sent to"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        login: Any = session.auth_data
        if not isinstance(login, Login):
            return "530 5.7.0 Log in first"
        content, sender, recipients = envelope.original_content or b"", envelope.mail_from or "", list(envelope.rcpt_tos)
        return await self._in_thread(lambda: hand_in(login, content, sender, recipients))

    async def handle_exception(self, error: Exception) -> str:
        log.error("a conversation failed", exc_info=error)
        return "451 4.3.0 Something went wrong here, try again later"

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_database, work)


@dataclass(frozen=True, slots=True)
class Login:
    """Who logged in, by primary key and, where it was by a key, the key."""

    user: int
    key: str = ""


def log_in(login: str, password: str) -> Login | AuthResult:
    """Judge a log-in; guessing is limited for each user-ID."""
    if password.startswith(BEGINNING):
        key = key_of(password)
        return Login(key.user.pk, password) if key and key.user.login == login and Scope.SUBMIT in key.scopes else _WRONG_LOGIN
    bucket = f"smtp-login/{login[:64]}"
    if "\0" in login + password or len(password) > 1024:
        return _WRONG_LOGIN
    if not has_room(bucket, WRONG_LOGINS):
        return _TOO_MANY_LOGINS
    user = authenticate(username=login, password=password)
    if isinstance(user, User) and may(user, Right.SUBMIT):
        return Login(user.pk)
    take({bucket: WRONG_LOGINS})
    return _WRONG_LOGIN


def hand_in(login: Login, content: bytes, mail_from: str, recipients: list[str]) -> str:
    """Take a mail over and store it; returns the SMTP reply."""
    with translation.override("en"):
        return _reply(_hand_in(login, content, mail_from, recipients))


def _hand_in(login: Login, content: bytes, mail_from: str, recipients: list[str]) -> str:
    user = _still_there(login)
    if user is None:
        return "535 5.7.8 The key or user of this connection is no longer in force"
    limits = {f"tenant/{user.tenant_id}": settings.API_TENANT_PER_MINUTE}
    if take(limits) is not None:
        return "450 4.7.1 Too many mails in this minute, try again in the next"
    try:
        taken = take_over(content, mail_from, recipients)
    except NotTakenOver as why:
        return _NOT_TAKEN[why.code].format(detail=why.detail)
    if (refused := _judge(user, mail_from, taken.sender)) is not None:
        return refused
    run = taken.run if taken.run.isprintable() and len(taken.run) <= 200 else ""
    return _said(intake.hand_in(user, [taken.raw], run=run)[0])


def _still_there(login: Login) -> User | None:
    """The user as they are now; a key that was revoked meanwhile ends at the next mail."""
    if login.key:
        key = key_of(login.key)
        return key.user if key is not None and Scope.SUBMIT in key.scopes else None
    user = User.objects.select_related("tenant__firm", "deputy").filter(pk=login.user, is_active=True).first()
    return user if user is not None and may(user, Right.SUBMIT) else None


def _judge(user: User, mail_from: str, sender: str) -> str | None:
    """Why the envelope's sender may not be used, where it is another mailbox than From's; From is judged with the mail."""
    if not sender or not mail_from:
        return None
    try:
        mailbox = parse_sender(sender)
    except AddressInvalid:
        return None  # judged with the mail, and only where it would be used (C4)
    if key_of_address(mail_from) == mailbox.key:
        return None
    plan = make_plan(facts_of(user, Request(context_sender=mail_from)))
    if plan.refused is None:
        return None
    return f"550 5.7.1 MAIL FROM: {say_refusal(plan.refused, details_of_plan(plan))}"


def _said(taken: intake.Taken) -> str:
    result = taken.result
    if result.id is not None:
        if result.status == StateChoices.FAILED:  # of a direct send system (S2)
            return f"554 5.0.0 Stored as {result.id}, but the mail server refused it: {result.message}"
        twice = "; its document went out before or is on its way" if taken.repeated else ""
        return f"250 2.0.0 Ok: stored as {result.id}{twice}"
    if result.code == QUEUE_FULL:
        return f"452 4.3.1 {result.message}"
    return f"{'550 5.7.1' if result.code in _REFUSALS else '554 5.6.0'} {result.message}"


def _reply(text: str) -> str:
    """One line of ASCII, as old programs take it."""
    return " ".join(text.encode("ascii", "replace").decode().split())[:480]


async def _awaited(found: Any) -> AuthResult:
    result: AuthResult = await found if asyncio.iscoroutine(found) else found
    return result


def _is_address(parse: Callable[[str], object], address: str) -> bool:
    try:
        parse(address)
    except AddressInvalid:
        return False
    return True


def _with_database(work: Callable[[], Answer]) -> Answer:
    """A thread keeps its connection from mail to mail, as long as the database does."""
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


async def listen(host: str, *, context: ssl.SSLContext, port: int | None, tls_port: int | None) -> list[asyncio.Server]:
    """The doors: `port` with STARTTLS, `tls_port` with TLS from the first octet; None: not that one."""
    gateway, loop = Gateway(), asyncio.get_running_loop()
    common: dict[str, Any] = {
        "hostname": settings.EHLO_NAME or "postausgang",
        "ident": "ESMTP Postausgang",
        "data_size_limit": SIZE_LIMIT,
        "enable_SMTPUTF8": True,
        "auth_required": True,
        "loop": loop,
    }
    servers = []
    if port is not None:
        starttls = {**common, "tls_context": context, "require_starttls": True}
        servers.append(await loop.create_server(lambda: Conversation(gateway, **starttls), host, port))
    if tls_port is not None:
        implicit = {**common, "auth_require_tls": False}  # the whole connection is TLS
        servers.append(await loop.create_server(lambda: Conversation(gateway, **implicit), host, tls_port, ssl=context))
    return servers
