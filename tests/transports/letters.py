"""Mails for the tests of the transports, and how long they wait."""

import uuid
from dataclasses import replace

from mailjobs.core.envelope import Envelope, HandOver
from mailjobs.transports.registry import Session
from mailjobs.transports.smtp_connection import Timeouts

ANNA = "anna@test.local"
STRANGER = "kunde@kanzlei.test"
SHORT = Timeouts(connect=5, command=5, block=5, final=0.3, quit=1)
PATIENT = replace(SHORT, final=20, command=20)


class Letter:
    """A mail of its own as ready wire bytes, and whether it may go on after 354."""

    def __init__(self, text: bytes = b"Gr\xc3\xbc\xc3\x9fe\r\n..\r\n", *, go_on: bool = True) -> None:
        self.message_id = f"<{uuid.uuid4()}@test.local>"
        self.octets = b"From: anna@test.local\r\nSubject: Test\r\nMessage-ID: " + self.message_id.encode() + b"\r\n\r\n" + text
        self.go_on = go_on
        self.asked = 0

    async def before_body(self) -> bool:
        self.asked += 1
        return self.go_on

    async def over(self, session: Session, *recipients: str, sender: str = ANNA) -> HandOver:
        envelope = Envelope(sender, recipients)
        return await session.submit(envelope, self.octets, size=len(self.octets), before_body=self.before_body)
