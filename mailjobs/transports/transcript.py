"""What was said on the wire, fit to be shown: bounded, without control characters, secrets and bodies (Z8, Z22)."""

import base64
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST_HIDDEN = 4  # a shorter secret would blot out common words
MOST_LINES = 200
LONGEST_LINE = 500
_LEFT_OUT = "..."
# Control characters, invisible ones that reorder or hide text, what has no meaning; the separators become spaces.
_REMOVED = frozenset({"Cc", "Cf", "Cn", "Co"})
_SPACES = frozenset({"Zs", "Zl", "Zp"})
_URL_SAFE = str.maketrans("+/", "-_")


class Transcript:
    """The lines of one mail, client's and server's; of too many lines the middle is left out."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._mail_begun = False

    def begin(self) -> list[str]:
        """A fresh list for a new mail; the first mail's goes on with the lines of the connection."""
        if self._mail_begun:
            self.lines = []
        self._mail_begun = True
        return self.lines

    def client(self, text: str) -> None:
        self._add("C: ", text)

    def server(self, code: int, text: str) -> None:
        """A reply as the library gives it: its lines joined by line feeds, the codes taken off."""
        lines = text.split("\n")
        for line in lines[:-1]:
            self._add("S: ", f"{code:03d}-{line}")
        self._add("S: ", f"{code:03d} {lines[-1]}")

    def _add(self, who: str, text: str) -> None:
        if len(self.lines) >= MOST_LINES:
            self.lines[MOST_LINES // 2 : MOST_LINES // 2 + 2] = [_LEFT_OUT]
        self.lines.append(who + printable(text)[: LONGEST_LINE - len(who)])


def printable(text: str) -> str:
    """The text in one line without control characters; octets that were no UTF-8 become U+FFFD."""
    if text.isascii() and text.isprintable():  # nearly always
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\r\n" or category in _SPACES:
        return " "
    if category == "Cs":  # an octet that was no UTF-8, kept by surrogateescape
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in _REMOVED else character


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, also where they stand in base64 or percent-encoded; those of under 4 characters stay."""
    for secret in secrets:
        if len(secret) >= SHORTEST_HIDDEN:
            for spoken in (secret, quote(secret, safe=""), quote_plus(secret), *_in_base64(secret)):
                text = text.replace(spoken, HIDDEN)
    return text


def _in_base64(secret: str) -> Iterator[str]:
    """What of a secret shows in base64, at whichever octet it begins: all but the characters that its neighbours share."""
    octets = secret.encode()
    for before in range(3):
        usable = (before + len(octets)) // 3 * 4
        encoded = base64.b64encode(b"\0" * before + octets).decode()[(4 if before else 0) : usable]
        if len(encoded) >= 2 * SHORTEST_HIDDEN:
            yield encoded
            yield encoded.translate(_URL_SAFE)
