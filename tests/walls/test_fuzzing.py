"""100,000 hostile headers, addresses and file names, seeded: none injects a header or breaks a line (Z2, Z3)."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.parser import BytesHeaderParser

import pytest

from mailjobs.core.headers import MimeInvalid
from mailjobs.core.mime import Attachment, Content, freeze
from mailjobs.views.sandbox import download
from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_recipient, parse_sender
from mailsettings.core.header_text import has_control_character

SEED = 20261124
PIECES = (
    "\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\ud800", "\udfff", "\u202e", "\u200b", "\ufeff",
    "Bcc: opfer@kunde.example", "\r\nBcc: a@b.example", "\n\nbody", "\r\n.\r\n", "\n.\n", "MAIL FROM:<a@b.example>",
    "=?utf-8?q?=0d=0aBcc:_a=40b.example?=", "=?utf-8?b?DQpCY2M6IGFAYi5leGFtcGxl?=", "=?us-ascii?q?a?=", "=?", "?=",
    "a@b.example", "@", "<", ">", "\"", "\\", "(", ")", ",", ";", ":", ".", "..", "/", "../", "\\..\\", "%0d%0a", "\t", " ",
    "ä", "ß", "ﬁ", "😀", "é", "İ", "\u0130", "日本",
    "x" * 80, "ü" * 40, "Huber", "Rechnung 2026-1", "xn--", "firma.example", "{{ name }}",
)  # fmt: skip
ADDRESSES, SUBJECTS, NAMES = 60_000, 20_000, 20_000
FIELDS = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding"}
SENDER = parse_sender("Kanzlei Huber <office@kanzlei-huber.example>")
TO = parse_recipient("klient@kunde.example")


def hostile(seed: int) -> Callable[[], str]:
    chance = random.Random(SEED + seed)
    return lambda: "".join(chance.choice(PIECES) for _n in range(chance.randint(1, 6)))


@pytest.mark.parametrize("parse", [parse_sender, parse_recipient])
def test_an_address_is_refused_or_has_one_clean_form(parse: Callable[[str], Mailbox]) -> None:
    make, taken = hostile(1), 0
    for _n in range(ADDRESSES // 2):
        text = make()
        text = f"{text}@firma.example" if _n % 3 == 0 else f"{text} <info@firma.example>" if _n % 3 == 1 else text
        try:
            mailbox = parse(text)
        except AddressInvalid:
            continue
        taken += 1
        assert not has_control_character(str(mailbox)), text
        assert mailbox.address.count("@") == 1, text
        assert not set(mailbox.address) & set(' <>(),;:"\\'), text
        assert parse(mailbox.address).key == mailbox.key, text
    assert taken > 1000


def test_a_subject_is_refused_or_stays_one_header() -> None:
    make, taken = hostile(2), 0
    for number in range(SUBJECTS):
        content = Content(
            message_id=f"<{number}@portal.example>",
            date=datetime(2026, 11, 24, tzinfo=UTC),
            sender=SENDER,
            subject=make(),
            boundary_seed=str(number),
            to=(TO,),
            text="x",
        )
        try:
            frozen = freeze(content)
        except MimeInvalid:
            continue
        taken += 1
        _one_of_each(frozen.headers)
    assert taken > 1000


def test_a_file_name_is_refused_or_stays_inside_its_header() -> None:
    make, taken = hostile(3), 0
    for number in range(NAMES // 2):
        name = make()
        content = Content(
            message_id=f"<{number}@portal.example>",
            date=datetime(2026, 11, 24, tzinfo=UTC),
            sender=SENDER,
            subject="x",
            boundary_seed=str(number),
            to=(TO,),
            text="x",
            attachments=(Attachment(name, "text/plain", b"x"),),
        )
        try:
            frozen = freeze(content)
        except MimeInvalid:
            pass
        else:
            taken += 1
            _one_of_each(frozen.headers)
            heads = [line for line in frozen.body.split(b"\r\n") if line.lower().startswith((b"bcc", b"mail from"))]
            assert heads == [], name
            assert b"\n" not in frozen.body.replace(b"\r\n", b""), name
    for _n in range(NAMES // 2):
        shown = download(b"x", make(), make()).headers
        assert not any(has_control_character(value) for value in shown.values())
        assert "/" not in shown["Content-Disposition"].replace("attachment; filename", "")
        assert shown["X-Content-Type-Options"] == "nosniff"
    assert taken > 1000


def _one_of_each(headers: bytes) -> None:
    assert b"\n" not in headers.replace(b"\r\n", b"")
    assert b"\r" not in headers.replace(b"\r\n", b"")
    names = [name.lower() for name in BytesHeaderParser(policy=policy.compat32).parsebytes(headers).keys()]  # noqa: SIM118
    assert len(names) == len(set(names)), headers
    assert set(names) <= FIELDS, headers
    assert max(map(len, headers.split(b"\r\n"))) <= 998
