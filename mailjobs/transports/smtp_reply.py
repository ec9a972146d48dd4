"""A raw SMTP reply as the value that everything above the wire reads."""

import re

from mailjobs.core.envelope import Reply
from mailjobs.transports.transcript import printable

LONGEST_TEXT = 500
_ENHANCED = re.compile(r"\s*#?([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")  # RFC 3463; some appliances write a "#" before it


def parse_reply(code: int, text: str) -> Reply:
    """A reply whose lines are joined by line feeds, codes of RFC 5321 already taken off.

    The enhanced status code is that of the first line that has one; it is taken off every line (RFC 2034 repeats it on each).
    """
    enhanced, words = "", []
    for line in text.splitlines():
        found = _ENHANCED.match(line)
        enhanced = enhanced or (found[1] if found else "")
        words += printable(line[found.end() :] if found else line).split()
    return Reply(code, enhanced, " ".join(words)[:LONGEST_TEXT])
