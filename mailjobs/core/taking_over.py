"""A mail that a program hands in over SMTP, taken over into a message in the shape of the contract.

Envelope and From, texts and attachments are taken over; all other headers are not: the portal writes its own.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from typing import Any

from mailsettings.core.addresses import AddressInvalid, Mailbox, key_of, parse_recipient

HEADERS: Mapping[str, str] = {  # header → key of the message
    "X-Postausgang-Print-Model": "print_model",
    "X-Postausgang-Document-Key": "document_key",
    "X-Postausgang-Idempotency-Key": "idempotency_key",
}
RUN = "X-Postausgang-Run"
MOST_PARTS = 300
DEEPEST = 30
_SEALED = frozenset({"multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})


class NotTakenOver(ValueError):
    """The mail cannot be taken over: `code` says why: `sealed`, `from`, `twice`, `unreadable`, `parts`."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code} {detail}".rstrip())


@dataclass(frozen=True, slots=True)
class TakenOver:
    """`raw` is what `parse_message` takes; `sender` is From as it was said, empty without one."""

    raw: dict[str, Any]
    sender: str
    run: str


@dataclass(slots=True)
class _Parts:
    text: list[str] = field(default_factory=list)
    html: str | None = None
    files: list[dict[str, str]] = field(default_factory=list)
    count: int = 0


def take_over(content: bytes, mail_from: str, recipients: Sequence[str]) -> TakenOver:
    """The message of a mail; `mail_from` may be empty. Raises NotTakenOver."""
    try:
        mail = BytesParser(EmailMessage, policy=policy.SMTP).parsebytes(content)
        senders = _headers(mail, "From")
        parts = _Parts()
        _collect(mail, parts, 0)
        raw = _addressed(mail, recipients)
    except NotTakenOver:
        raise
    except Exception as error:  # the standard library's parser meets what it does not expect in many ways
        raise NotTakenOver("unreadable", type(error).__name__) from error
    if len(senders) > 1:
        raise NotTakenOver("from")
    sender = senders[0] if senders else ""
    raw |= {
        "sender": sender or mail_from or None,
        "subject": _one(mail, "Subject"),
        "text": "\n".join(parts.text) or None,
        "html": parts.html,
        "attachments": parts.files,
        **{key: _one(mail, name) for name, key in HEADERS.items()},
    }
    raw["idempotency_key"] = raw["idempotency_key"] or _key(raw, _one(mail, "Message-ID"), recipients)
    return TakenOver(raw, sender, _one(mail, RUN) or "")


def _headers(mail: Message, name: str) -> list[str]:
    """What a header says, decoded, as often as it stands there; octets beyond ASCII are UTF-8 (RFC 6532)."""
    return [str(policy.SMTP.header_factory(name, text)).strip() for text in _raw(mail, name)]


def _raw(mail: Message, name: str) -> Iterator[str]:
    for each, value in mail.raw_items():
        if each.lower() == name.lower():
            text = "".join(str(value).splitlines())
            yield text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _one(mail: Message, name: str) -> str | None:
    found = _headers(mail, name)
    if len(found) > 1:
        raise NotTakenOver("twice", name)
    return found[0] if found and found[0] else None


def _addressed(mail: Message, recipients: Sequence[str]) -> dict[str, Any]:
    """The recipients of the envelope, as To and Cc name them; whom they do not name gets a blind copy."""
    envelope = {key_of(address) or address: address for address in recipients}
    found: dict[str, Any] = {}
    for name, key in (("To", "to"), ("Cc", "cc")):
        named = {mailbox.key: mailbox for mailbox in _mailboxes(mail, name)}
        found[key] = [str(mailbox) for box, mailbox in named.items() if envelope.pop(box, None) is not None]
    return {**found, "bcc": list(envelope.values()), "reply_to": [str(mailbox) for mailbox in _mailboxes(mail, "Reply-To")]}


def _mailboxes(mail: Message, name: str) -> Iterator[Mailbox]:
    """The mailboxes that a header names; a name that may not stand there, such as the address once more, is left out."""
    for text in _raw(mail, name):
        for address in policy.SMTP.header_factory(name, text).addresses:
            quoted = address.display_name.replace("\\", "\\\\").replace('"', '\\"')
            for written in (f'"{quoted}" <{address.addr_spec}>', address.addr_spec):
                try:
                    yield parse_recipient(written)
                    break
                except AddressInvalid:
                    continue


def _collect(part: Message, parts: _Parts, depth: int) -> None:
    parts.count += 1
    if parts.count > MOST_PARTS or depth > DEEPEST:
        raise NotTakenOver("parts")
    kind = part.get_content_type()
    if kind in _SEALED:
        raise NotTakenOver("sealed", kind)
    if kind == "message/rfc822":
        inner = part.get_payload()
        letter = inner[0] if isinstance(inner, list) and inner else None
        parts.files.append(_file(part, letter.as_bytes() if isinstance(letter, Message) else b"", "mail.eml"))
        return
    if part.is_multipart():
        for each in part.get_payload():
            if isinstance(each, Message):
                _collect(each, parts, depth + 1)
        return
    data = part.get_payload(decode=True)
    octets = data if isinstance(data, bytes) else b""
    plain = part.get_content_disposition() != "attachment" and part.get_filename() is None
    if plain and kind == "text/plain":
        parts.text.append(_text(part, octets))
    elif plain and kind == "text/html" and parts.html is None:
        parts.html = _text(part, octets)
    else:
        parts.files.append(_file(part, octets, f"attachment-{len(parts.files) + 1}"))


def _text(part: Message, octets: bytes) -> str:
    try:
        text = octets.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        text = octets.decode("latin-1")
    return text.replace("\r\n", "\n")


def _file(part: Message, octets: bytes, name: str) -> dict[str, str]:
    encoded = base64.b64encode(octets).decode()
    return {"filename": part.get_filename() or name, "content_type": part.get_content_type(), "content_base64": encoded}


def _key(raw: Mapping[str, Any], message_id: str | None, recipients: Sequence[str]) -> str | None:
    """The same document, else Message-ID, with the same content to the same recipients is the same mail: a program that got no
    answer hands it in again. None without either.
    """
    source = raw["document_key"] or message_id
    if not source:
        return None
    whole = json.dumps([source, sorted(recipients), raw], sort_keys=True, default=str)
    return "smtp:" + hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
