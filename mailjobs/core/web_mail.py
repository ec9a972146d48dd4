"""A frozen mail as a web service takes it, which knows no envelope: its own fields must name exactly who is to get it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses
from typing import Final

from mailjobs.core.headers import mailbox_list, split_header_block
from mailjobs.core.mime import unstuff
from mailsettings.core.addresses import Mailbox, key_of, parse_recipient
from mailsettings.core.header_text import decode_words

MOST_WHOLE: Final = 2_900_000  # octets whose base64 stays under the 4 MB of one request to Graph
_AS_IT_IS: Final = policy.compat32.clone(linesep="\r\n", max_line_length=None)
_RECIPIENTS: Final = ("to", "cc")


@dataclass(frozen=True, slots=True)
class WebMail:
    """A mail without stuffed dots; headers and body as the recipient sees them, and a Bcc field that the service takes out.

    `message_id` with its brackets, where it is known.
    """

    octets: bytes
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class ShownMail:
    """A mail as every recipient sees it, who gets it beside those that it names, whose it is, its Message-ID with brackets."""

    octets: bytes
    hidden: tuple[str, ...]
    author: Mailbox | None
    message_id: str


@dataclass(frozen=True, slots=True)
class LargeFile:
    """An attachment that was taken out of a mail. `content_id` without angle brackets, empty where nothing refers to it."""

    name: str
    content_type: str
    data: bytes
    content_id: str = ""


def web_mail(message: Sequence[bytes | Iterable[bytes]] | bytes, recipients: Sequence[str]) -> WebMail:
    """The mail for exactly these recipients; `message` as it goes over SMTP, dot-stuffed, whole or in parts.

    Whom its To and Cc name beside them has got it already and is taken out; whom they do not name stands in Bcc.
    """
    fields, hidden, body = _parted(message, recipients)
    written = [mailbox_list("Bcc", hidden, "bcc").encode("ascii")] if hidden else []
    return WebMail(b"".join([*fields, *written, b"\r\n", body]), _message_id(fields))


def shown_mail(message: Sequence[bytes | Iterable[bytes]] | bytes, recipients: Sequence[str]) -> ShownMail:
    """The same for a service that is told beside the mail who is not named in it."""
    fields, hidden, body = _parted(message, recipients)
    return _shown(fields, hidden, body)


def draft_mail(octets: bytes) -> ShownMail:
    """A finished mail as a mail client stores it, Bcc with it and no dot stuffed, for such a service."""
    headers, _, body = octets.partition(b"\r\n\r\n")
    fields = split_header_block(headers + b"\r\n")
    hidden = [mailbox for name, raw in fields if name.lower() == "bcc" for mailbox in _mailboxes(raw)]
    return _shown([raw for name, raw in fields if name.lower() != "bcc"], hidden, body)


def _shown(fields: Sequence[bytes], hidden: Sequence[Mailbox], body: bytes) -> ShownMail:
    said = {name.lower(): raw for field in fields for name, raw in split_header_block(field)}
    authors = _mailboxes(said["from"]) if "from" in said else []
    return ShownMail(
        b"".join([*fields, b"\r\n", body]),
        hidden=tuple(mailbox.address for mailbox in hidden),
        author=authors[0] if authors else None,
        message_id=_message_id(fields),
    )


def _message_id(fields: Sequence[bytes]) -> str:
    return next((_value(field).strip() for field in fields if field[:11].lower() == b"message-id:"), "")


def without_large_files(mail: WebMail, most: int = MOST_WHOLE) -> tuple[bytes, list[LargeFile]]:
    """The mail without its largest attachments, so that at most `most` octets are left where that is possible; and these."""
    parsed = BytesParser(policy=_AS_IT_IS).parsebytes(mail.octets)
    parts = parsed.get_payload()
    taken: list[LargeFile] = []
    left = len(mail.octets)
    if not parsed.is_multipart() or not isinstance(parts, list):
        return mail.octets, taken
    attached = [part for part in parts if isinstance(part, Message) and part.get_content_disposition() == "attachment"]
    for part in sorted(attached, key=_size, reverse=True):
        if left <= most:
            break
        left -= _size(part)
        taken.append(_file(part))
        parts.remove(part)
    return parsed.as_bytes(policy=_AS_IT_IS), taken


def _pieces(message: Sequence[bytes | Iterable[bytes]]) -> Iterator[bytes]:
    for part in message:
        if isinstance(part, bytes):
            yield part
        else:
            yield from part


def _parted(
    message: Sequence[bytes | Iterable[bytes]] | bytes, recipients: Sequence[str]
) -> tuple[list[bytes], list[Mailbox], bytes]:
    """Header fields without Bcc, who would stand in it, and the body without stuffed dots."""
    joined = message if isinstance(message, bytes) else b"".join(_pieces(message))
    headers, _, body = joined.partition(b"\r\n\r\n")
    fields, hidden = _for_recipients(split_header_block(headers + b"\r\n"), recipients)
    return fields, hidden, unstuff(body)


def _for_recipients(fields: Sequence[tuple[str, bytes]], recipients: Sequence[str]) -> tuple[list[bytes], list[Mailbox]]:
    wanted = {key_of(address) or address: address for address in recipients}
    named: set[str] = set()
    written: list[bytes] = []
    for name, raw in fields:
        if name.lower() == "bcc":
            continue
        if name.lower() in _RECIPIENTS:
            found = _mailboxes(raw)
            kept = [mailbox for mailbox in found if mailbox.key in wanted]
            named |= {mailbox.key for mailbox in kept}
            if len(kept) < len(found):
                written += [mailbox_list(name, kept, name).encode("ascii")] if kept else []
                continue
        written.append(raw)
    return written, [parse_recipient(address) for key, address in wanted.items() if key not in named]


def _value(raw: bytes) -> str:
    return raw.decode("ascii").partition(":")[2].replace("\r\n", "")


def _mailboxes(raw: bytes) -> list[Mailbox]:
    value = _value(raw)
    return [replace(parse_recipient(address), name=decode_words(name)) for name, address in getaddresses([value])]


def _size(part: Message) -> int:
    payload = part.get_payload()
    return len(payload) if isinstance(payload, str) else 0


def _file(part: Message) -> LargeFile:
    data = part.get_payload(decode=True)
    return LargeFile(
        name=part.get_filename() or "attachment",
        content_type=part.get_content_type(),
        data=data if isinstance(data, bytes) else b"",
        content_id=str(part.get("Content-ID") or "").strip("<> "),
    )
