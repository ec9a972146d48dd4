"""What holds for any text whatever: one reading, one canonical form, one mailbox in the header (P7, C4; security Z2, Z3)."""

import email
import unicodedata
from contextlib import suppress
from email import policy
from email.header import decode_header, make_header
from email.headerregistry import HeaderRegistry
from email.utils import getaddresses
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailjobs.core.headers import mailbox_list
from mailsettings.core.addresses import AddressInvalid, Mailbox, key_of, parse_recipient, parse_sender
from tests.addresses.corpus import ACCEPTED, RECIPIENTS, SENDERS, Case

# What attacks are made of, and what legitimate addresses are
PIECES = [
    *"abcAZ019äüßıİσςſé., :;@<>()[]\"'\\%!=?_-+/&\t\r\n\0",
    *("anna", "huber", "example", "anna@huber.example", "<anna@huber.example>", "@huber.example", "bücher", ".at", "--"),
    *("xn--bcher-kva", "xn--", "XN--", "Müller & Co", '"Huber, Anna"', "Firma:", "(x)", "[192.0.2.1]", "a%b", "a!b", "@a,@b:"),
    *("=?utf-8?q?", "=?utf-8?b?", "?=", "=40", "=3D=3F", "YUBi", "=0D=0A", "=?x?q?a=40b?=", "\r\nBcc: x@y.example", '\\"'),
    *("=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D40b=3F=3D?=", " <", "> ", "a" * 64, "ü" * 30, "א", "مثال", "例", "👩\u200d💼"),
    *"\x7f\x85\xa0\u2028\u2029\u200b\u200c\u200d\u200e\u202e\u2060\ufeff\xad\ufe0f\U000e0041\ud800\ufffd",
    *"\uff20\ufe6b\uff0e\u3002\u3000\u2003\uff1c\uff1e\ufb01\u212a\u037e\u2260\u226e\u0338\u0301\u0307\u0430",
]
KNOWN = [case.text for case in [*SENDERS, *RECIPIENTS]]


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A text of the corpus with up to three pieces put in, in place of something or beside it."""
    text = draw(st.sampled_from(KNOWN))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 3)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


ANYTHING = spoilt() | st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=40)
MANY = settings(max_examples=1000, deadline=None)


def _accepted(text: str) -> list[Mailbox]:
    """What the parsers make of a text; anything but AddressInvalid fails the test."""
    found = []
    for parse in (parse_sender, parse_recipient):
        with suppress(AddressInvalid):
            found.append(parse(text))
    return found


def second_reading(text: str) -> str | None:
    """The mailbox that a text means by the standard library's parser, the domain by plain NFC, lower case and RFC 3492."""
    try:
        header: Any = HeaderRegistry()("To", text.strip())
    except AttributeError:  # CPython stumbles over a phrase that begins with a dot
        return None
    if len(header.groups) != 1 or header.groups[0].display_name is not None or len(header.addresses) != 1:
        return None
    (address,) = header.addresses
    if not address.domain:
        return None
    labels = [_a_label(label) for label in unicodedata.normalize("NFC", address.domain).split(".")]
    return unicodedata.normalize("NFC", f"{unicodedata.normalize('NFC', address.username).lower()}@{'.'.join(labels)}")


def _a_label(label: str) -> str:
    return label.lower() if label.isascii() else "xn--" + label.lower().encode("punycode").decode("ascii")


@MANY
@given(ANYTHING)
@example("")
@example("a@xn--\ud800.example")
@example("a@" + "ü" * 300 + ".example")
@example("=?utf-8?b?!?= <a@b.example>")
@example("=?punycode?q?x?= <a@b.example>")
@example("=?idna?b?eG4tLWE=?= <a@b.example>")
@example("=?\x00?q?x?= <a@b.example>")
@example("a\u0378\u200d@b.example")
@example("a@\u0378\u200d.example")
def test_p7_only_address_invalid_is_raised_and_what_is_accepted_reads_the_same_again(text: str) -> None:
    for mailbox in _accepted(text):
        assert parse_recipient(str(mailbox)) == mailbox
        assert parse_recipient(mailbox.address) == Mailbox("", mailbox.local, mailbox.domain)
        assert key_of(str(mailbox)) == key_of(mailbox.address) == key_of(mailbox.readable) == key_of(mailbox.key) == mailbox.key
        if mailbox.local.isascii():
            assert parse_sender(str(mailbox)) == mailbox


@MANY
@given(ANYTHING)
def test_c4_what_is_accepted_means_the_same_mailbox_by_a_second_reading(text: str) -> None:
    for mailbox in _accepted(text):
        assert second_reading(text) == mailbox.key


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.place)
def test_c4_the_corpus_means_the_same_by_the_second_reading(case: Case) -> None:
    assert second_reading(case.text) == case.key


@MANY
@given(ANYTHING)
def test_c4_the_key_is_stable_under_case_and_normal_forms(text: str) -> None:
    for mailbox in _accepted(text):
        assert mailbox.domain == mailbox.domain.lower()
        assert key_of(mailbox.address.upper()) == mailbox.key or not mailbox.address.isascii()
        local, _, domain = mailbox.readable.rpartition("@")
        shouted = "".join(_capital(character) for character in domain)
        assert key_of(f"{local}@{shouted}") == mailbox.key
        forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
        for form in forms:
            assert key_of(unicodedata.normalize(form, mailbox.readable)) == mailbox.key
            assert key_of(unicodedata.normalize(form, text)) in {mailbox.key, None}


def _capital(character: str) -> str:
    """The capital that means this letter: of ß and dotless i there is none, and a capital sigma may be two letters."""
    capital = character.upper()
    return capital if len(capital) == 1 and capital.lower() == character and character != "σ" else character


@MANY
@given(ANYTHING)
def test_z3_what_is_accepted_holds_nothing_that_is_not_seen(text: str) -> None:
    for mailbox in _accepted(text):
        for part in (mailbox.name, mailbox.local, mailbox.domain, str(mailbox)):
            assert not {unicodedata.category(character) for character in part} & {"Cc", "Cs", "Zl", "Zp"}
            assert not set(part) & set("\u00ad\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2069")
        assert mailbox.domain.isascii()
        assert "." in mailbox.domain
        assert "@" not in unicodedata.normalize("NFKC", mailbox.name + mailbox.local)


@MANY
@given(ANYTHING)
def test_z2_what_is_accepted_is_written_as_exactly_one_mailbox(text: str) -> None:
    for mailbox in _accepted(text):
        if not mailbox.local.isascii():
            continue
        line = mailbox_list("From", [mailbox], "sender")
        assert line.isascii()
        raw = f"{line}Subject: x\r\n\r\n".encode("ascii")
        modern = email.message_from_bytes(raw, policy=policy.default)
        assert modern.keys() == ["From", "Subject"]
        assert [(found.display_name, found.addr_spec) for found in modern["From"].addresses] == [(mailbox.name, mailbox.address)]
        old = email.message_from_bytes(raw, policy=policy.compat32)
        assert old.keys() == ["From", "Subject"]
        assert [address for _, address in getaddresses([old["From"]])] == [mailbox.address]
        decoded = str(make_header(decode_header(old["From"].replace("\r\n", ""))))
        assert second_reading(decoded) in {mailbox.key, None}  # a reader that decodes before it parses
