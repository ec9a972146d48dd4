"""RFC 6068: what a mail client reads out of the address is what the mail says, letter by letter."""

from urllib.parse import unquote

import pytest

from mailjobs.core.mailto import LONGEST, mailto


def parts_of(address: str) -> dict[str, str]:
    """As RFC 6068 reads it: split first, then decode; a plus sign is one."""
    to, _, rest = address.removeprefix("mailto:").partition("?")
    fields = [field.partition("=")[::2] for field in rest.split("&") if field]
    return {"to": unquote(to), **{name: unquote(value) for name, value in fields}}


def made(**changes: object) -> str:
    known = {"to": ["max@kunde.example"], "cc": [], "bcc": [], "subject": "", "body": ""}
    address = mailto(**{**known, **changes})  # type: ignore[arg-type]
    assert address is not None
    return address


def test_the_examples_of_the_rfc() -> None:
    assert made(to=["chris@example.com"]) == "mailto:chris@example.com"
    assert made(to=["infobot@example.com"], subject="current-issue") == "mailto:infobot@example.com?subject=current-issue"
    assert made(to=["gorby%kremvax@example.com"]) == "mailto:gorby%25kremvax@example.com"
    assert made(to=["unlikely?address@example.com"]) == "mailto:unlikely%3Faddress@example.com"
    assert made(to=["Mike&family@example.org"]) == "mailto:Mike%26family@example.org"
    assert made(to=['"not@me"@example.org']) == "mailto:%22not@me%22@example.org"
    assert made(to=["user@example.org"], subject="café") == "mailto:user@example.org?subject=caf%C3%A9"
    two = made(to=["list@example.org"], body="send current-issue\nsend index")
    assert two == "mailto:list@example.org?body=send%20current-issue%0D%0Asend%20index"


@pytest.mark.parametrize(
    "text", ["50 % & mehr = besser?", "Grüße, Ö+Ä #1", "a=b&c=d?e", "„Anführung“ <b>", "Zeile\r\nZeile", "+49 1"]
)
def test_every_text_comes_back(text: str) -> None:
    parts = parts_of(
        made(subject=text.replace("\r\n", " "), body=text, cc=["k@kunde.example"], bcc=["b@kunde.example", "c@k.example"])
    )
    assert parts["subject"] == text.replace("\r\n", " ")
    assert parts["body"] == text
    assert (parts["to"], parts["cc"], parts["bcc"]) == ("max@kunde.example", "k@kunde.example", "b@kunde.example,c@k.example")


def test_nothing_stands_in_it_that_breaks_html_or_a_header() -> None:
    address = made(subject="\"'<>\r\nX: y", body="\x00\u2028\ud800")
    assert not set(address) & set('"<> \r\n\x00#')
    assert address.isascii()


def test_a_comma_inside_an_address_parts_nothing() -> None:
    assert made(to=['"a,b"@kunde.example', "c@kunde.example"]) == "mailto:%22a%2Cb%22@kunde.example,c@kunde.example"


def test_what_is_too_long_is_none() -> None:
    short = made(body="")
    room = LONGEST - len(short) - len("?body=")
    assert len(made(body="x" * room)) == LONGEST
    assert mailto(to=["max@kunde.example"], cc=[], bcc=[], subject="", body="x" * (room + 1)) is None
