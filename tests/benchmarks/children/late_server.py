"""A mail server that takes everything, says PIPELINING, answers `late` seconds after each command, and tells when what arrived.

`python -m tests.benchmarks.children.late_server LATE FILE`; the port is its first answer. FILE gets a line for each mail before
its 250: the number of the first recipient (`klient17@...`) and the time (monotonic). Postfix's smtp-sink can only be late by
whole seconds, and tells no time.
"""

import asyncio
import re
import sys
from pathlib import Path
from time import monotonic
from typing import IO

from tests.benchmarks.children.conversation import say

EHLO = b"250-late.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n"
FINE, GO_ON, BYE = b"250 2.0.0 Ok\r\n", b"354 End data with <CR><LF>.<CR><LF>\r\n", b"221 2.0.0 Bye\r\n"
END = b"\r\n.\r\n"
NUMBER = re.compile(rb"<\D*(\d+)")


class Conversation(asyncio.Protocol):
    """One connection; replies keep the order of their commands."""

    def __init__(self, late: float, arrivals: IO[str]) -> None:
        self.late, self.arrivals = late, arrivals
        self.buffer, self.seen = bytearray(), 0
        self.in_body, self.number = False, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.reply(b"220 late.example ESMTP\r\n")

    def reply(self, line: bytes) -> None:
        if self.late:
            asyncio.get_running_loop().call_later(self.late, self.transport.write, line)
        else:
            self.transport.write(line)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.take_body() if self.in_body else self.take_command():
            pass

    def take_body(self) -> bool:
        """Whether the body was there to its end."""
        found = self.buffer.find(END, max(self.seen - len(END), 0))
        if found < 0:
            self.seen = len(self.buffer)
            return False
        del self.buffer[: found + len(END)]
        self.in_body, self.seen = False, 0
        self.arrivals.write(f"{self.number.decode()} {monotonic():.6f}\n")
        self.arrivals.flush()
        self.number = b""
        self.reply(FINE)
        return True

    def take_command(self) -> bool:
        """Whether a whole command was there."""
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        match line[:4].upper():
            case b"EHLO":
                self.reply(EHLO)
            case b"DATA":
                self.in_body = True
                self.reply(GO_ON)
            case b"QUIT":
                self.reply(BYE)
                asyncio.get_running_loop().call_later(self.late + 0.01, self.transport.close)
            case b"RCPT" if not self.number:
                found = NUMBER.search(line)
                self.number = found[1] if found else b"0"
                self.reply(FINE)
            case _:
                self.reply(FINE)
        return True


async def main(late: float, file: Path) -> None:
    with file.open("w") as arrivals:
        server = await asyncio.get_running_loop().create_server(lambda: Conversation(late, arrivals), "127.0.0.1", 0, backlog=512)
        say(server.sockets[0].getsockname()[1])
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), Path(sys.argv[2])))
