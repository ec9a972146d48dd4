"""An access token as SASL carries it, over SMTP and IMAP alike: the first line, and what a refusal says (RFC 7628, XOAUTH2)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mailjobs.core.envelope import Endpoint
from mailjobs.transports.transcript import printable

_LONGEST_STATUS = 200


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What goes first, and what a client answers to the challenge in which a server says why it refuses."""

    first_line: Callable[[Endpoint], bytes]
    end: bytes


def _xoauth2(endpoint: Endpoint) -> bytes:
    """https://developers.google.com/workspace/gmail/imap/xoauth2-protocol"""
    return f"user={endpoint.username}\x01auth=Bearer {endpoint.secret}\x01\x01".encode()


def _oauthbearer(endpoint: Endpoint) -> bytes:
    """RFC 7628 3.1 after the header of RFC 5801, in which a comma and an equals sign have a notation of their own."""
    name = endpoint.username.replace("=", "=3D").replace(",", "=2C")
    where = f"host={endpoint.host}\x01port={endpoint.port}"
    return f"n,a={name},\x01{where}\x01auth=Bearer {endpoint.secret}\x01\x01".encode()


# Microsoft and Google both offer XOAUTH2; where a server has the standard, that goes first.
MECHANISMS: Mapping[str, Mechanism] = MappingProxyType(
    {
        "OAUTHBEARER": Mechanism(_oauthbearer, end=b"\x01"),  # RFC 7628 3.2.3
        "XOAUTH2": Mechanism(_xoauth2, end=b""),
    }
)


def status_of(challenge: bytes) -> str:
    """`status 401, scope mail` of `{"status": "401", "schemes": "bearer", "scope": "mail"}`; what is no such JSON as it came."""
    text = challenge.decode("utf-8", "replace")
    try:
        said = json.loads(text)
        known = [f"{key} {said[key]}" for key in ("status", "scope", "error", "error_description") if said.get(key)]
    except (ValueError, TypeError, AttributeError):
        known = [text]
    return " ".join(printable(", ".join(known)).split())[:_LONGEST_STATUS]
