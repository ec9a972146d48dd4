"""Which bytes is a mail on the wire: header block and body, made once when it is queued (M3, J10; security Z2 to Z4, Z11)."""

import binascii
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from mailjobs.core.headers import (
    DOMAIN,
    MimeFault,
    MimeInvalid,
    check_header_block,
    clean,
    date_field,
    folded,
    from_field,
    mailbox_list,
    subject_field,
)
from mailsettings.core.addresses import Mailbox
from mailsettings.core.header_text import quoted_string

MAX_FILENAME = 255  # octets, what file systems take
ENCODED_AT_ONCE = 57 * 4096  # octets of a file, whole lines of base64
_SHORT_FILENAME = 55  # octets of a parameter value that fits one line

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<[^<>@\s\x00-\x1f\x7f]+@[^<>@\s\x00-\x1f\x7f]+>", re.ASCII)
_MEDIA_TYPE = re.compile(r"(?!message/|multipart/)[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9_.:+-]{1,40})"?\s*(?:;|$)', re.IGNORECASE)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "€": "EUR"})
_SEPARATORS = str.maketrans("/\\", "__")
_HTML_AS_TEXT = ParserConfig(display_links=True)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file: name as people see it, media type, octets."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail says and to whom. `text` or `html` may be empty; `boundary_seed` must differ from mail to mail.

    Without a sender there is no From: the mail opens in the user's own client, which has one (R1 level 7).
    """

    message_id: str  # with its angle brackets
    date: datetime  # aware
    sender: Mailbox | None  # None: no From, the user's mail client decides (R1, level 7)
    subject: str
    boundary_seed: str
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class FrozenFile:
    """An attachment of a frozen mail: `offset` is how many octets of the stored body come before its encoded lines."""

    offset: int
    filename: str
    content_type: str
    sha256: str  # hex, of the file itself
    data: bytes


@dataclass(frozen=True, slots=True)
class Frozen:
    """A mail ready for the wire, where it goes as `headers`, CRLF, body, `.` CRLF; `body_parts` gives the body.

    `headers`: folded, each line ended by CRLF, without the blank line. `body`: 7-bit, CRLF only, dot-stuffed (RFC 5321 4.5.2),
    ends with CRLF, without the encoded attachments, which are stored once per content; `unstuff` gives what the recipient sees.
    `sha256`: hex, over headers + CRLF + body as they go over the wire, so with stuffed dots. `size`: octets of the same, never
    less than what RFC 1870 counts.
    """

    headers: bytes
    body: bytes
    files: tuple[FrozenFile, ...]
    sha256: str
    size: int


class Base64Lines:
    """A file as lines of base64, encoded a block at a time while it is read: the whole is never in memory."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.data) or 1, ENCODED_AT_ONCE):
            yield _base64_lines(self.data[start : start + ENCODED_AT_ONCE])


@dataclass(frozen=True, slots=True)
class _Part:
    """One MIME entity: its own header lines (with CRLF) and the pieces of its body, the last of which ends with CRLF."""

    headers: str
    pieces: Sequence[bytes | FrozenFile]


def freeze(mail: Content) -> Frozen:
    """Write a mail once and for all; Bcc is in no header. Raises MimeInvalid."""
    fields = _fields(mail)
    entity = _entity(mail)
    headers = ("".join(fields) + entity.headers).encode("ascii")
    names = [line.partition(":")[0] for line in fields] + ["Content-Type", "Content-Transfer-Encoding"]
    check_header_block(headers, names)
    body, files = _put_aside(entity.pieces)
    digest, size = sha256(headers), len(headers)
    for part in (b"\r\n", *body_parts(body, [(file.offset, file.data) for file in files])):
        for octets in (part,) if isinstance(part, bytes) else part:
            digest.update(octets)
            size += len(octets)
    return Frozen(headers, body, files, digest.hexdigest(), size)


def body_parts(body: bytes, files: Iterable[tuple[int, bytes]]) -> list[bytes | Base64Lines]:
    """The body as it goes over the wire: the stored octets, and in between the files, each as (offset, data) in order."""
    parts: list[bytes | Base64Lines] = []
    at = 0
    for offset, data in files:
        parts += [body[at:offset], Base64Lines(data)]
        at = offset
    return [*parts, body[at:]]


def _put_aside(pieces: Iterable[bytes | FrozenFile]) -> tuple[bytes, tuple[FrozenFile, ...]]:
    """The body without its files, and the files with the places they come from."""
    kept, files, at = [], [], 0
    for piece in pieces:
        if isinstance(piece, FrozenFile):
            files.append(replace(piece, offset=at))
        else:
            kept.append(piece)
            at += len(piece)
    return b"".join(kept), tuple(files)


def message_id(unique: str, domain: str) -> str:
    """`<unique@domain>` (RFC 5322 3.6.4), the domain the sender's or a neutral one (T1). Raises MimeInvalid."""
    if not (_DOT_ATOM.fullmatch(unique) and DOMAIN.fullmatch(domain)) or len(unique) + len(domain) > 240:
        raise MimeInvalid(MimeFault.MESSAGE_ID, "message_id")
    return f"<{unique}@{domain}>"


def unstuff(body: bytes) -> bytes:
    """The body as the recipient sees it, for an `.eml`, a draft, EWS or Graph."""
    return (body[1:] if body.startswith(b".") else body).replace(b"\r\n.", b"\r\n")


def _fields(mail: Content) -> list[str]:
    """The header fields but those of the entity, each folded and with its CRLF."""
    if mail.date.tzinfo is None:
        raise MimeInvalid(MimeFault.DATE, "date")
    if not _MESSAGE_ID.fullmatch(mail.message_id) or len(mail.message_id) > 250:
        raise MimeInvalid(MimeFault.MESSAGE_ID, "message_id")
    fields = [date_field(mail.date)]
    if mail.sender:
        fields.append(from_field(mail.sender))
    if mail.to:
        fields.append(mailbox_list("To", mail.to, "to"))
    elif not mail.cc:
        fields.append("To: undisclosed-recipients:;\r\n")
    if mail.cc:
        fields.append(mailbox_list("Cc", mail.cc, "cc"))
    if mail.reply_to:
        fields.append(mailbox_list("Reply-To", mail.reply_to, "reply_to"))
    fields += [subject_field(mail.subject), f"Message-ID: {mail.message_id}\r\n", "MIME-Version: 1.0\r\n"]
    return fields


def _entity(mail: Content) -> _Part:
    """The body's tree: text, or text and HTML as alternatives (M3), with attachments all in a multipart/mixed."""
    html = mail.html if mail.html.strip() else ""
    text = mail.text if mail.text.strip() or not html else _text_of(html)
    part = _text_part("plain", text, "text")
    if html:
        part = _multipart("alternative", mail.boundary_seed, [part, _text_part("html", html, "html")])
    if mail.attachments:
        part = _multipart("mixed", mail.boundary_seed, [part, *map(_attachment_part, mail.attachments)])
    return part


def _text_of(html: str) -> str:
    """Plain text made from HTML. Raises MimeInvalid where the parser gives up."""
    try:
        return str(get_text(html.strip(), _HTML_AS_TEXT))
    except (ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:  # the parser's and inscriptis' own slips
        raise MimeInvalid(MimeFault.HTML_UNREADABLE, "html") from error


def _text_part(subtype: str, text: str, field: str) -> _Part:
    """A text as UTF-8, in quoted-printable or base64, whichever is shorter, dot-stuffed."""
    try:
        octets = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    except UnicodeEncodeError as error:
        raise MimeInvalid(MimeFault.CONTROL_CHARACTER, field) from error
    if not octets.endswith(b"\n"):
        octets += b"\n"
    headers = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: "
    quoted = binascii.b2a_qp(octets).replace(b"\n", b"\r\n")
    if len(quoted) * 57 > len(octets) * 78:
        lines = _base64_lines(octets.replace(b"\n", b"\r\n"))
        if len(lines) < len(quoted):
            return _Part(headers + "base64\r\n", [lines])
    return _Part(headers + "quoted-printable\r\n", [_stuffed(quoted)])


def _stuffed(lines: bytes) -> bytes:
    """RFC 5321 4.5.2. (Only quoted-printable can begin a line with a dot: base64 and boundaries cannot.)"""
    stuffed = lines.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters, each ended by CRLF; one call into C for the encoding and one for the cutting."""
    encoded = binascii.b2a_base64(data, newline=False)
    whole, rest = divmod(len(encoded), 76)
    lines = struct.unpack("76s" * whole + (f"{rest}s" if rest else ""), encoded)
    return b"\r\n".join((*lines, b"")) if lines else b"\r\n"


def _multipart(subtype: str, seed: str, parts: Sequence[_Part]) -> _Part:
    """Parts under a boundary that neither quoted-printable nor base64 can contain (`=_`, RFC 2045 6.7)."""
    boundary = "=_" + sha256(f"{subtype}\n{seed}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    pieces: list[bytes | FrozenFile] = []
    for part in parts:
        pieces += [f"--{boundary}\r\n{part.headers}\r\n".encode("ascii"), *part.pieces]
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    headers = folded(f"Content-Type: multipart/{subtype};", [f'boundary="{boundary}"'])
    return _Part(headers + "Content-Transfer-Encoding: 7bit\r\n", pieces)


def _attachment_part(attachment: Attachment) -> _Part:
    filename, media_type = _filename(attachment.filename), _content_type(attachment.content_type)
    fallback = _ascii_filename(filename)
    headers = (
        folded(f"Content-Type: {media_type};", [f"name={quoted_string(fallback)}"])
        + folded("Content-Disposition: attachment;", _filename_parameter(filename))
        + "Content-Transfer-Encoding: base64\r\n"
    )
    digest = sha256(attachment.data).hexdigest()
    return _Part(headers, [FrozenFile(0, filename, media_type, digest, attachment.data)])


def _content_type(content_type: str) -> str:
    """Type and subtype in lower case, a charset kept; what is none, or would be a message of its own, is an octet stream."""
    content_type = clean(content_type, "content_type")
    media_type = content_type.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        return "application/octet-stream"
    charset = _CHARSET.search(content_type) if media_type.startswith("text/") else None
    return f"{media_type}; charset={charset[1].lower()}" if charset and ":" not in charset[1] else media_type


def _filename(filename: str) -> str:
    """A file name without folders, at most 255 octets of UTF-8, never empty."""
    name = clean(filename, "filename").translate(_SEPARATORS).strip()
    if len(name.encode()) > MAX_FILENAME:
        raise MimeInvalid(MimeFault.TOO_LONG, "filename")
    return "attachment" if not name.strip(".") else name


def _ascii_filename(filename: str) -> str:
    """The name for programs that know no RFC 2231: short, transliterated, without quotes, its ending kept."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", filename).translate(_GERMAN))
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    safe = re.sub(r'[^ -~]|["/\\]|=(?=\?)', "_", letters)
    if len(safe) <= _SHORT_FILENAME:
        return safe
    stem, dot, ending = safe.rpartition(".")
    return stem[: _SHORT_FILENAME - len(ending) - 1] + dot + ending if dot and len(ending) <= 10 else safe[:_SHORT_FILENAME]


def _filename_parameter(filename: str) -> list[str]:
    """`filename="..."` where that can say it, else RFC 2231, in sections where it is long."""
    quoted = quoted_string(filename)
    if filename.isascii() and len(quoted) <= _SHORT_FILENAME and "=?" not in filename:
        return [f"filename={quoted}"]
    octets = re.findall(r"%..|.", quote(filename, safe=""))
    sections, section = [], "utf-8''"
    for octet in octets:
        if len(section) + len(octet) > _SHORT_FILENAME:
            sections.append(section)
            section = ""
        section += octet
    sections.append(section)
    if len(sections) == 1:
        return [f"filename*={section}"]
    last = len(sections) - 1
    return [f"filename*{number}*={text}{';' if number < last else ''}" for number, text in enumerate(sections)]
