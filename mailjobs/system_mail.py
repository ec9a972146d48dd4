"""The operator's own mail, over the relay SYSTEM_EMAIL_URL: never over a tenant's account, never redirected (U1)."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.message import EmailMessage
from django.utils import timezone
from django.utils.translation import gettext as _

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, TransportError
from mailjobs.core.mime import Content, Frozen, freeze, message_id
from mailjobs.transports.registry import open_session
from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_recipient, parse_sender

SECONDS = 15.0  # a page waits for it
ANYWHERE = ("0.0.0.0/0", "::/0")  # the operator chose this relay, no tenant


class NotSent(Exception):
    """The system mail was not handed over; the text says why, for people."""


def send(to: str, subject: str, text: str) -> None:
    """Hand one system mail over now. Raises NotSent."""
    relay: Mapping[str, Any] = settings.SYSTEM_EMAIL
    if not relay:
        raise NotSent(_("the operator has set no relay for system mail (SYSTEM_EMAIL_URL)"))
    if "smtp" in relay["EMAIL_BACKEND"]:
        _over_smtp(_endpoint(relay), parse_recipient(to), subject, text)
    else:
        _to_a_file(relay, to, subject, text)


def _over_smtp(endpoint: Endpoint, to: Mailbox, subject: str, text: str) -> None:
    try:
        sender = parse_sender(settings.SYSTEM_EMAIL_FROM)
    except AddressInvalid as invalid:
        raise NotSent(_("the operator's own sender address (SYSTEM_EMAIL_FROM) is not valid")) from invalid
    unique = uuid.uuid4().hex
    frozen = freeze(
        Content(
            message_id=message_id(unique, sender.domain),
            date=timezone.localtime(),
            sender=sender,
            to=(to,),
            subject=subject,
            text=text,
            boundary_seed=unique,
        )
    )
    try:
        handover = asyncio.run(_hand_over(endpoint, Envelope(sender.address, (to.address,)), frozen))
    except TransportError as error:
        raise NotSent(str(error)) from error
    except TimeoutError as late:
        raise NotSent(_("the relay for system mail did not answer in time")) from late
    refused = [str(reply) for reply in handover.recipients.values() if not reply.positive]
    if handover.error or refused or handover.final is None or not handover.final.positive:
        raise NotSent(str(handover.error or next(iter(refused), handover.final or "")))


async def _hand_over(endpoint: Endpoint, envelope: Envelope, frozen: Frozen) -> HandOver:
    async def go_on() -> bool:
        return True

    async with asyncio.timeout(SECONDS):
        session = await open_session(endpoint)
        try:
            parts = (frozen.headers, b"\r\n", frozen.body)
            return await session.submit(envelope, parts, size=frozen.size, before_body=go_on)
        finally:
            await session.close()


def _endpoint(relay: Mapping[str, Any]) -> Endpoint:
    port, starttls = relay["EMAIL_PORT"] or 25, bool(relay.get("EMAIL_USE_TLS"))
    implicit = bool(relay.get("EMAIL_USE_SSL")) or (starttls and port == 465)  # `smtps://` says TLS with this port
    return Endpoint(
        host=relay["EMAIL_HOST"] or "localhost",
        port=port,
        tls="implicit" if implicit else "starttls" if starttls else "off",
        send_system=0,
        username=relay["EMAIL_HOST_USER"] or "",
        secret=relay["EMAIL_HOST_PASSWORD"] or "",
        ehlo_name=settings.EHLO_NAME,
        allowed_networks=ANYWHERE,
        ca_file=settings.OUTBOUND_CA_FILE,
    )


def _to_a_file(relay: Mapping[str, Any], to: str, subject: str, text: str) -> None:
    """`consolemail://` and `filemail://` of django-environ, for development."""
    backend = relay["EMAIL_BACKEND"]
    more: dict[str, Any] = {"file_path": f"/{relay['EMAIL_FILE_PATH']}"} if backend.endswith("filebased.EmailBackend") else {}
    try:
        EmailMessage(subject, text, settings.SYSTEM_EMAIL_FROM, [to], connection=get_connection(backend, **more)).send()
    except OSError as error:
        raise NotSent(str(error)) from error
