"""An e-mail backend for other Django projects: their mail goes through the portal by changing settings.

    EMAIL_BACKEND = "mailjobs.backend.EmailBackend"
    POSTAUSGANG_URL = "https://post.kanzlei.example"
    POSTAUSGANG_KEY = "pa_..."

Copied into another project beside `client.py`, only the import of it changes. A mail may name its print model, document, run and
idempotency key in the headers below; they do not travel with it.
"""

import base64
from collections.abc import Sequence
from email.message import Message
from email.mime.base import MIMEBase
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mailjobs.client import Portal, PortalError

HEADERS = {
    "x-postausgang-print-model": "print_model",
    "x-postausgang-document-key": "document_key",
    "x-postausgang-idempotency-key": "idempotency_key",
}
RUN = "x-postausgang-run"


class EmailBackend(BaseEmailBackend):
    """Hands Django's mails to the portal, which sends them by its own rules."""

    def __init__(self, url: str | None = None, key: str | None = None, fail_silently: bool = False, **_others: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        settled_url, settled_key = (getattr(settings, name, "") for name in ("POSTAUSGANG_URL", "POSTAUSGANG_KEY"))
        self.portal = Portal(url or settled_url, key or settled_key)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many were accepted. Raises PortalError for the first that was not, unless told to be silent."""
        accepted = 0
        for mail in email_messages:
            if not mail.recipients():
                continue
            try:
                self.portal.send(message_of(mail), run=str(_headers(mail).get(RUN, "")))
            except PortalError:
                if not self.fail_silently:
                    raise
            else:
                accepted += 1
        return accepted


def message_of(mail: EmailMessage) -> dict[str, Any]:
    """A Django mail in the shape of the API."""
    html = next((str(part[0]) for part in getattr(mail, "alternatives", ()) if part[1] == "text/html"), None)
    text = str(mail.body) or None
    if mail.content_subtype == "html":
        html, text = text, None
    named = {field: str(value) for name, value in _headers(mail).items() if (field := HEADERS.get(name))}
    return {
        "to": _addresses(mail.to),
        "cc": _addresses(mail.cc),
        "bcc": _addresses(mail.bcc),
        "reply_to": _addresses(mail.reply_to),
        "sender": str(mail.from_email),
        "subject": str(mail.subject),
        "text": text,
        "html": html,
        "attachments": [_attachment(each) for each in mail.attachments],
        **named,
    }


def _headers(mail: EmailMessage) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in mail.extra_headers.items()}


def _addresses(found: Sequence[Any]) -> list[str]:
    return [str(each) for each in found]


def _attachment(attachment: Any) -> dict[str, str]:
    if isinstance(attachment, (MIMEBase, Message)):
        payload = attachment.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else attachment.as_bytes()
        name, kind = attachment.get_filename(), attachment.get_content_type()
    else:
        name, content, kind = attachment
        data = content.encode() if isinstance(content, str) else content.as_bytes() if isinstance(content, Message) else content
    encoded = base64.b64encode(data).decode()
    return {"filename": name or "attachment", "content_type": kind or "application/octet-stream", "content_base64": encoded}
