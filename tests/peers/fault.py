"""A faulty SMTP server for what a real MTA cannot be configured to do. Standard library only.

fault.py PORT STATE_DIR [--cert PEM --key KEY]. Without --cert STARTTLS is not offered (a stripped STARTTLS).
The scenario is the local part of the first RCPT (before "+" or "-"), or of MAIL FROM for what happens before RCPT:
  dropafterdata  takes the message (it is stored), then closes without a reply: the duplicate-send window
  rstafterdata   the same, with a TCP reset            silentafterdata  takes it and never answers
  slowafterdata  takes it and answers after 30 s       dropindata       closes in the middle of DATA, nothing stored
  421rcpt 421data  answer 421 and close                dropmail droprcpt  close without a reply
  4xxdata 5xxdata  451 / 554 after the final dot       half  the first RCPT 250, further ones 550 5.1.1
  421afterdata   421 after the final dot, and closes   refusemail  550 to MAIL
  early5xx early2xx  552 / 250 in the middle of the message; 552 closes after the client
  lonely354      refuses every RCPT and still says 354 to DATA
  extra          two replies to one RCPT               goaway  after a message 421 unasked, and closes
  once4xx        451 on the first try of that recipient, accepted on the second (greylisting with memory)
  garbage        an answer that is not SMTP            longline  a reply line of 70,000 octets
  multi          a reply of many lines                 tarpit  every reply 2 s late
  rate           421 4.7.0 Too many messages after the second message of a connection
Anything else is accepted. Each accepted message is one file STATE_DIR/<time>-<n>.eml whose first lines are X-Fault-* with
envelope and scenario; STATE_DIR/events.jsonl has one line per event (connect, mail, rcpt, stored, replied, dropped).
--starttls-inject answers STARTTLS with 220 and a plain-text 250 line in the same packet (response injection, CVE-2011-0411 kind).
"""

import argparse
import asyncio
import json
import pathlib
import re
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable

MOST_IN_ONE_READ = 64 * 2**20


class Fault:
    """The server: where messages and events are written, and what all connections share."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.port, self.inject, self.dir = int(args.port), bool(args.starttls_inject), pathlib.Path(args.state)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.greylisted: set[str] = set()
        self.count = 0
        self.context: ssl.SSLContext | None = None
        if args.cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(args.cert, args.key)

    def event(self, kind: str, **more: object) -> None:
        with (self.dir / "events.jsonl").open("a") as file:
            file.write(json.dumps({"t": time.time(), "event": kind, **more}) + "\n")

    def store(self, sender: str, rcpts: list[str], data: bytes, scenario: str) -> None:
        self.count += 1
        head = f"X-Fault-From: {sender}\r\nX-Fault-To: {','.join(rcpts)}\r\nX-Fault-Scenario: {scenario}\r\n".encode()
        (self.dir / f"{time.time():.6f}-{self.count}.eml").write_bytes(head + data)
        found = re.search(rb"(?im)^message-id:\s*(\S+)", data)
        self.event("stored", sender=sender, rcpts=rcpts, scenario=scenario, message_id=found[1].decode() if found else None)

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.event("connect")
        try:
            await Conversation(self, reader, writer).talk()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.event("peer gone")
        finally:
            writer.close()

    async def main(self) -> None:
        server = await asyncio.start_server(self.client, "127.0.0.1", self.port, limit=MOST_IN_ONE_READ)
        async with server:
            await server.serve_forever()


class Conversation:
    """One connection; a method for each command."""

    def __init__(self, server: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender, self.scenario, self.messages = "", "", 0
        self.rcpts: list[str] = []
        self.tried: list[str] = []
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self.ehlo,
            "HELO": self.ehlo,
            "STARTTLS": self.starttls,
            "AUTH": self.auth,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": self.fine,
            "NOOP": self.fine,
            "QUIT": self.quit,
        }

    async def talk(self) -> None:
        await self.say("220 fault.test.local ESMTP")
        while line := await self.reader.readline():
            text = line.decode("utf-8", "replace").strip()
            verb = text.upper().split(":")[0].split(" ")[0]
            await self.commands.get(verb, self.unknown)(text)

    async def say(self, text: str, *, close: bool = False) -> None:
        if self.scenario == "tarpit":
            await asyncio.sleep(2)
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
        if close:
            raise ConnectionResetError

    def drop(self) -> None:
        """Closes without a word; with a TCP reset where the scenario says so."""
        self.server.event("dropped", scenario=self.scenario)
        if self.scenario == "rstafterdata":
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        raise ConnectionResetError

    @property
    def is_encrypted(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    async def ehlo(self, text: str) -> None:
        offers = ["fault.test.local", "PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"]
        offers += ["STARTTLS"] if self.server.context and not self.is_encrypted else []
        await self.say("\r\n".join(f"250{'-' if i < len(offers) - 1 else ' '}{offer}" for i, offer in enumerate(offers)))

    async def starttls(self, text: str) -> None:
        if not self.server.context:
            await self.unknown(text)
            return
        injected = b"250-injected.example\r\n250 AUTH PLAIN\r\n" if self.server.inject else b""
        self.writer.write(b"220 Ready\r\n" + injected)
        await self.writer.drain()
        await self.writer.start_tls(self.server.context)

    async def auth(self, text: str) -> None:
        self.server.event("auth", line=text[:12], tls=self.is_encrypted)
        if text.upper().startswith("AUTH LOGIN"):
            for ask in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6")[1 if len(text.split()) > 2 else 0 :]:
                await self.say(f"334 {ask}")
                await self.reader.readline()
        await self.say("235 2.7.0 ok")

    async def mail(self, text: str) -> None:
        self.sender, self.rcpts, self.tried = address(text), [], []
        self.scenario = scenario_of(self.sender)
        self.server.event("mail", sender=self.sender)
        if self.scenario == "dropmail":
            self.drop()
        self.messages += 1
        await self.say("550 5.7.1 no mail from you" if self.scenario == "refusemail" else "250 2.1.0 ok")

    async def rcpt(self, text: str) -> None:
        rcpt = address(text)
        if self.scenario == "refusemail":
            await self.say("503 5.5.1 need MAIL")
            return
        if not self.tried:
            self.scenario = scenario_of(rcpt)
        self.tried.append(rcpt)
        self.server.event("rcpt", rcpt=rcpt, scenario=self.scenario)
        await self.answer_rcpt(rcpt)

    async def answer_rcpt(self, rcpt: str) -> None:
        match self.scenario:
            case "droprcpt":
                self.drop()
            case "421rcpt":
                await self.say("421 4.3.2 Service closing", close=True)
            case "rate" if self.messages > 2:
                await self.say("421 4.7.0 Too many messages, slow down", close=True)
            case "garbage":
                await self.say("\x00\xffwhat")
            case "once4xx" if rcpt not in self.server.greylisted:
                self.server.greylisted.add(rcpt)
                await self.say("451 4.7.1 Greylisted, come back")
            case "half" if self.rcpts:
                await self.say("550 5.1.1 no such user")
            case "lonely354":
                await self.say("550 5.1.1 no such user")
            case _:
                await self.say({"longline": LONG, "multi": MANY, "extra": TWICE}.get(self.scenario, "250 2.1.5 ok"))
                self.rcpts.append(rcpt)

    async def data(self, text: str) -> None:
        if self.scenario == "421data":
            await self.say("421 4.3.2 Service closing", close=True)
        if not self.rcpts and self.scenario != "lonely354":
            await self.say("503 5.5.1 need RCPT")
            return
        await self.say("354 go on")
        if self.scenario in ("dropindata", "early5xx", "early2xx"):
            await self.interrupt()
        data = (await self.reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        await self.answer_data(data)

    async def interrupt(self) -> None:
        """After the first line of the message."""
        await self.reader.readline()
        if self.scenario == "dropindata":
            self.drop()
        if self.scenario == "early5xx":
            await self.say("552 5.3.4 Message too big")
            while await self.reader.read(65536):  # closing on unread octets would be a reset, which can overtake the reply
                pass
            raise ConnectionResetError
        self.writer.transport.pause_reading()  # type: ignore[attr-defined] # so that the rest fills the buffers in between
        await self.say("250 2.0.0 taken")
        await asyncio.sleep(1)
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def answer_data(self, data: bytes) -> None:
        refusals = {
            "4xxdata": "451 4.3.0 try again",
            "5xxdata": "554 5.6.0 content refused",
            "421afterdata": "421 4.3.2 Service closing",
        }
        if refusal := refusals.get(self.scenario):
            await self.say(refusal, close=refusal.startswith("421"))
            return
        self.server.store(self.sender, self.rcpts, data, self.scenario)
        match self.scenario:
            case "dropafterdata" | "rstafterdata":
                self.drop()
            case "silentafterdata":
                await asyncio.sleep(3600)
            case "slowafterdata":
                await asyncio.sleep(30)
            case _:
                pass
        await self.say("250 2.0.0 taken")
        self.server.event("replied", scenario=self.scenario)
        self.rcpts = []
        if self.scenario == "goaway":
            await asyncio.sleep(0.1)
            await self.say("421 4.4.2 idle for too long", close=True)

    async def fine(self, text: str) -> None:
        await self.say("250 2.0.0 ok")

    async def quit(self, text: str) -> None:
        await self.say("221 2.0.0 bye", close=True)

    async def unknown(self, text: str) -> None:
        await self.say("502 5.5.2 what")


LONG = "250 " + "x" * 70000
MANY = "\r\n".join(["250-2.1.5 line"] * 500 + ["250 2.1.5 ok"])
TWICE = "250 2.1.5 ok\r\n250 2.1.5 and once more"


def address(text: str) -> str:
    found = re.search(r"<(.*?)>", text)
    return found[1] if found else ""


def scenario_of(mailbox: str) -> str:
    return re.split(r"[+@-]", mailbox)[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("state")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--starttls-inject", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(Fault(arguments()).main())
