"""Sessions with the stand-in of Exchange, and mails for them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Envelope, Exchange, HandOver, TokenSource, TransportError
from mailjobs.core.lifecycle import Outcome, settle
from mailjobs.core.mime import Base64Lines
from mailjobs.transports import ews, https
from mailjobs.transports.ews import EwsSession
from tests.peers.ews_standin import EwsStandIn
from tests.peers.tokens import issue

ANNA, OFFICE, CLIENT = "anna@test.local", "office@test.local", "kunde@kanzlei.test"
LOOPBACK = ("127.0.0.0/8", "::1/128")
QUICK = https.Timeouts(connect=5, block=5, answer=5, final=5)
BASIC, NTLM, ANY = Exchange("basic"), Exchange("ntlm"), Exchange()
COPIED = Exchange("basic", sent_copy=True)
PROGRAM, CONSENT = TokenSource("", "", "", "", ""), TokenSource("", "", "", "", "", consent="2026")


def endpoint(service: EwsStandIn, exchange: Exchange = BASIC, **changes: Any) -> Endpoint:
    """Anna's, with her password."""
    made = Endpoint(
        host="localhost",
        port=service.port,
        tls="implicit",
        send_system=7,
        username="anna",
        secret=service.users["anna"],
        ca_certificate=service.ca_pem,
        allowed_networks=LOOPBACK,
        url=service.ews_url,
        exchange=exchange,
    )
    return replace(made, **changes)


def with_token(service: EwsStandIn, token: str = "", /, **changes: Any) -> Endpoint:
    """One that a token of Anna's opens."""
    token = token or issue(audience=service.audience, scope="EWS.AccessAsUser.All", user=ANNA)
    return replace(endpoint(service, Exchange("oauth2"), secret=token, token=CONSENT), **changes)


def program(service: EwsStandIn, **changes: Any) -> Endpoint:
    """One that logs in as a program, for all mailboxes."""
    token = issue(audience=service.audience, scope="full_access_as_app", user="portal")
    return replace(with_token(service, token), token=PROGRAM, **changes)


class Letter:
    """A mail of its own as ready wire bytes, and whether it may go on when it is asked."""

    def __init__(self, *files: bytes, to: str = CLIENT, sender: str = ANNA, go_on: bool = True, head: str = "") -> None:
        self.message_id = f"<{uuid.uuid4()}@test.local>"
        lines = [f"From: =?utf-8?q?B=C3=BCro?= <{sender}>", f"To: {to}", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="]
        lines += [f"Message-ID: {self.message_id}", "Importance: high", "MIME-Version: 1.0", *([head] if head else [])]
        headers = "".join(f"{line}\r\n" for line in [*lines, 'Content-Type: multipart/mixed; boundary="=_b"'])
        self.parts: list[bytes | Base64Lines] = [
            headers.encode(),
            b"\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n..ein Punkt\r\nGr\xc3\xbc\xc3\x9fe\r\n",
        ]
        for number, data in enumerate(files):
            about = f'Content-Disposition: attachment; filename="{number}.pdf"\r\nContent-Transfer-Encoding: base64'
            part = f"--=_b\r\nContent-Type: application/pdf\r\n{about}\r\n\r\n"
            self.parts += [part.encode(), Base64Lines(data)]
        self.parts.append(b"--=_b--\r\n")
        self.sender, self.go_on, self.asked = sender, go_on, 0

    async def before_body(self) -> bool:
        self.asked += 1
        return self.go_on

    async def over(self, session: EwsSession, *recipients: str) -> HandOver:
        return await session.submit(
            Envelope(self.sender, recipients or (CLIENT,)), self.parts, size=1, before_body=self.before_body
        )


@asynccontextmanager
async def session_to(to: Endpoint) -> AsyncIterator[EwsSession]:
    session = await ews.open_session(to, timeouts=QUICK)
    try:
        yield session
    finally:
        await session.close()
        assert not session.usable


async def refusal(to: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await ews.open_session(to, timeouts=QUICK)
    return caught.value


def settled(handover: HandOver, *recipients: str) -> Outcome:
    return settle(handover, recipients or (CLIENT,), sender=ANNA)
