"""To whom a mail goes instead while redirect mode is on (rules U, security Z17)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailjobs.core.mime import check_header_block, clean, encoded_words, fold, mailbox_list, split_header_block
from mailsettings.core.addresses import parse_recipient

DUMMY_DOMAIN = "test-dummy.at"  # U6
ORIGINALS = "X-Postausgang-Original-Recipients"

_RECIPIENT_FIELDS = frozenset(
    {
        "to",
        "cc",
        "bcc",
        "reply-to",
        "apparently-to",
        "delivered-to",
        "disposition-notification-to",
        "envelope-to",
        "errors-to",
        "final-recipient",
        "generate-delivery-report",
        "mail-followup-to",
        "mail-reply-to",
        "original-recipient",
        "return-path",
        "return-receipt-to",
        "x-confirm-reading-to",
        "x-envelope-to",
        "x-errors-to",
        "x-original-to",
        "x-rcpt-to",
        ORIGINALS.lower(),
    }
)
_RECIPIENT_PREFIXES = ("list-", "resent-")


@dataclass(frozen=True, slots=True)
class Redirect:
    """The redirect as the settings have it. `dummy`: nobody named an address, so it is the made-up one (U1)."""

    active: bool
    addresses: tuple[str, ...]
    capture_only: bool  # U6: send nothing, keep it to look at
    dummy: bool


def dummy_address(user_id: str) -> str:
    """`<USER>@test-dummy.at`, the user-ID made a valid local part (Z17)."""
    local = re.sub(r"[^a-z0-9._-]", "-", user_id.lower())
    local = re.sub(r"\.{2,}", ".", local)[:64].strip(".")
    return f"{local or 'unknown'}@{DUMMY_DOMAIN}"


def in_force(now: Redirect, then: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The addresses that get the mail, None for its real recipients (U4).

    `then` is what was in force when it was queued, None where redirect was off. An empty tuple is not None: it means redirected
    to nobody, and `rewrite` refuses it (U2 fails closed).
    """
    return now.addresses if now.active else then


def rewrite(headers: bytes, to: Sequence[str], originals: Mapping[str, Sequence[str]]) -> bytes:
    """The header block of the one message that goes to all redirect addresses (U1, U2).

    Every field that can carry a recipient is taken out; `To` names the redirect addresses, `X-Postausgang-Original-Recipients`
    the original envelope recipients by kind (`to`, `cc`, `bcc`). All else stays byte for byte. Raises ValueError without an
    address, AddressInvalid for a wrong one, MimeInvalid for a block that is none.
    """
    if not to:
        raise ValueError("redirect without an address")
    new_to = ("To", mailbox_list("To", [parse_recipient(address) for address in to], "to").encode("ascii"))
    fields = split_header_block(headers)
    kept = [field for field in fields if not _carries_recipient(field[0])]
    before = next((index for index, (name, _) in enumerate(fields) if _carries_recipient(name)), len(fields))
    written = [*kept[:before], new_to, *kept[before:], (ORIGINALS, fold(ORIGINALS, _original_tokens(originals)).encode("ascii"))]
    block = b"".join(raw for _, raw in written)
    check_header_block(block, [name for name, _ in written])
    return block


def _carries_recipient(name: str) -> bool:
    lowered = name.lower()
    return lowered in _RECIPIENT_FIELDS or lowered.startswith(_RECIPIENT_PREFIXES)


def _original_tokens(originals: Mapping[str, Sequence[str]]) -> list[str]:
    """`to: a@x.example, b@y.example; cc: c@z.example` as tokens; what is not ASCII becomes encoded words."""
    tokens: list[str] = []
    for kind, addresses in originals.items():
        if not addresses:
            continue
        if tokens:
            tokens[-1] += ";"
        tokens.append(f"{kind}:")
        for number, address in enumerate(addresses):
            if number:
                tokens[-1] += ","
            tokens += _address_tokens(address)
    return [token for token in tokens if token] or ["none"]


def _address_tokens(address: str) -> list[str]:
    """The comma or semicolon after it is never part of an encoded word."""
    address = clean(address, "originals")
    if address.isascii() and "=?" not in address and len(address) <= 320:
        return [address]
    return [*encoded_words(address), ""]
