"""An SMTP server that writes each mail down before it says 250: `python -m tests.storm.recorder FOLDER DOORS`.

DOORS is a JSON list; each door is a port of its own with the attributes of `Door`. The first line of the output is a JSON object
door → port; a line {"door": ..., "set": {...}} on the standard input changes a door and is answered; the input's end ends it.
FOLDER gets `arrivals.tsv` (time, door, connection, Message-ID, first recipient; one line for each mail that was taken, appended
before its reply) and `events.tsv` (time, door, connection, what, detail). The time is `time.monotonic()`, the same for all
processes of a machine.
"""

import asyncio
import base64
import binascii
import contextlib
import itertools
import json
import os
import random
import re
import socket
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diagnostics.sink import certificate_authority

MINUTE = 60.0
MOST_IN_ONE_READ = 64 * 2**20
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)
HANDED_OVER = frozenset({"drop", "rst", "junk", "hang"})  # after the dot these leave the mail with the server

TEMPORARY = {"starttls": "454 4.7.0 TLS not available", "auth": "454 4.7.0 Temporary authentication failure"}
PERMANENT = {
    "greeting": "554 5.3.2 No mail service here",
    "ehlo": "550 5.3.2 No mail service here",
    "starttls": "554 5.3.3 No encryption here",
    "auth": "535 5.7.8 Error: authentication failed",
    "rcpt": "550 5.1.1 No such user",
    "body": "554 5.6.0 Content refused",
    "dot": "554 5.6.0 Content refused",
}


@dataclass
class Door:
    """One port: who may log in, how late it answers, what it does wrong, how much it allows.

    `delay`: seconds between writing a mail down and its 250. `late`: seconds before each reply. `fault`: (phase, kind): greeting,
    ehlo, starttls, auth, mail, rcpt, data, body, dot, next (the MAIL of a second mail); drop, rst, junk, hang, 4xx, 5xx, 421.
    `per_minute` mails in any 60 s and `connections` at once are allowed, 0: any number.
    """

    name: str
    login: str = ""
    password: str = ""
    starttls: bool = False
    delay: tuple[float, float] = (0.0, 0.0)
    late: float = 0.0
    fault: tuple[str, str] = ("", "")
    per_minute: int = 0
    connections: int = 0
    open_now: int = field(default=0, init=False)
    taken: deque[float] = field(default_factory=deque, init=False)

    def allows_mail(self) -> bool:
        """Whether one more mail fits into the last minute; if so it counts."""
        now = time.monotonic()
        while self.taken and self.taken[0] <= now - MINUTE:
            self.taken.popleft()
        if self.per_minute and len(self.taken) >= self.per_minute:
            return False
        self.taken.append(now)
        return True


class Recorder:
    """All doors, and the two files."""

    def __init__(self, folder: Path, doors: list[Door]) -> None:
        self.doors = {door.name: door for door in doors}
        self.numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
        self._arrivals, self._events = (os.open(folder / name, flags, 0o644) for name in ("arrivals.tsv", "events.tsv"))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls = certificate_authority(folder).parent
        self.context.load_cert_chain(tls / "server.pem", tls / "server.key")

    def arrived(self, door: str, connection: int, message_id: str, recipient: str) -> None:
        os.write(self._arrivals, f"{time.monotonic():.6f}\t{door}\t{connection}\t{message_id}\t{recipient}\n".encode())

    def event(self, door: str, connection: int, what: str, detail: object = "") -> None:
        os.write(self._events, f"{time.monotonic():.6f}\t{door}\t{connection}\t{what}\t{detail}\n".encode())

    async def listen(self) -> dict[str, int]:
        """Opens all doors; returns their ports."""
        return {name: await self._open(door) for name, door in self.doors.items()}

    async def _open(self, door: Door) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await Conversation(self, door, reader, writer).hold()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=MOST_IN_ONE_READ, backlog=1024)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def change(self, door: str, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            setattr(self.doors[door], name, tuple(value) if isinstance(value, list) else value)


class Gone(Exception):
    """This side has ended the conversation."""


class Conversation:
    """One connection."""

    def __init__(self, recorder: Recorder, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.recorder, self.door, self.reader, self.writer = recorder, door, reader, writer
        self.number = next(recorder.numbers)
        self.stage = "idle"  # "envelope" from MAIL on, "body" from 354 until the final reply is written
        self.mails, self.recipient, self.logged_in = 0, "", not door.login
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self.ehlo,
            "STARTTLS": self.starttls,
            "AUTH": self.auth,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": self.reset,
            "NOOP": self.fine,
            "QUIT": self.quit,
        }

    async def hold(self) -> None:
        """From the greeting to the end, whoever ends it."""
        self.door.open_now += 1
        self.event("connect", self.door.open_now)
        try:
            await self.greet()
            while line := await self.reader.readline():
                text = line.decode("utf-8", "replace").strip()
                await self.commands.get(text.upper().partition(" ")[0].partition(":")[0], self.strange)(text)
            self.event("lost", self.stage)
        except Gone:
            pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.event("lost", self.stage)
        finally:
            self.door.open_now -= 1
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()

    def event(self, what: str, detail: object = "") -> None:
        self.recorder.event(self.door.name, self.number, what, detail)

    async def say(self, text: str) -> None:
        if self.door.late:
            await asyncio.sleep(self.door.late)
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def end(self, text: str) -> None:
        await self.say(text)
        raise Gone

    async def fails(self, phase: str) -> bool:
        """Does what the door's fault says of this phase; True where an error was said and the conversation goes on."""
        where, kind = self.door.fault
        if where != phase:
            return False
        self.event("fault", f"{phase} {kind}")
        match kind:
            case "drop":
                raise Gone
            case "rst":
                connection = self.writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.writer.transport.abort()
                raise Gone
            case "hang":
                await asyncio.sleep(3600)
            case "junk":
                self.writer.write(b"\x00\xff\xfeWhat is it?\r\n")
                await self._until_the_client_goes()
            case "421":
                await self.end("421 4.3.2 Service closing")
            case "4xx":
                await self.say(TEMPORARY.get(phase, "451 4.3.0 Try again later"))
            case _:
                await self.say(PERMANENT.get(phase, "554 5.3.0 Not taken"))
        if phase in {"greeting", "body"}:
            await self._until_the_client_goes()
        return True

    async def _until_the_client_goes(self) -> None:
        """Closing on unread octets would be a reset, which can overtake what was said."""
        while await self.reader.read(65536):
            pass
        raise Gone

    async def greet(self) -> None:
        if self.door.connections and self.door.open_now > self.door.connections:
            self.event("violation", f"{self.door.open_now} connections")
            await self.end("421 4.7.0 Too many connections, slow down")
        await self.fails("greeting")
        await self.say("220 localhost ESMTP")

    async def ehlo(self, _text: str) -> None:
        if await self.fails("ehlo"):
            return
        encrypted = self.writer.get_extra_info("ssl_object") is not None
        offers = ["localhost", "PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        offers += ["STARTTLS"] if self.door.starttls and not encrypted else ["AUTH PLAIN"] if self.door.login else []
        await self.say("\r\n".join(f"250{' ' if offer is offers[-1] else '-'}{offer}" for offer in offers))

    async def starttls(self, _text: str) -> None:
        if not await self.fails("starttls"):
            await self.say("220 2.0.0 Ready")
            await self.writer.start_tls(self.recorder.context)

    async def auth(self, text: str) -> None:
        if await self.fails("auth"):
            self.event("refused login")
            return
        words = text.split()
        with contextlib.suppress(binascii.Error, ValueError):
            given = base64.b64decode(words[2] if len(words) > 2 else "").split(b"\0")[1:]
            self.logged_in = given == [self.door.login.encode(), self.door.password.encode()]
        self.event("login" if self.logged_in else "refused login")
        await self.say("235 2.7.0 Welcome" if self.logged_in else "535 5.7.8 Error: authentication failed")

    async def mail(self, _text: str) -> None:
        self.stage = "envelope"
        if not self.logged_in:
            await self.say("530 5.7.0 Authentication required")
            return
        if await self.fails("mail") or (self.mails and await self.fails("next")):
            return
        if not self.door.allows_mail():
            self.event("violation", "mails")
            self.stage = "idle"
            await self.say("450 4.7.1 Too many messages: rate limit exceeded, try again later")
            return
        self.mails += 1
        self.recipient = ""
        await self.say("250 2.1.0 Ok")

    async def rcpt(self, text: str) -> None:
        if self.stage != "envelope":
            await self.say("503 5.5.1 MAIL first")
        elif not await self.fails("rcpt"):
            self.recipient = self.recipient or text.partition("<")[2].partition(">")[0]
            await self.say("250 2.1.5 Ok")

    async def data(self, _text: str) -> None:
        if not self.recipient:
            await self.say("503 5.5.1 RCPT first")
            return
        if await self.fails("data"):
            return
        self.stage = "body"
        await self.say("354 Go on")
        await self.take()
        self.stage = "idle"
        self.recipient = ""

    async def take(self) -> None:
        """The body, and what the server makes of it."""
        if self.door.fault[0] == "body":
            await self.reader.readline()
            await self.fails("body")
        content = await self.reader.readuntil(b"\r\n.\r\n")
        where, kind = self.door.fault
        if where != "dot" or kind in HANDED_OVER:
            found = MESSAGE_ID.search(content)
            self.recorder.arrived(self.door.name, self.number, found[1].decode() if found else "", self.recipient)
        if self.door.delay[1]:
            await asyncio.sleep(random.uniform(*self.door.delay))
        if self.reader.at_eof():  # nobody is left to hear the reply
            raise ConnectionResetError
        if not await self.fails("dot"):
            await self.say("250 2.0.0 Ok: written down")

    async def reset(self, text: str) -> None:
        self.stage = "idle"
        await self.fine(text)

    async def fine(self, _text: str) -> None:
        await self.say("250 2.0.0 Ok")

    async def quit(self, _text: str) -> None:
        self.event("quit")
        await self.end("221 2.0.0 Bye")

    async def strange(self, _text: str) -> None:
        await self.say("502 5.5.2 What?")


async def main(folder: str, doors: str) -> None:
    recorder = Recorder(Path(folder), [Door(**_typed(each)) for each in json.loads(doors)])
    print(json.dumps(await recorder.listen()), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        wish = json.loads(line)
        recorder.change(wish["door"], wish["set"])
        print("done", flush=True)
    os._exit(0)  # whoever still talks is left alone


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
