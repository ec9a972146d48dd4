"""A connection to an SMTP server, encrypted and logged in: everything of a session but the mails (RFC 5321, 3207, 4954)."""

import asyncio
import base64
import binascii
import ipaddress
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from aiosmtplib.errors import SMTPResponseException, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.response import SMTPResponse

from mailjobs.core.envelope import Endpoint, Phase, Reply, TransportError, Trouble
from mailjobs.transports import network, tls, watching
from mailjobs.transports.smtp_protocol import PipelineProtocol
from mailjobs.transports.smtp_reply import parse_reply
from mailjobs.transports.transcript import HIDDEN, Transcript, hide, printable

MOST_AUTH_ROUNDS = 10
LONGEST_COMMAND = 510  # octets without CRLF, RFC 5321 section 4.5.3.1.4
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each wait may take (RFC 5321 section 4.5.3.2 for `block` and `final`)."""

    connect: float = 10  # the name, the connection and the TLS handshake, each
    command: float = 60
    block: float = 180  # until the network takes more of the body
    final: float = 600  # from the final dot to its reply
    quit: float = 3


DEFAULT_TIMEOUTS = Timeouts()

Respond = Callable[[bytes], Awaitable[bytes]]  # from a decoded SASL challenge to the answer, not yet encoded


class SmtpConnection:
    """Made by `open`; whatever leaves it in doubt closes it at once."""

    def __init__(self, endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> None:
        """`pipelining`: send several commands in one go where the server offers it (RFC 2920)."""
        self.endpoint = endpoint
        self.capabilities: Mapping[str, str] = {}  # EHLO keywords in lower case to their parameters
        self.mechanisms: tuple[str, ...] = ()  # of AUTH, in upper case, in the server's order
        self._timeouts = timeouts
        self._pipelining = pipelining
        self._protocol = PipelineProtocol(asyncio.get_running_loop())
        self._transcript = Transcript()
        self._auth_begun = False

    @classmethod
    async def open(
        cls,
        endpoint: Endpoint,
        *,
        authenticate: Callable[[Self], Awaitable[None]] | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        pipelining: bool = True,
    ) -> Self:
        """Connected, encrypted as the endpoint says, and logged in by `authenticate` (which calls `auth` at most once).

        Raises TransportError with the phase reached and the transcript so far; nothing stays open then.
        """
        session = cls(endpoint, timeouts=timeouts, pipelining=pipelining)
        try:
            await session._begin()
            if authenticate:
                await authenticate(session)
        except TransportError as error:
            session.abort()
            error.transcript = tuple(session.transcript)
            raise
        except BaseException:
            session.abort()
            raise
        return session

    @property
    def usable(self) -> bool:
        """Whether another command, so another mail, may be sent."""
        return self._protocol.is_in_step

    @property
    def transcript(self) -> list[str]:
        """The lines since `begin_transcript`, "C: " and "S: ", without secrets and bodies; bounded as `transcript` says."""
        return self._transcript.lines

    @property
    def tls_object(self) -> ssl.SSLObject | None:
        """Version, cipher and certificate of the encrypted connection; None without TLS."""
        found = self._extra("ssl_object")
        return found if isinstance(found, ssl.SSLObject) else None

    @property
    def is_loopback(self) -> bool:
        """Whether the other end is on this machine, by its address and not by its name."""
        return ipaddress.ip_address(self._address("peername")).is_loopback

    def begin_transcript(self) -> list[str]:
        """See `Transcript.begin`."""
        return self._transcript.begin()

    async def auth(self, mechanism: str, respond: Respond, *, initial: bytes | None = None) -> Reply:
        """One SASL exchange (RFC 4954), the only one of this session; the transcript shows its results only.

        `initial` is the initial response where the mechanism has one. `respond` answers each challenge (given as it came where it
        is not base64, as of servers that write a prompt there); it may raise TransportError to break the exchange off.
        Raises TransportError in Phase.AUTH with the server's refusal.
        """
        if self._auth_begun:
            raise RuntimeError("a second AUTH in one session would be a second attempt")
        self._auth_begun = True
        spoken = [] if initial is None else [base64.b64encode(initial).decode() or "="]
        line, shown = " ".join(["AUTH", mechanism, *spoken]), f"AUTH {mechanism}" + f" {HIDDEN}" * len(spoken)
        owed = spoken[0] if len(line) > LONGEST_COMMAND else ""
        if owed:  # RFC 4954 section 4: then the server asks for it with a challenge
            line = shown = f"AUTH {mechanism}"
        response = await self._say_secret(line, shown, spoken)
        for _ in range(MOST_AUTH_ROUNDS):
            if response.code != 334:
                break
            answer, owed = owed or base64.b64encode(await respond(_challenge(response.message))).decode(), ""
            spoken.append(answer)
            response = await self._say_secret(answer, HIDDEN, spoken)
        reply = parse_reply(response.code, self._hide(response.message, spoken))
        if reply.code != 235:
            raise self._refused(Phase.AUTH, reply)
        watching.reached(Phase.AUTH, self.transcript, reply=str(reply), mechanism=mechanism)
        return reply

    async def noop(self) -> None:
        """Raises TransportError in Phase.EHLO where the server does not answer with 2xx."""
        reply = await self._command(Phase.EHLO, "NOOP")
        if not reply.positive:
            raise self._refused(Phase.EHLO, reply)

    async def close(self) -> None:
        """Says QUIT where the session is in step, and closes in any case; never raises for the network."""
        try:
            if self.usable:
                async with asyncio.timeout(self._timeouts.quit):
                    await self._command(Phase.EHLO, "QUIT")
        except (TransportError, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes at once; what was not yet written is not sent."""
        transport = self._protocol.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    # Opening

    async def _begin(self) -> None:
        match self.endpoint.tls:
            case "implicit":
                await self._connect(tls.context(self.endpoint))
                await self._ehlo()
            case "starttls":
                context = tls.context(self.endpoint)
                await self._connect(None)
                await self._ehlo()
                await self._start_tls(context)
                await self._ehlo()
            case "off":
                await self._connect(None)
                await self._ehlo()
            case other:
                raise ValueError(f"no such TLS mode: {other}")

    async def _connect(self, context: ssl.SSLContext | None) -> None:
        """Connects, with TLS from the first octet where a context is given, and reads the greeting."""
        connection = await network.connect(self.endpoint, self._timeouts.connect)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self._protocol,
                sock=connection,
                ssl=context,
                server_hostname=network.server_name(self.endpoint.host) if context else None,
                ssl_handshake_timeout=self._timeouts.connect if context else None,
            )
        except OSError as error:
            raise _handshake_error(error) from error
        self._encrypted()
        greeting = await self._read(Phase.GREETING)
        if greeting.code != 220:
            raise self._refused(Phase.GREETING, parse_reply(*greeting))
        watching.reached(Phase.GREETING, self.transcript, reply=str(parse_reply(*greeting)))

    async def _ehlo(self) -> None:
        name = network.ascii_host(self.endpoint.ehlo_name) if self.endpoint.ehlo_name else None
        self._send(Phase.EHLO, f"EHLO {name or self._address_literal()}")
        response = await self._read(Phase.EHLO)
        if response.code != 250:
            raise self._refused(Phase.EHLO, parse_reply(*response))
        self.capabilities, mechanisms = parse_esmtp_extensions(response.message)
        self.mechanisms = tuple(dict.fromkeys(mechanism.upper() for mechanism in mechanisms))
        offered = {"mechanisms": list(self.mechanisms), "size": self.capabilities.get("size", "")}
        watching.reached(Phase.EHLO, self.transcript, capabilities=sorted(self.capabilities), **offered)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        """STARTTLS, never without. What was said in clear after its 220 (injected, RFC 3207 section 4.2) ends the session."""
        if "starttls" not in self.capabilities:
            raise TransportError(phase=Phase.TLS, trouble=Trouble.STARTTLS_MISSING)
        self._transcript.client("STARTTLS")
        try:
            response = await self._protocol.start_tls(
                context, server_hostname=network.server_name(self.endpoint.host), timeout=self._timeouts.connect
            )
        except SMTPResponseException as error:
            if _is_reply_code(error.code):
                self._transcript.server(error.code, error.message)
            raise self._failure(Phase.TLS, error) from error
        except OSError as error:  # the library's SMTPServerDisconnected and SMTPTimeoutError are of this kind too
            raise _handshake_error(error) from error
        self._transcript.server(*response)
        self.capabilities, self.mechanisms = {}, ()
        self._write(Phase.TLS, b"", replies=0)  # raises for words that nobody asked for
        self._encrypted()

    def _encrypted(self) -> None:
        if (encrypted := self.tls_object) is not None and watching.is_watched():
            watching.reached(Phase.TLS, self.transcript, **tls.found_of(encrypted))

    def _address_literal(self) -> str:
        """The local end as RFC 5321 section 4.1.3 writes it."""
        address = ipaddress.ip_address(self._address("sockname"))
        return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"

    def _address(self, end: str) -> str:
        """The IP address of one end of the connection, "sockname" or "peername", without a zone."""
        name = self._extra(end)
        if not isinstance(name, tuple):
            raise TransportError(phase=Phase.CONNECT, trouble=Trouble.CLOSED_BY_SERVER)
        return str(name[0]).partition("%")[0]

    def _extra(self, key: str) -> object:
        transport = self._protocol.transport
        return transport.get_extra_info(key) if transport else None

    # Talking

    async def _command(self, phase: Phase, line: str) -> Reply:
        self._send(phase, line)
        return await self._read_reply(phase)

    def _send(self, phase: Phase, *lines: str) -> None:
        """Sends command lines in one write; each is owed one reply. ValueError for a control character in one of them."""
        if any(map(_CONTROL.search, lines)):
            raise ValueError("a control character in an SMTP command")
        for line in lines:
            self._transcript.client(line)
        self._write(phase, "".join(f"{line}\r\n" for line in lines).encode(), replies=len(lines))

    async def _say_secret(self, line: str, shown: str, spoken: Sequence[str]) -> SMTPResponse:
        """One line of the AUTH exchange; challenges and what was spoken are hidden in the transcript."""
        self._transcript.client(shown)
        self._write(Phase.AUTH, f"{line}\r\n".encode(), replies=1)
        return await self._read(Phase.AUTH, shown=lambda said: HIDDEN if said.code == 334 else self._hide(said.message, spoken))

    def _write(self, phase: Phase, octets: bytes, *, replies: int) -> None:
        try:
            self._protocol.send(octets, replies=replies)
        except (SMTPResponseException, OSError) as error:
            raise self._failure(phase, error) from error

    async def _read_reply(self, phase: Phase, timeout: float | None = None) -> Reply:
        return parse_reply(*await self._read(phase, timeout))

    async def _read(
        self, phase: Phase, timeout: float | None = None, shown: Callable[[SMTPResponse], str] | None = None
    ) -> SMTPResponse:
        """The next reply, within the time for a command if none is given; a 421 closes the connection (RFC 5321 section 3.8)."""
        try:
            response = await self._protocol.read_response(timeout or self._timeouts.command)
        except (SMTPResponseException, OSError) as error:
            raise self._failure(phase, error) from error
        if not _is_reply_code(response.code):
            raise self._failure(phase, SMTPResponseException(response.code, response.message))
        self._transcript.server(response.code, shown(response) if shown else response.message)
        if response.code == 421:
            self.abort()
        return response

    def _refused(self, phase: Phase, reply: Reply) -> TransportError:
        """The error for a reply that is not the one hoped for; one that makes no sense here ends the session."""
        if reply.code >= 400:
            return TransportError(phase=phase, reply=reply)
        self.abort()
        return TransportError(phase=phase, reply=reply, trouble=Trouble.NOT_SMTP)

    def _failure(self, phase: Phase, error: SMTPResponseException | OSError) -> TransportError:
        """The error for an exchange that broke off; the session ends."""
        self.abort()
        match error:
            case SMTPResponseException() if _is_reply_code(error.code):
                return TransportError(phase=phase, reply=parse_reply(error.code, error.message))
            case SMTPResponseException():
                return TransportError(phase=phase, trouble=Trouble.NOT_SMTP, detail=printable(error.message)[:200])
            case TimeoutError() | SMTPTimeoutError():
                return TransportError(phase=phase, trouble=Trouble.TIMEOUT)
            case _:
                return TransportError(phase=phase, trouble=Trouble.CLOSED_BY_SERVER)

    def _hide(self, text: str, spoken: Iterable[str]) -> str:
        return hide(text, (*spoken, self.endpoint.secret))


def _is_reply_code(code: int) -> bool:
    return 200 <= code <= 599


def _challenge(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogateescape")


def _handshake_error(error: OSError) -> TransportError:
    return TransportError(phase=Phase.TLS, trouble=tls.trouble_of(error), detail=tls.detail_of(error))
