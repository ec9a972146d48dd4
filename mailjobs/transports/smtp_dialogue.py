"""One mail over an SMTP session: MAIL, RCPT and DATA with every reply kept apart (RFC 5321, 1870, 6531, 2920)."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import idna
from aiosmtplib.errors import SMTPResponseException

from mailjobs.core.envelope import Envelope, HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.transports.smtp_connection import SmtpConnection

BLOCK = 2**18  # octets of the body that are written before the network is waited for
Part = bytes | Iterable[bytes]
BeforeBody = Callable[[], Awaitable[bool]]
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")


class SmtpSession(SmtpConnection):
    """Takes mails one after the other; made by `open`. `usable` says whether it may take another."""

    async def submit(
        self, envelope: Envelope, message: Sequence[Part] | bytes, *, size: int, before_body: BeforeBody
    ) -> HandOver:
        """Hands one mail over and says what became of it; server and network never make it raise.

        `message` is ready wire bytes, whole or in parts (of which each but the last may be made while it is read): CRLF only,
        dot-stuffed, ending with CRLF, without the final dot. `size`
        is its length in octets without the stuffed dots (RFC 1870). `before_body` is asked once, after 354 and before the first
        octet of the body: False withdraws the mail and closes the connection; what it raises is raised after closing.
        An error in Phase.BODY says that the server may have the whole mail, one in an earlier phase that it has none of it.
        Raises ValueError, before anything is said, for an address that cannot stand in a command or a message without its CRLF.
        """
        parts: Sequence[Part] = [message] if isinstance(message, bytes) else message
        _check_end(parts)
        transaction = _Transaction.of(envelope)
        if objection := self._objection(transaction, size):
            return HandOver(error=objection)
        try:
            await self._hand_over(transaction, parts, size, before_body)
        except TransportError as error:
            transaction.error = error
        except BaseException:
            self.abort()
            raise
        return transaction.outcome()

    async def probe(self, envelope: Envelope, *, size: int) -> HandOver:
        """What the server says to sender, recipients and size of such a mail, and then RSET: nothing is handed over.

        `final` is the reply to MAIL; of the recipients all are asked. Promises what `submit` does.
        """
        transaction = _Transaction.of(envelope)
        if objection := self._objection(transaction, size):
            return HandOver(error=objection)
        try:
            transaction.final = await self._say_sender(transaction, size)
            for recipient, path in transaction.paths.items():
                self._keep(transaction, recipient, await self._command(Phase.RCPT, f"RCPT TO:<{path}>"))
            await self._reset()
        except TransportError as error:
            transaction.error = error
        except BaseException:
            self.abort()
            raise
        return transaction.outcome()

    async def _say_sender(self, transaction: "_Transaction", size: int) -> Reply:
        reply = await self._command(Phase.MAIL, self._mail_command(transaction, size))
        if not reply.positive:
            raise self._refused(Phase.MAIL, reply)
        return reply

    def _objection(self, transaction: "_Transaction", size: int) -> TransportError | None:
        """What the server's own announcements rule out."""
        if transaction.is_international and "smtputf8" not in self.capabilities:
            return TransportError(phase=Phase.MAIL, trouble=Trouble.SMTPUTF8_MISSING)
        limit = self.capabilities.get("size", "").strip()
        if limit.isdecimal() and 0 < int(limit) < size:
            return TransportError(phase=Phase.MAIL, trouble=Trouble.SIZE, detail=f"{size} > {limit}")
        return None

    async def _hand_over(self, transaction: "_Transaction", parts: Sequence[Part], size: int, before_body: BeforeBody) -> None:
        at_once = self._pipelining and "pipelining" in self.capabilities
        say_envelope = self._envelope_at_once if at_once else self._envelope_in_turn
        data = await say_envelope(transaction, self._mail_command(transaction, size))
        if data is None or data.code != 354:
            await self._give_up(transaction, data)
        elif not transaction.accepted:
            self.abort()  # some servers take even a lone dot for a mail
        elif not await before_body():
            self.abort()  # after 354 there is no RSET
            transaction.withdrawn = True
        else:
            await self._body(transaction, parts)

    def _mail_command(self, transaction: "_Transaction", size: int) -> str:
        options = [f"SIZE={size}"] if "size" in self.capabilities else []
        options += ["BODY=8BITMIME"] if "8bitmime" in self.capabilities else []
        options += ["RET=HDRS"] if "dsn" in self.capabilities else []  # RFC 3461: a bounce need not carry the attachments
        options += ["SMTPUTF8"] if transaction.is_international else []
        return " ".join([f"MAIL FROM:<{transaction.sender_path}>", *options])

    async def _envelope_in_turn(self, transaction: "_Transaction", mail: str) -> Reply | None:
        """Each command after the reply to the one before; gives the reply to DATA, None where it was not sent."""
        reply = await self._command(Phase.MAIL, mail)
        if not reply.positive:
            raise self._refused(Phase.MAIL, reply)
        for recipient, path in transaction.paths.items():
            self._keep(transaction, recipient, await self._command(Phase.RCPT, f"RCPT TO:<{path}>"))
        return await self._command(Phase.DATA, "DATA") if transaction.accepted else None

    async def _envelope_at_once(self, transaction: "_Transaction", mail: str) -> Reply:
        """All commands in one write; gives the reply to DATA, which may be 354 even where no recipient was accepted."""
        self._send(Phase.MAIL, mail, *(f"RCPT TO:<{path}>" for path in transaction.paths.values()), "DATA")
        reply = await self._read_reply(Phase.MAIL)
        if not reply.positive:
            await self._skip(len(transaction.paths) + 1)
            raise self._refused(Phase.MAIL, reply)
        for recipient in transaction.paths:
            self._keep(transaction, recipient, await self._read_reply(Phase.RCPT))
        return await self._read_reply(Phase.DATA)

    def _keep(self, transaction: "_Transaction", recipient: str, reply: Reply) -> None:
        """Notes a recipient's reply; one that ends the session, or makes no sense, ends the transaction too."""
        transaction.replies[recipient] = reply
        if reply.code == 421 or not (reply.positive or reply.code >= 400):
            raise self._refused(Phase.RCPT, reply)

    async def _skip(self, replies: int) -> None:
        """Reads the replies to what was sent behind a refused MAIL; they say nothing, but a 354 among them ends the session."""
        try:
            while replies and self._protocol.is_connected:
                replies -= 1
                if (await self._read_reply(Phase.DATA)).code == 354:
                    self.abort()
        except TransportError:
            pass  # the session is closed, and the reply to MAIL is what counts

    async def _give_up(self, transaction: "_Transaction", data: Reply | None) -> None:
        """Ends a transaction that got no 354: RSET, and the reply to DATA is the error where it was meant for someone."""
        error = self._refused(Phase.DATA, data) if data and transaction.accepted else None
        await self._reset()
        if error:
            raise error

    async def _reset(self) -> None:
        """RSET where the session is in step; whatever goes wrong shows in `usable`."""
        try:
            if self.usable and not (await self._command(Phase.MAIL, "RSET")).positive:
                self.abort()
        except TransportError:
            pass

    async def _body(self, transaction: "_Transaction", parts: Sequence[Part]) -> None:
        """Writes the message and keeps the reply to it. A refusal may come early; an early 2xx cannot be about this mail."""
        self._write(Phase.DATA, b"", replies=1)  # notices a server that went away meanwhile, before anything is written
        complete = await self._write_body(parts)
        final = await self._read_reply(Phase.BODY, self._timeouts.final)
        if not complete:
            self.abort()
        if not (final.code >= 400 or (final.positive and complete)):
            self.abort()
            raise TransportError(phase=Phase.BODY, reply=final, trouble=Trouble.NOT_SMTP)
        transaction.final = final

    async def _write_body(self, parts: Sequence[Part]) -> bool:
        """Writes parts and final dot; False where a reply came before the last block was written, and then no dot is."""
        octets = 0
        try:
            blocks = _blocks(parts)
            block = next(blocks)
            for following in blocks:
                octets += len(block)
                self._protocol.send(block, replies=0)
                await self._protocol.drain(self._timeouts.block)
                if self._protocol.has_reply:
                    return False
                block = following
            octets += len(block)
            self._protocol.send(block + b".\r\n", replies=0)
            return True
        except (SMTPResponseException, OSError) as error:
            if not self._protocol.has_reply:
                raise self._failure(Phase.BODY, error) from error
        finally:
            self._transcript.client(f"<{octets} octets>")
        return False


@dataclass(slots=True)
class _Transaction:
    """One mail on the wire: its paths as they are written, and what was answered so far."""

    sender_path: str
    paths: dict[str, str]  # recipients as the envelope names them, to what is written
    replies: dict[str, Reply] = field(default_factory=dict)
    final: Reply | None = None
    withdrawn: bool = False
    error: TransportError | None = None

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        if not envelope.recipients:
            raise ValueError("an envelope without recipients")
        return cls(_path(envelope.sender), {recipient: _path(recipient) for recipient in envelope.recipients})

    @property
    def is_international(self) -> bool:
        """Whether an address needs SMTPUTF8; a domain alone never does, it is written in A-labels."""
        return not all(path.isascii() for path in (self.sender_path, *self.paths.values()))

    @property
    def accepted(self) -> bool:
        return any(reply.positive for reply in self.replies.values())

    def outcome(self) -> HandOver:
        return HandOver(recipients=self.replies, final=self.final, withdrawn=self.withdrawn, error=self.error)


def _path(address: str) -> str:
    """The address as it stands between the angle brackets of MAIL and RCPT; ValueError where it could not."""
    if _UNSAFE_IN_PATH.search(address):
        raise ValueError("an address that cannot stand in an SMTP command")
    local, at, domain = address.rpartition("@")
    if not at or domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


def _check_end(parts: Sequence[Part]) -> None:
    ends = [part[-2:] for part in parts[-2:] if isinstance(part, bytes)]
    if not b"".join(ends).endswith(b"\r\n"):
        raise ValueError("the message does not end with CRLF")


def _blocks(parts: Iterable[Part]) -> Iterator[bytes]:
    """The message in blocks of `BLOCK` octets or a little more, so that a small mail is one write; at least one, maybe empty."""
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        for piece in (part,) if isinstance(part, bytes) else part:
            for start in range(0, len(piece), BLOCK):
                if size >= BLOCK:
                    yield b"".join(gathered)
                    gathered, size = [], 0
                gathered.append(piece[start : start + BLOCK] if len(piece) > BLOCK else piece)
                size += len(gathered[-1])
    yield b"".join(gathered)
