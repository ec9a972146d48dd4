"""The header fields of a mail: written, folded, and once more taken apart before a mail is kept (security Z2, Z3)."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache

from mailsettings.core.addresses import AddressInvalid, Mailbox, clean_name
from mailsettings.core.header_text import decode_words, encoded_words, has_control_character, phrase

MAX_LINE = 78  # characters of a header line, RFC 5322 2.1.1
MAX_WORDS_LINE = 76  # of a header line that holds encoded words, RFC 2047 section 2
HARD_LINE = 998  # of any line, RFC 5322 2.1.1
MAX_SUBJECT = 998  # characters
_LOCAL = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;@\\,\"]+")
DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_NOT_PRINTABLE = re.compile(rb"[^\t\r\n -~]")


class MimeFault(StrEnum):
    """Why a mail cannot be written; words are added at the edge."""

    CONTROL_CHARACTER = "control_character"
    NAME_HAS_AT = "name_has_at"
    NAME_TOO_LONG = "name_too_long"
    NAME_UNREADABLE = "name_unreadable"
    TOO_LONG = "too_long"
    ADDRESS = "address"
    LOCAL_NOT_ASCII = "local_not_ascii"  # of a sender or Reply-To
    MESSAGE_ID = "message_id"
    DATE = "date"  # without a time zone
    HTML_UNREADABLE = "html_unreadable"
    HEADER_BLOCK = "header_block"  # what should be one is none
    HEADER_COUNT = "header_count"  # the finished headers are not those that were meant: a bug or an attack


class MimeInvalid(ValueError):
    """A mail that cannot be written: `code` says why, `field` where (`subject`, `to`, `filename`, ...)."""

    def __init__(self, code: str, field: str) -> None:
        self.code, self.field = str(code), field
        super().__init__(f"{code}: {field}")


def split_header_block(headers: bytes) -> list[tuple[str, bytes]]:
    """Each field as (name, raw): raw is the whole field with name, folds and final CRLF, so that all raws joined are the block.

    Raises MimeInvalid where the block is not made of fields ended by CRLF.
    """
    fields = []
    at = 0
    while at < len(headers):
        field = _FIELD.match(headers, at)
        if field is None:
            raise MimeInvalid(MimeFault.HEADER_BLOCK, "headers")
        fields.append((field[1].decode("ascii"), field[0]))
        at = field.end()
    return fields


def check_header_block(headers: bytes, names: Sequence[str]) -> None:
    """Parse a finished header block again and compare its names and their order with those meant (Z3). Raises MimeInvalid.

    What passes has fields, line ends and printable ASCII only, which every other parser takes apart alike.
    """
    if [name for name, _ in split_header_block(headers)] != list(names):
        raise MimeInvalid(MimeFault.HEADER_COUNT, "headers")
    if _NOT_PRINTABLE.search(headers) or any(len(line) > HARD_LINE for line in headers.split(b"\r\n")):
        raise MimeInvalid(MimeFault.HEADER_COUNT, "headers")


def fold(name: str, tokens: Iterable[str]) -> str:
    """One header field with its CRLF: tokens parted by single spaces, lines of at most 78 characters (76 with encoded words).

    A token is never broken: one that is longer stands on a line of its own.
    """
    return folded(f"{name}:", list(tokens))


def clean(text: str, field: str) -> str:
    """A text for a header, its encoded words decoded. Raises MimeInvalid for what Z3 refuses, hidden in encoded words or not."""
    if has_control_character(text):
        raise MimeInvalid(MimeFault.CONTROL_CHARACTER, field)
    if "=?" not in text:
        return text
    if len(text) > MAX_SUBJECT:
        raise MimeInvalid(MimeFault.TOO_LONG, field)
    text = decode_words(text)
    if has_control_character(text):
        raise MimeInvalid(MimeFault.CONTROL_CHARACTER, field)
    return text


def mailbox_list(name: str, mailboxes: Sequence[Mailbox], field: str) -> str:
    """An address field, folded. Raises MimeInvalid."""
    tokens: list[str] = []
    for mailbox in mailboxes:
        if tokens:
            tokens[-1] += ","
        tokens += _mailbox_tokens(mailbox, field)
    return fold(name, tokens)


def folded(line: str, tokens: Sequence[str]) -> str:
    limit = MAX_WORDS_LINE if any("=?" in token for token in tokens) else MAX_LINE
    lines = []
    for token in tokens:
        if len(line) + 1 + len(token) > limit:
            lines.append(line)
            line = ""
        line = f"{line} {token}"
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


@lru_cache(maxsize=16)
def date_field(moment: datetime) -> str:
    return f"Date: {format_datetime(moment)}\r\n"


@lru_cache(maxsize=256)
def from_field(sender: Mailbox) -> str:
    return mailbox_list("From", [sender], "sender")


def subject_field(subject: str) -> str:
    text = clean(subject, "subject").strip(" ")
    if len(text) > MAX_SUBJECT:
        raise MimeInvalid(MimeFault.TOO_LONG, "subject")
    tokens = re.split(r"(?<! ) ", text)
    if not text.isascii() or "=?" in text or any(len(token) >= MAX_LINE - 1 for token in tokens):
        tokens = encoded_words(text, first=MAX_WORDS_LINE - len("Subject: "))
    return fold("Subject", tokens) if text else "Subject: \r\n"


def _mailbox_tokens(mailbox: Mailbox, field: str) -> list[str]:
    if has_control_character(mailbox.address):
        raise MimeInvalid(MimeFault.CONTROL_CHARACTER, field)
    if not (_LOCAL.fullmatch(mailbox.local) and DOMAIN.fullmatch(mailbox.domain)) or len(mailbox.address) > 320:
        raise MimeInvalid(MimeFault.ADDRESS, field)
    if not mailbox.local.isascii():
        return _international_tokens(mailbox, field)
    name = _phrase(mailbox.name, field)
    return [name, f"<{mailbox.address}>"] if name else [mailbox.address]


def _international_tokens(mailbox: Mailbox, field: str) -> list[str]:
    """An address that only RFC 6531 servers know, as an empty group (RFC 6857 3.1.8): the header block stays 7-bit everywhere."""
    if field not in {"to", "cc"}:
        raise MimeInvalid(MimeFault.LOCAL_NOT_ASCII, field)
    return [*encoded_words(mailbox.address), ":;"]


@lru_cache(maxsize=4096)
def _phrase(name: str, field: str) -> str:
    """A display name of at most 75 characters, as every server takes it (Z2)."""
    try:
        return phrase(clean_name(name))
    except AddressInvalid as invalid:
        raise MimeInvalid(invalid.code, field) from invalid
