"""aiosmtplib's protocol, made to keep the replies to several commands apart."""

import asyncio
import socket
from collections import deque
from contextlib import suppress

from aiosmtplib.errors import SMTPReadTimeoutError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import MAX_RESPONSE_LENGTH, SMTPProtocol
from aiosmtplib.response import SMTPResponse

INVALID = -1  # aiosmtplib's code of what is no SMTP reply
SERVICE_CLOSING = b"421"
_QUICK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_TCP = frozenset({socket.AF_INET, socket.AF_INET6})


class PipelineProtocol(SMTPProtocol):
    """Parsing and STARTTLS are aiosmtplib's, the pairing of replies with commands is here.

    aiosmtplib 5.1.3 knows one outstanding command: of two replies in one packet it keeps the second for the next command, and
    drops whatever comes while a parsed reply waits for its reader. Here replies queue up as long as the server owes some (RFC
    2920), those that came before the connection was lost are still read, and what nobody asked for is never taken for the next
    command's reply. It leans on `_buffer`, `_read_response_from_buffer` and `_drain_helper` of the pinned version.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._owed = 1  # the greeting
        self._replies: deque[SMTPResponse | SMTPResponseException] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._unasked = b""

    @property
    def is_in_step(self) -> bool:
        """Connected, nothing owed, nothing left to read and nothing said unasked: another command may be sent."""
        return self.is_connected and not (self._owed or self._replies or self._unasked)

    @property
    def has_reply(self) -> bool:
        return bool(self._replies)

    def send(self, octets: bytes, *, replies: int) -> None:
        """Writes commands (or a part of the body) to which the server owes so many replies.

        Raises SMTPServerDisconnected where the connection is gone, SMTPResponseException where the server spoke unasked: with its
        words and 421 where it says good-bye, else with INVALID.
        """
        if self._unasked:
            code = 421 if self._unasked.startswith(SERVICE_CLOSING) else INVALID
            raise SMTPResponseException(code, self._unasked[4:].decode("utf-8", "surrogateescape"))
        self.write(octets)
        self._owed += replies

    async def drain(self, timeout: float) -> None:
        """Waits until the network has taken enough of what was written, and lets a reply come in meanwhile.

        Raises ConnectionError or TimeoutError.
        """
        async with asyncio.timeout(timeout):
            await asyncio.sleep(0)
            await self._drain_helper()

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:
        """The next reply in order. Raises SMTPReadTimeoutError, SMTPServerDisconnected or SMTPResponseException (not SMTP)."""
        if not (self._replies or self._owed):
            self._owed = 1  # asked for by aiosmtplib's own STARTTLS
        if not self._replies:
            await self._wait_for_reply(timeout)
        if not self._replies:
            raise SMTPServerDisconnected("Connection lost")
        reply = self._replies.popleft()
        if isinstance(reply, SMTPResponseException):
            raise reply
        return reply

    def data_received(self, data: bytes) -> None:
        self._acknowledge()
        self._buffer.extend(data)
        while self._owed and self._take_reply():
            self._owed -= 1
        if not self._owed and self._buffer:
            self._unasked = self._unasked or bytes(self._buffer[:500])
            del self._buffer[:]
        if self._replies:
            self._wake()

    def _acknowledge(self) -> None:
        """Tells the server at once that its octets came. Servers that answer several commands in several packets wait for this
        before they send the next one (RFC 896), and the kernel would take 40 ms over it.
        """
        connection = self.transport.get_extra_info("socket") if self.transport else None
        if _QUICK is not None and connection is not None and connection.family in _TCP:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wake()

    def _take_reply(self) -> bool:
        """Moves one complete reply from the buffer to the queue; a buffer full of something else becomes an INVALID one."""
        try:
            reply = self._read_response_from_buffer()
            if reply is None and len(self._buffer) > MAX_RESPONSE_LENGTH:
                raise SMTPResponseException(INVALID, "Response too long")
        except SMTPResponseException as error:
            del self._buffer[:]
            self._replies.append(error)
            return True
        if reply is not None:
            self._replies.append(reply)
        return reply is not None

    async def _wait_for_reply(self, timeout: float | None) -> None:
        if self.transport is None:
            return
        self._arrival = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._arrival
        except TimeoutError as error:
            raise SMTPReadTimeoutError("Timed out waiting for server response") from error
        finally:
            self._arrival = None

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
