"""A mail as a `mailto:` address (RFC 6068), for mail clients that a browser opens."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

LONGEST: Final = 2_000  # characters of an address that Windows hands to a mail client whole, with room to spare
_PLAIN: Final = "!$*+@:'()"  # of some-delims and qchar, what needs no escape in any field


def mailto(*, to: Sequence[str], cc: Sequence[str], bcc: Sequence[str], subject: str, body: str) -> str | None:
    """The address, None where it would be longer than `LONGEST`. Recipients as `local@domain` with A-labels.

    Only commas part recipients: one inside an address is escaped, so is each "&", "=", "?" and "%". Lines end with CRLF.
    """
    fields = [(name, _addresses(values)) for name, values in (("cc", cc), ("bcc", bcc)) if values]
    texts = [("subject", subject), ("body", "\r\n".join(body.rstrip().splitlines()))]
    fields += [(name, _escaped(text)) for name, text in texts if text]
    more = "&".join(f"{name}={value}" for name, value in fields)
    made = f"mailto:{_addresses(to)}" + (f"?{more}" if more else "")
    return made if len(made) <= LONGEST else None


def _addresses(addresses: Sequence[str]) -> str:
    return ",".join(map(_escaped, addresses))


def _escaped(text: str) -> str:
    """RFC 6068 2: everything but unreserved characters, "@" and some that mean nothing, as UTF-8; "+" is a plus sign there."""
    return quote(text, safe=_PLAIN, errors="replace")
