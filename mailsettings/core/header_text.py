"""What a text may hold that goes into a header, and how a display name is written there (Z2, Z3; RFC 2047, RFC 5322)."""

import binascii
import re
import unicodedata

MAX_WORD = 75  # characters of one encoded word, RFC 2047 section 2
MAX_NAME = 75  # of a display name on the wire (Z2): one encoded word

_BIDI = "\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDI}]")
# What shows nothing: soft hyphen, zero-width spaces, direction marks, fillers, tags (Unicode: Default_Ignorable), blank braille,
# and what is no character at all. Joiners and variation selectors have their use in other scripts, never after ASCII.
_NO_CHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    f"{_NO_CHARACTERS}]|(?<![^\x00-\x7f])[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_WORD_FRAME = len("=?utf-8?q??=")
_WORD = re.compile(r"=\?([^?]*)\?([bqBQ])\?(.*?)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=) +(?==\?)")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_PLAIN_OCTETS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def has_control_character(text: str) -> bool:
    """Whether a text holds what no header may: C0, C1 (U+0085 among them), U+2028/9, lone surrogates, bidi overrides (Z3)."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def has_invisible_character(text: str) -> bool:
    """Whether a text holds characters that nobody sees, control characters or others: no name or address needs one."""
    return has_control_character(text) or (not text.isascii() and _INVISIBLE.search(text) is not None)


def visible(text: str) -> str:
    """A text to show, with every character that nobody sees as its number (`\\u200b`)."""
    if not has_invisible_character(text):
        return text
    return _INVISIBLE.sub(_numbered, _CONTROL.sub(_numbered, text))


def has_encoded_word(text: str) -> bool:
    """Whether something in a text reads as an encoded word (RFC 2047)."""
    return "=?" in text and _WORD.search(text) is not None


def decode_words(text: str) -> str:
    """A text with its encoded words decoded, also those inside others, so that nothing hides in them (Z3).

    Decoded generously, as a mail program might: unknown character sets as Latin-1, broken octets as U+FFFD.
    """
    while has_encoded_word(text):  # ends: what is decoded is shorter than its word
        decoded = _WORD.sub(_decoded_word, _BETWEEN_WORDS.sub("", text))
        if len(decoded) >= len(text):
            break
        text = decoded
    return text


def encoded_words(text: str, *, first: int = MAX_WORD) -> list[str]:
    """A text as RFC 2047 encoded words of whole characters, each at most 75 characters, the first at most `first`."""
    characters = [character.encode() for character in text]
    octets = sum(map(len, characters))
    encoding = "b" if _q_length(text.encode()) > (octets + 2) // 3 * 4 else "q"
    words, chunk, used, room = [], b"", 0, first - _WORD_FRAME
    for character in characters:
        added = len(character) if encoding == "b" else _q_length(character)
        if chunk and _payload_length(used + added, encoding) > room:
            words.append(_encoded_word(chunk, encoding))
            chunk, used, room = b"", 0, MAX_WORD - _WORD_FRAME
        chunk, used = chunk + character, used + added
    return [*words, _encoded_word(chunk, encoding)]


def phrase(name: str) -> str:
    """A display name as every server takes it: atoms, one quoted string, or one encoded word, the shorter of both encodings."""
    if not name.isascii() or "=?" in name:
        return min((_encoded_word(name.encode(), encoding) for encoding in "qb"), key=len)
    return name if not name or _ATOMS.fullmatch(name) else quoted_string(name)


def quoted_string(text: str) -> str:
    """A quoted string (RFC 5322 3.2.4)."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def holds_at(text: str) -> bool:
    """Whether a text holds an @, or a character that stands for one."""
    return "@" in text or (not text.isascii() and "@" in unicodedata.normalize("NFKC", text))


def _numbered(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _encoded_word(octets: bytes, encoding: str) -> str:
    if encoding == "b":
        return f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="
    payload = "".join(chr(o) if o in _PLAIN_OCTETS else "_" if o == 0x20 else f"={o:02X}" for o in octets)
    return f"=?utf-8?q?{payload}?="


def _q_length(octets: bytes) -> int:
    return sum(1 if octet in _PLAIN_OCTETS or octet == 0x20 else 3 for octet in octets)


def _payload_length(used: int, encoding: str) -> int:
    return (used + 2) // 3 * 4 if encoding == "b" else used


def _decoded_word(word: re.Match[str]) -> str:
    charset, encoding, payload = word[1].partition("*")[0], word[2].lower(), word[3].encode("ascii", "replace")
    if encoding == "q":
        octets = binascii.a2b_qp(payload, header=True)
    else:
        payload = _NOT_BASE64.sub(b"", payload)
        whole = payload[:-1] if len(payload) % 4 == 1 else payload
        octets = binascii.a2b_base64(whole + b"==")
    try:
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):
        return octets.decode("latin-1")
