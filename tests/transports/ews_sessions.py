"""Sessions with the stand-in of Exchange, and mails for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Exchange, HandOver, TokenSource, TransportError
from mailjobs.core.lifecycle import Outcome, settle
from mailjobs.transports import ews, https
from mailjobs.transports.ews import EwsSession
from tests.peers.ews_standin import EwsStandIn
from tests.peers.tokens import issue
from tests.transports.web_letters import WebLetter

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


class Letter(WebLetter):
    """From the mailbox of the tests to a customer."""

    def __init__(self, *files: bytes, to: str = CLIENT, sender: str = ANNA, go_on: bool = True, head: str = "") -> None:
        fields = [
            f"From: =?utf-8?q?B=C3=BCro?= <{sender}>",
            f"To: {to}",
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
            "Importance: high",
        ]
        fields += [head] if head else []
        super().__init__(fields, files, to=CLIENT, sender=sender, go_on=go_on)


@asynccontextmanager
async def session_to(to: Endpoint) -> AsyncIterator[EwsSession]:
    session = await ews.open_session(to, timeouts=QUICK)
    try:
        yield session
    finally:
        await session.close()
        assert not session.usable


async def find(to: Endpoint, message_id: str, sender: str) -> bool:
    async with session_to(to) as session:
        return await session.find(message_id, sender)


async def refusal(to: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await ews.open_session(to, timeouts=QUICK)
    return caught.value


def settled(handover: HandOver, *recipients: str) -> Outcome:
    return settle(handover, recipients or (CLIENT,), sender=ANNA)
