"""What is an address, and which two are one mailbox (P7, C4; security Z2, Z3)."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsettings.core.addresses import AddressInvalid, Mailbox, key_of, parse_recipient, parse_sender

LABEL_63, LOCAL_64 = "a" * 63, "a" * 64

# Text → the canonical form
SENDERS = {
    # P7: `user@domain` and `Name <user@domain>`
    "anna@huber.example": "anna@huber.example",
    " anna@huber.example ": "anna@huber.example",
    "<anna@huber.example>": "anna@huber.example",
    "Anna Huber <anna@huber.example>": "anna@huber.example",
    "Anna Huber<anna@huber.example>": "anna@huber.example",
    "Müller & Co <anna@huber.example>": "anna@huber.example",
    '"Huber, Anna" <anna@huber.example>': "anna@huber.example",
    '"Huber: Anna" <anna@huber.example>': "anna@huber.example",
    r'"Anna \"die Chefin\" Huber" <anna@huber.example>': "anna@huber.example",
    "Dr. Anna Huber <anna@huber.example>": "anna@huber.example",
    "O'Brien <anna@huber.example>": "anna@huber.example",
    "=?utf-8?q?M=C3=BCller?= <anna@huber.example>": "anna@huber.example",
    "会社 <anna@huber.example>": "anna@huber.example",
    # C4: the local part is ASCII, compared in lower case, plus tags are part of it
    "Anna@huber.example": "anna@huber.example",
    "ANNA@HUBER.EXAMPLE": "anna@huber.example",
    "anna+rechnung@huber.example": "anna+rechnung@huber.example",
    "anna.huber@huber.example": "anna.huber@huber.example",
    "anna_huber-x@huber.example": "anna_huber-x@huber.example",
    "o'brien@huber.example": "o'brien@huber.example",
    "!#$%&'*+/=?^_`{|}~-@huber.example": "!#$%&'*+/=?^_`{|}~-@huber.example",
    "1@huber.example": "1@huber.example",
    f"{LOCAL_64}@huber.example": f"{LOCAL_64}@huber.example",
    # C4: the domain in NFC, lower case, IDNA 2008 non-transitional
    "anna@bücher.example": "anna@xn--bcher-kva.example",
    "anna@BÜCHER.example": "anna@xn--bcher-kva.example",
    "anna@bu\u0308cher.example": "anna@xn--bcher-kva.example",
    "anna@xn--bcher-kva.example": "anna@xn--bcher-kva.example",
    "anna@XN--BCHER-KVA.example": "anna@xn--bcher-kva.example",
    "anna@straße.example": "anna@xn--strae-oqa.example",
    "anna@strasse.example": "anna@strasse.example",
    "anna@faß.de": "anna@xn--fa-hia.de",
    "anna@βόλος.example": "anna@xn--nxasmm1c.example",
    "anna@例え.テスト": "anna@xn--r8jz45g.xn--zckzah",
    "anna@пример.рф": "anna@xn--e1afmkfd.xn--p1ai",
    "anna@sub.huber.example": "anna@sub.huber.example",
    "anna@a-b.example": "anna@a-b.example",
    "anna@3m.example": "anna@3m.example",
    f"anna@{LABEL_63}.example": f"anna@{LABEL_63}.example",
    # C4: special-use domains are valid
    "anna@huber.test": "anna@huber.test",
    "anna@huber.local": "anna@huber.local",
    "anna@huber.internal": "anna@huber.internal",
    "anna@huber.invalid": "anna@huber.invalid",
    "anna@mail.localhost": "anna@mail.localhost",
}

REFUSED = {
    "nothing": ["", " ", "\t", "<>", "Anna <>", "@"],
    "no address": ["anna", "anna.huber.example", "Anna Huber", "anna at huber.example", "@huber.example", "anna@"],
    "a single label": ["anna@localhost", "anna@huber", "anna@bücher", "Anna <anna@intranet>"],
    "several addresses or a group (Z2)": [
        "a@b.example, c@d.example",
        "a@b.example; c@d.example",
        "a@b.example c@d.example",
        "a@b@c.example",
        "Firma: a@b.example;",
        "Firma: a@b.example, c@d.example;",
        "<a@b.example> <c@d.example>",
        "A <a@b.example>, B <c@d.example>",
    ],
    "comments (Z2)": [
        "anna(privat)@huber.example",
        "anna@huber.example (Anna)",
        "(x)anna@huber.example",
        "anna@(x)huber.example",
    ],
    "quoted local parts (Z2)": [
        '"anna"@huber.example',
        '"anna huber"@huber.example',
        r'"a\"b"@huber.example',
        '""@huber.example',
    ],
    "routes (Z2)": [
        "<@a.example:b@c.example>",
        "@a.example:b@c.example",
        "<@a.example,@b.example:c@d.example>",
        "a%b@c@d.example",
        "anna%huber.example@relay.example",
        "anna%huber@relay.example",
        "huber.example!anna@relay.example",
        "a!b!anna@relay.example",
    ],
    "trailing and double dots (Z2)": [
        "anna@huber.example.",
        "anna@huber..example",
        "anna@.huber.example",
        ".anna@huber.example",
        "anna.@huber.example",
        "an..na@huber.example",
        "anna@huber.example。",
        "anna@huber\uff0eexample",
    ],
    "white space inside": [
        "an na@huber.example",
        "anna@hu ber.example",
        "anna @huber.example",
        "anna@ huber.example",
        "anna@hu\u00a0ber.example",
        "an\u3000na@huber.example",
    ],
    "control characters (Z3)": [
        "anna@huber.example\r\nBcc: x@y.example",
        "anna@huber.example\n",
        "\ranna@huber.example",
        "an\x00na@huber.example",
        "anna@hu\x7fber.example",
        "anna@huber.example\x85",
        "anna@huber.example\u2028",
        "Anna\u2029 <anna@huber.example>",
        "Anna\ud800 <anna@huber.example>",
        "Anna\u202e <anna@huber.example>",
        "\tanna@huber.example",
        "=?utf-8?q?Anna=0D=0ABcc:x?= <anna@huber.example>",
    ],
    "look-alikes, mapped beyond NFC and lower case (C4, Z2)": [
        "a@ﬁrma.example",
        "a@ｈuber.example",
        "a@ℌuber.example",
        "a@hu\u00adber.example",
        "a@hu\u200bber.example",
        "a@①huber.example",
        "a@huber.ｅxample",
        "a@㎏.example",
        "a@hu\ufe0fber.example",
        "a@ªb.example",
    ],
    "no domain name": [
        "a@-huber.example",
        "a@huber-.example",
        "a@hu_ber.example",
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a@[IPv6:2001:db8::1]",
        "a@xn--a.example",
        "a@xn--.example",
        "a@ab--cd.example-",
        "a@huber.123",
        "a@hu!ber.example",
        "a@☃.example",
        "a@\u0308x.example",
        f"a@{LABEL_63}a.example",
        "a@" + ".".join([LABEL_63] * 4) + ".example",
        "a@huber.example/x",
        "a@huber.example:25",
    ],
    "a local part that is not ASCII (C4)": [
        "büro@huber.example",
        "аnna@huber.example",
        "anna\u0301@huber.example",
        "ａnna@huber.example",
    ],
    "too long": [f"{LOCAL_64}a@huber.example", f"{LOCAL_64}@{LABEL_63}.{LABEL_63}.{LABEL_63}.example"],
    "display names (Z2, C4)": [
        "Huber, Anna <anna@huber.example>",
        "anna@other.example <anna@huber.example>",
        '"anna@other.example" <anna@huber.example>',
        "=?utf-8?q?anna=40other.example?= <anna@huber.example>",
        "=?utf-8?b?YUBi?= <anna@huber.example>",
        "anna＠other.example <anna@huber.example>",
        "Anna: x <anna@huber.example>",
        "Anna; <anna@huber.example>",
        'Anna "Chefin <anna@huber.example>',
        "Anna (privat) <anna@huber.example>",
        "A" * 76 + " <anna@huber.example>",
    ],
}


@pytest.mark.parametrize(("text", "key"), SENDERS.items())
def test_sender_has_one_canonical_form(text: str, key: str) -> None:
    assert parse_sender(text).key == key == key_of(text)


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{why}: {ascii(text)[:60]}") for why, texts in REFUSED.items() for text in texts]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_sender(text)


@pytest.mark.parametrize("text", ["büro@huber.example", "用户@例え.テスト", "δοκιμή <δοκιμή@huber.example>"])
def test_recipient_may_be_international(text: str) -> None:
    assert not parse_recipient(text).local.isascii()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Anna Huber <anna@huber.example>", "Anna Huber"),
        ('"Huber, Anna" <anna@huber.example>', "Huber, Anna"),
        (r'"Anna \"Chefin\"" <anna@huber.example>', 'Anna "Chefin"'),
        ("=?utf-8?q?M=C3=BCller?= <anna@huber.example>", "Müller"),
        ("Mu\u0308ller <anna@huber.example>", "Müller"),
        ("anna@huber.example", ""),
    ],
)
def test_z3_display_name_is_decoded_before_it_is_checked(text: str, name: str) -> None:
    assert parse_sender(text).name == name


# -- properties ------------------------------------------------------------------------------------------------------------------

_ATOM = st.text(string.ascii_letters + string.digits + "#$&'*+/=?^_`{|}~-", min_size=1, max_size=12)
_LABEL = st.from_regex(r"[a-z0-9]([a-zäöüß0-9]{0,10}[a-z0-9])?", fullmatch=True)
_TOP = st.sampled_from(["example", "test", "at", "рф"])
_NAME = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="@＠﹫"), max_size=12) | st.sampled_from(
    ["", "Huber, Anna", 'Anna "x" \\ Huber', "Müller & Co: (a) <b>", "Dr. A. Huber"]
)
ADDRESSES = st.builds(
    lambda atoms, labels, top: f"{'.'.join(atoms)}@{'.'.join([*labels, top])}",
    st.lists(_ATOM, min_size=1, max_size=3),
    st.lists(_LABEL, min_size=1, max_size=3),
    _TOP,
)
ANYTHING = st.text(max_size=60) | st.text('abc.@<>"\\,;:()= \r\n?-üß\u2028\ud800ﬁxn', max_size=30) | ADDRESSES


def _quoted(name: str, address: str) -> str:
    return '"{}" <{}>'.format(name.replace("\\", "\\\\").replace('"', '\\"'), address)


@given(ADDRESSES, _NAME)
def test_parse_is_stable(address: str, name: str) -> None:
    try:
        mailbox = parse_sender(_quoted(name, address))
    except AddressInvalid:
        return
    assert parse_sender(str(mailbox)) == mailbox
    assert parse_sender(mailbox.address) == Mailbox("", mailbox.local, mailbox.domain)


@given(ADDRESSES)
def test_key_ignores_case(address: str) -> None:
    key = key_of(address)
    assert key is not None
    shouted = "".join(character if character == "ß" else character.upper() for character in address)  # ß has no capital here: SS
    assert key == key_of(key) == key_of(address.lower()) == key_of(shouted)
    assert key == key.lower()
    assert key.isascii()


@given(ANYTHING)
@example("a@" + "ü" * 300 + ".example")
@example("xn--" * 20 + "@xn--.xn--")
@example("a@xn--\ud800.example")
@example("=?utf-8?b?!?= <a@b.example>")
@example("=?nonsense?q?x?= <a@b.example>")
def test_only_address_invalid_is_ever_raised(text: str) -> None:
    for parse in (parse_sender, parse_recipient):
        try:
            mailbox = parse(text)
        except AddressInvalid:
            continue
        assert parse(str(mailbox)) == mailbox
        assert "." in mailbox.domain
        assert mailbox.domain.isascii()
        assert not set(str(mailbox)) & set("\r\n\0\u2028\u2029")
