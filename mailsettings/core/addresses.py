"""What is a valid address, and when are two the same (rules P7, C4; security Z2, Z3)."""

import re
import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from enum import StrEnum
from functools import lru_cache

import idna

MAX_ADDRESS = 254  # octets, RFC 5321 4.5.3.1.3 less the angle brackets
MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1
MAX_NAME = 75  # characters of a display name on the wire (Z2): one encoded word, RFC 2047 section 2

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_UTF8_ATOM = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+"
_UTF8_DOT_ATOM = re.compile(rf"{_UTF8_ATOM}(?:\.{_UTF8_ATOM})*")
_NAMED = re.compile(r"(?P<name>.*?)\s*<(?P<address>[^<>]*)>")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NEEDS_QUOTES = re.compile(r'[,;:()<>\[\]\\@"]')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")


class Fault(StrEnum):
    """Why a text is no address; words are added at the edge."""

    EMPTY = "empty"
    CONTROL_CHARACTER = "control_character"
    NO_AT = "no_at"
    SYNTAX = "syntax"  # comments, groups, routes, quoted local parts, several addresses
    LOCAL_PART = "local_part"
    LOCAL_NOT_ASCII = "local_not_ascii"
    DOMAIN = "domain"
    SINGLE_LABEL = "single_label"
    LOOK_ALIKE = "look_alike"  # UTS 46 would map the domain to another (C4)
    TOO_LONG = "too_long"
    NAME_HAS_AT = "name_has_at"
    NAME_NEEDS_QUOTES = "name_needs_quotes"
    NAME_TOO_LONG = "name_too_long"


class AddressInvalid(ValueError):
    """The text is no address that can be used: `fault` says why, `text` is what was given (at most 200 characters)."""

    def __init__(self, fault: Fault, text: str) -> None:
        self.fault, self.text = fault, text[:200]
        super().__init__(f"{fault}: {self.text!r}")

    @property
    def code(self) -> str:
        return self.fault.value


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox: display name (may be empty), local part as written, domain as lower-case A-labels (RFC 5890)."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """`local@domain` as it goes over the wire."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The canonical form in which two addresses of one mailbox are equal (C4)."""
        return self.address.lower()

    @property
    def readable(self) -> str:
        """`local@domain` with the domain as people write it."""
        return f"{self.local}@{_readable_domain(self.domain)}"

    def __str__(self) -> str:
        if not self.name:
            return self.readable
        name = self.name
        if _NEEDS_QUOTES.search(name):
            name = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
        return f"{name} <{self.readable}>"


def parse_sender(text: str) -> Mailbox:
    """`user@domain` or `Name <user@domain>` as a sender, local part ASCII (P7, C4). Raises AddressInvalid."""
    return _parse(text, international=False)


def parse_recipient(text: str) -> Mailbox:
    """The same for a recipient, whose local part may be international (RFC 6531). Raises AddressInvalid."""
    return _parse(text, international=True)


def key_of(text: str) -> str | None:
    """The canonical form of an address, None where it is none."""
    try:
        return _parse(text, international=True).key
    except AddressInvalid:
        return None


@lru_cache(maxsize=20_000)
def _parse(text: str, *, international: bool) -> Mailbox:
    _refuse_control_characters(text)
    stripped = text.strip(" ")
    if not stripped:
        raise AddressInvalid(Fault.EMPTY, text)
    if named := _NAMED.fullmatch(stripped):
        name, address = _display_name(named["name"].strip(" "), text), named["address"]
    else:
        name, address = "", stripped
    local, domain = _split(address, text)
    local = _local_part(local, text, international=international)
    mailbox = Mailbox(name, local, _domain(domain, text))
    if len(mailbox.address.encode()) > MAX_ADDRESS:
        raise AddressInvalid(Fault.TOO_LONG, text)
    return mailbox


def has_control_character(text: str) -> bool:
    """Whether a text holds what no header may: C0, C1 (U+0085 among them), U+2028/9, lone surrogates, bidi overrides (Z3)."""
    return any(
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        for character in text
    )


def decode_words(text: str) -> str:
    """A text with its encoded words (RFC 2047) decoded, so that nothing hides in them (Z3). Unreadable ones stay as they are."""
    if not _ENCODED_WORD.search(text):
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def _refuse_control_characters(text: str) -> None:
    if not (text.isascii() and text.isprintable()) and has_control_character(text):
        raise AddressInvalid(Fault.CONTROL_CHARACTER, text)


def _display_name(raw: str, text: str) -> str:
    if not raw:
        return ""
    if _QUOTED.fullmatch(raw):
        name = re.sub(r"\\(.)", r"\1", raw[1:-1])
    elif _NEEDS_QUOTES.search(raw):
        raise AddressInvalid(Fault.NAME_HAS_AT if "@" in raw else Fault.NAME_NEEDS_QUOTES, text)
    else:
        name = raw
    name = unicodedata.normalize("NFC", decode_words(name)).strip()
    if has_control_character(name):
        raise AddressInvalid(Fault.CONTROL_CHARACTER, text)
    if "@" in name or "\uff20" in name or "\ufe6b" in name:
        raise AddressInvalid(Fault.NAME_HAS_AT, text)
    if name_length(name) > MAX_NAME:
        raise AddressInvalid(Fault.NAME_TOO_LONG, text)
    return name


def name_length(name: str) -> int:
    """How many characters a display name takes on the wire: itself, quoted, or as one base64 encoded word, whichever it needs."""
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return len(escaped) + (2 if _NEEDS_QUOTES.search(name) or "." in name else 0)
    octets = name.encode("utf-8", "replace")
    base64 = (len(octets) + 2) // 3 * 4
    quoted = sum(1 if (chr(octet).isalnum() and octet < 128) or octet == 0x20 else 3 for octet in octets)
    return len("=?utf-8?q??=") + min(base64, quoted)


def _split(address: str, text: str) -> tuple[str, str]:
    if address.count("@") != 1:
        raise AddressInvalid(Fault.SYNTAX if "@" in address else Fault.NO_AT, text)
    local, domain = address.split("@")
    if not local or not domain:
        raise AddressInvalid(Fault.LOCAL_PART if not local else Fault.DOMAIN, text)
    if any(character in ' ()<>,;:\\"[]' for character in address):
        raise AddressInvalid(Fault.SYNTAX, text)
    return local, domain


def _local_part(local: str, text: str, *, international: bool) -> str:
    if not local.isascii():
        if not international:
            raise AddressInvalid(Fault.LOCAL_NOT_ASCII, text)
        local = unicodedata.normalize("NFC", local)
    if not (_UTF8_DOT_ATOM if international else _DOT_ATOM).fullmatch(local):
        raise AddressInvalid(Fault.LOCAL_PART, text)
    if any(character.isspace() for character in local):
        raise AddressInvalid(Fault.LOCAL_PART, text)
    if len(local.encode()) > MAX_LOCAL:
        raise AddressInvalid(Fault.TOO_LONG, text)
    return local


@lru_cache(maxsize=5_000)
def _canonical_domain(domain: str) -> str | Fault:
    lowered = unicodedata.normalize("NFC", domain).lower()
    if not domain.isascii():
        try:
            mapped = idna.uts46_remap(lowered, std3_rules=True, transitional=False)
        except idna.IDNAError:
            return Fault.DOMAIN
        if mapped != lowered:
            return Fault.LOOK_ALIKE
    labels = lowered.split(".")
    if "" in labels:
        return Fault.DOMAIN
    if len(labels) < 2:
        return Fault.SINGLE_LABEL
    try:
        ascii_labels = [_ascii_label(label) for label in labels]
    except (idna.IDNAError, UnicodeError):
        return Fault.DOMAIN
    if not all(_LABEL.fullmatch(label) for label in ascii_labels) or ascii_labels[-1].isdigit():
        return Fault.DOMAIN
    canonical = ".".join(ascii_labels)
    return canonical if len(canonical) <= 253 else Fault.TOO_LONG


def _ascii_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    encoded = idna.alabel(label).decode("ascii")
    if label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode("ascii") != label:
        raise idna.IDNAError("an A-label that no U-label gives")
    return encoded


def _domain(domain: str, text: str) -> str:
    canonical = _canonical_domain(domain)
    if isinstance(canonical, Fault):
        raise AddressInvalid(canonical, text)
    return canonical


def _readable_domain(domain: str) -> str:
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain
