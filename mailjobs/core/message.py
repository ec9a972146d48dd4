"""One message as a door hands it in (contract, A message): checked once, the same for every door."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_recipient, parse_sender
from mailsettings.core.header_text import has_control_character, visible

MAX_ATTACHMENTS = 100
MAX_ATTACHMENT_OCTETS = 25 * 2**20  # all attachments of one mail together
MAX_RECIPIENTS = 500
MAX_KEY = 200
_TEXTS = ("idempotency_key", "print_model", "subject", "text", "html", "sender", "sender_method", "document_key")
_LONGEST = {"idempotency_key": MAX_KEY, "document_key": 300}
_NAMES = ("idempotency_key", "print_model", "document_key")
_KNOWN = frozenset({*_TEXTS, "to", "cc", "bcc", "reply_to", "variables", "not_before", "attachments"})
_ATTACHMENT_KEYS = frozenset({"filename", "content_type", "content_base64"})


class MessageInvalid(ValueError):
    """A message that cannot be taken: the field, a code, and what was wrong with it."""

    def __init__(self, field_name: str, code: str, detail: str = "") -> None:
        self.field, self.code, self.detail = visible(field_name), code, detail
        super().__init__(f"{self.field}: {code} {detail}".rstrip())


@dataclass(frozen=True, slots=True)
class File:
    """An attachment as it was handed in."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that has the right shape; who may send it, `plan` decides."""

    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    print_model: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sender: str | None = None
    sender_method: str | None = None
    idempotency_key: str | None = None
    document_key: str | None = None
    not_before: datetime | None = None
    attachments: tuple[File, ...] = ()
    digest: str = ""  # SHA-256 of the message as it was handed in, for comparing bodies of one key

    def envelope(self) -> tuple[tuple[str, Mailbox], ...]:
        """(kind, mailbox) of each recipient once, in order; kinds are `to`, `cc`, `bcc`."""
        seen: dict[str, tuple[str, Mailbox]] = {}
        for kind, mailboxes in (("to", self.to), ("cc", self.cc), ("bcc", self.bcc)):
            for mailbox in mailboxes:
                seen.setdefault(mailbox.key, (kind, mailbox))
        return tuple(seen.values())


def parse_message(raw: object) -> Message:
    """The typed message. Raises MessageInvalid."""
    if not isinstance(raw, dict):
        raise MessageInvalid("message", "not_an_object")
    for key in raw:
        if key not in _KNOWN:
            raise MessageInvalid(str(key)[:50], "unknown_field")
    texts = {key: _text(raw, key) for key in _TEXTS}
    _check_names(texts)
    if texts["sender_method"] not in (None, "crm"):
        raise MessageInvalid("sender_method", "not_a_choice", "crm")
    message = Message(
        to=_mailboxes(raw, "to"),
        cc=_mailboxes(raw, "cc"),
        bcc=_mailboxes(raw, "bcc"),
        reply_to=_mailboxes(raw, "reply_to", parse_sender),
        variables=_variables(raw),
        not_before=_time(raw),
        attachments=_attachments(raw),
        digest=_digest(raw),
        **texts,
    )
    recipients = len(message.to) + len(message.cc) + len(message.bcc)
    if not recipients:
        raise MessageInvalid("to", "no_recipient")
    if recipients > MAX_RECIPIENTS:
        raise MessageInvalid("to", "too_many_recipients", str(MAX_RECIPIENTS))
    return message


def _check_names(texts: Mapping[str, str | None]) -> None:
    for name in _NAMES:
        if has_control_character(texts[name] or ""):
            raise MessageInvalid(name, "control_character")
    for name, most in _LONGEST.items():
        if len(texts[name] or "") > most:
            raise MessageInvalid(name, "too_long", str(most))


def _text(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise MessageInvalid(key, "not_a_text")
    return value


def _mailboxes(raw: Mapping[str, Any], key: str, parse: Callable[[str], Mailbox] = parse_recipient) -> tuple[Mailbox, ...]:
    value = raw.get(key)
    if value is None or value == "":
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise MessageInvalid(key, "not_a_list")
    return tuple(_mailbox(key, item, parse) for item in items)


def _mailbox(key: str, text: str, parse: Callable[[str], Mailbox]) -> Mailbox:
    try:
        return parse(text)
    except AddressInvalid as invalid:
        raise MessageInvalid(key, "address_invalid", invalid.code) from invalid


def _variables(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    value = raw.get("variables") or {}
    if not isinstance(value, dict):
        raise MessageInvalid("variables", "not_an_object")
    for name, content in value.items():
        if content is not None and not isinstance(content, (str, int, float)):
            raise MessageInvalid(f"variables.{name}"[:80], "not_a_text")
    return {name: content for name, content in value.items() if content is not None}


def _time(raw: Mapping[str, Any]) -> datetime | None:
    value = _text(raw, "not_before")
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as invalid:
        raise MessageInvalid("not_before", "not_a_time") from invalid
    if moment.tzinfo is None:
        raise MessageInvalid("not_before", "time_without_zone")
    return moment


def _attachments(raw: Mapping[str, Any]) -> tuple[File, ...]:
    value = raw.get("attachments") or []
    if not isinstance(value, list):
        raise MessageInvalid("attachments", "not_a_list")
    if len(value) > MAX_ATTACHMENTS:
        raise MessageInvalid("attachments", "too_many", str(MAX_ATTACHMENTS))
    files = tuple(_attachment(index, item) for index, item in enumerate(value))
    if sum(len(file.data) for file in files) > MAX_ATTACHMENT_OCTETS:
        raise MessageInvalid("attachments", "too_large", str(MAX_ATTACHMENT_OCTETS))
    return files


def _attachment(index: int, raw: object) -> File:
    place = f"attachments[{index}]"
    if not isinstance(raw, dict):
        raise MessageInvalid(place, "not_an_object")
    for key in raw:
        if key not in _ATTACHMENT_KEYS:
            raise MessageInvalid(f"{place}.{key}"[:80], "unknown_field")
    filename, content = _text(raw, "filename"), raw.get("content_base64")
    if filename is None:
        raise MessageInvalid(f"{place}.filename", "required")
    if not isinstance(content, str):
        raise MessageInvalid(f"{place}.content_base64", "required")
    if len(content) > MAX_ATTACHMENT_OCTETS * 3 // 2:
        raise MessageInvalid("attachments", "too_large", str(MAX_ATTACHMENT_OCTETS))
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as invalid:
        raise MessageInvalid(f"{place}.content_base64", "not_base64") from invalid
    return File(filename, _text(raw, "content_type") or "application/octet-stream", data)


def _digest(raw: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()
