"""What is a valid address, and when are two the same (rules P7, C4; security Z2, Z3)."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import idna

from mailsettings.core.header_text import (
    MAX_NAME,
    decode_words,
    has_encoded_word,
    has_invisible_character,
    holds_at,
    phrase,
    quoted_string,
)

MAX_TEXT = 1_000  # characters of what is typed; the longest mailbox, written in the longest way, is shorter
MAX_ADDRESS = 254  # octets, RFC 5321 4.5.3.1.3 less the angle brackets
MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NEEDS_QUOTES = re.compile(r'\A\.|[,;:()<>\[\]\\@"]')
_ATOM = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_HOST = r"[A-Za-z0-9.\x80-\U0010ffff-]+"
_ROUTE = re.compile(rf"%{_HOST}\Z|\A{_HOST}!")  # RFC 1123 5.2.16 and the paths of UUCP
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_DOTTED_TWICE = re.compile("[ij]\u0307")
_ALPHABETS = frozenset({"LATIN", "GREEK", "COPTIC", "CYRILLIC", "ARMENIAN"})  # whose letters look like one another's
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


class Fault(StrEnum):
    """Why a text is no address; words are added at the edge."""

    EMPTY = "empty"
    CONTROL_CHARACTER = "control_character"
    NO_AT = "no_at"
    SYNTAX = "syntax"  # comments, groups, routes, quoted local parts, several addresses
    LOCAL_PART = "local_part"
    ROUTE = "route"  # a local part that leads on to another mailbox: user%domain, host!user
    LOCAL_NOT_ASCII = "local_not_ascii"
    DOMAIN = "domain"
    SINGLE_LABEL = "single_label"
    LOOK_ALIKE = "look_alike"  # UTS 46 would map the domain to another (C4), or its letters pass for those of another
    TOO_LONG = "too_long"
    NAME_HAS_AT = "name_has_at"
    NAME_NEEDS_QUOTES = "name_needs_quotes"
    NAME_TOO_LONG = "name_too_long"
    NAME_UNREADABLE = "name_unreadable"  # an encoded word that is none


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
        return self.address.lower() if self.local.isascii() else unicodedata.normalize("NFC", self.address.lower())

    @property
    def readable(self) -> str:
        """`local@domain` with the domain as people write it."""
        return f"{self.local}@{_readable_domain(self.domain)}"

    def __str__(self) -> str:
        if not self.name:
            return self.readable
        name = quoted_string(self.name) if _NEEDS_QUOTES.search(self.name) else self.name
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


def clean_name(name: str) -> str:
    """A display name, unquoted, as everybody will read it: its encoded words decoded, in NFC, with single spaces (Z2, Z3).

    Raises AddressInvalid for what could pass for an address or is not seen, and for more than fits the wire.
    """
    if len(name) > MAX_TEXT:
        raise AddressInvalid(Fault.NAME_TOO_LONG, name)
    read = unicodedata.normalize("NFC", decode_words(name))
    if has_invisible_character(read):
        raise AddressInvalid(Fault.CONTROL_CHARACTER, name)
    read = " ".join(read.split())
    if holds_at(read):
        raise AddressInvalid(Fault.NAME_HAS_AT, name)
    if has_encoded_word(read) or "\ufffd" in read:
        raise AddressInvalid(Fault.NAME_UNREADABLE, name)
    if len(phrase(read)) > MAX_NAME:
        raise AddressInvalid(Fault.NAME_TOO_LONG, name)
    return read


@lru_cache(maxsize=20_000)
def _parse(text: str, *, international: bool) -> Mailbox:
    if len(text) > MAX_TEXT:
        raise AddressInvalid(Fault.TOO_LONG, text)
    if has_invisible_character(text):
        raise AddressInvalid(Fault.CONTROL_CHARACTER, text)
    stripped = text.strip()
    if not stripped:
        raise AddressInvalid(Fault.EMPTY, text)
    name, address = "", stripped
    if stripped.endswith(">") and "<" in stripped:
        raw, _, address = stripped[:-1].rpartition("<")
        name = _display_name(raw.strip(), text)
    local, domain = _split(address, text)
    local = _local_part(local, text, international=international)
    mailbox = Mailbox(name, local, _domain(domain, text))
    if len(mailbox.address.encode()) > MAX_ADDRESS:
        raise AddressInvalid(Fault.TOO_LONG, text)
    return mailbox


def _display_name(raw: str, text: str) -> str:
    if _QUOTED.fullmatch(raw):
        raw = re.sub(r"\\(.)", r"\1", raw[1:-1])
    elif _NEEDS_QUOTES.search(raw):
        raise AddressInvalid(Fault.NAME_HAS_AT if "@" in raw else Fault.NAME_NEEDS_QUOTES, text)
    try:
        return clean_name(raw)
    except AddressInvalid as invalid:
        raise AddressInvalid(invalid.fault, text) from invalid


def _split(address: str, text: str) -> tuple[str, str]:
    if "@" not in address:
        raise AddressInvalid(Fault.NO_AT, text)
    if address.count("@") > 1 or any(character in '()<>,;:\\"[]' or character.isspace() for character in address):
        raise AddressInvalid(Fault.SYNTAX, text)
    local, domain = address.split("@")
    if not local or not domain:
        raise AddressInvalid(Fault.LOCAL_PART if not local else Fault.DOMAIN, text)
    return local, domain


def _local_part(local: str, text: str, *, international: bool) -> str:
    if not local.isascii():
        if not international:
            raise AddressInvalid(Fault.LOCAL_NOT_ASCII, text)
        local = _international_local_part(local, text)
    if len(local.encode()) > MAX_LOCAL:
        raise AddressInvalid(Fault.TOO_LONG, text)
    if not _DOT_ATOM.fullmatch(local) or has_encoded_word(local):  # RFC 2047 5: no encoded word in an address
        raise AddressInvalid(Fault.LOCAL_PART, text)
    if _ROUTE.search(local):
        raise AddressInvalid(Fault.ROUTE, text)
    return local


def _international_local_part(local: str, text: str) -> str:
    """A local part of RFC 6531 in NFC, where nobody can take it for another one."""
    local = unicodedata.normalize("NFC", local)
    if any(_stands_for_ascii(character) for character in local):
        raise AddressInvalid(Fault.LOOK_ALIKE, text)
    apart = unicodedata.normalize("NFD", local)  # in which some signs are `<` and a stroke
    if (
        not _DOT_ATOM.fullmatch(apart)
        or unicodedata.category(local[0]).startswith("M")
        or not all(_is_seen(local, place) for place in range(len(local)))
    ):
        raise AddressInvalid(Fault.LOCAL_PART, text)
    return local


def _stands_for_ascii(character: str) -> bool:
    return not character.isascii() and any(map(str.isascii, unicodedata.normalize("NFKC", character)))


def _is_seen(local: str, place: int) -> bool:
    """Whether a character shows, or is a joiner where its script needs one (RFC 5892 A.1, A.2)."""
    if local[place] not in "\u200c\u200d":
        return not has_invisible_character(local[place])
    try:
        return idna.valid_contextj(local, place)
    except ValueError:  # after a character that Unicode does not know
        return False


@lru_cache(maxsize=5_000)
def _canonical_domain(domain: str) -> str | Fault:
    labels = [label.lower() for label in unicodedata.normalize("NFC", domain).split(".")]
    try:
        if not domain.isascii() and idna.uts46_remap(domain, std3_rules=True, transitional=False) != ".".join(labels):
            return Fault.LOOK_ALIKE
        if "" in labels:
            return Fault.DOMAIN
        if len(labels) < 2:
            return Fault.SINGLE_LABEL
        readable = [idna.ulabel(label) for label in labels]
        canonical = [idna.alabel(label).decode("ascii") for label in readable]
        _check_directions(readable)
    except ValueError:  # idna.IDNAError is one
        return Fault.DOMAIN
    if any(label.isascii() and label != encoded for label, encoded in zip(labels, canonical, strict=True)):
        return Fault.DOMAIN  # an A-label that no U-label gives
    if any(label != label.lower() for label in readable):
        return Fault.DOMAIN  # Cherokee, whose capitals IDNA takes
    if not all(_LABEL.fullmatch(label) for label in canonical) or _NUMBER.fullmatch(canonical[-1]):
        return Fault.DOMAIN
    if any(map(_passes_for_another, readable)):
        return Fault.LOOK_ALIKE
    joined = ".".join(canonical)
    return joined if len(joined) <= 253 else Fault.TOO_LONG


def _check_directions(labels: list[str]) -> None:
    """RFC 5893: where one label is written from right to left, all are judged. Raises idna.IDNAError."""
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for label in labels for character in label):
        for label in labels:
            idna.check_bidi(label, check_ltr=True)


def _passes_for_another(label: str) -> bool:
    """Whether a label mixes alphabets whose letters look alike, or puts a dot on a letter that has one."""
    if label.isascii():
        return False
    alphabets = {unicodedata.name(character, "").partition(" ")[0] for character in label if character.isalpha()}
    return len(alphabets & _ALPHABETS) > 1 or _DOTTED_TWICE.search(label) is not None


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
    except ValueError:
        return domain
