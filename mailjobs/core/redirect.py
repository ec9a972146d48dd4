"""To whom a mail goes instead while redirect mode is on (rules U, security Z17)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailjobs.core.headers import check_header_block, clean, fold, mailbox_list, split_header_block
from mailsettings.core.addresses import AddressInvalid, parse_recipient
from mailsettings.core.header_text import encoded_words

DUMMY_DOMAIN = "test-dummy.at"  # U6
ORIGINALS = "X-Postausgang-Original-Recipients"

# Fields that cannot name anybody to whom a mail, an answer or a notice would go. Everything else is taken out, since nobody can
# list the others: Reply-To, Errors-To, Disposition-Notification-To, X-Confirm-Reading-To, Mail-Copies-To, List-*, Resent-*, ...
_HARMLESS_FIELDS = frozenset(
    {
        "auto-submitted",
        "content-description",
        "content-disposition",
        "content-id",
        "content-language",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "importance",
        "in-reply-to",
        "message-id",
        "mime-version",
        "organization",
        "precedence",
        "priority",
        "references",
        "sender",
        "sensitivity",
        "subject",
        "user-agent",
        "x-auto-response-suppress",
        "x-mailer",
        "x-priority",
    }
)
_RECIPIENTS = frozenset({"to", "cc", "bcc"})  # where the new To stands


@dataclass(frozen=True, slots=True)
class Redirect:
    """The redirect as the settings have it. `dummy`: nobody named an address, so it is the made-up one (U1)."""

    active: bool
    addresses: tuple[str, ...]
    capture_only: bool  # U6: send nothing, keep it to look at
    dummy: bool
    readable: bool = True  # where it is not, nothing may be sent (U2); it then counts as active


OFF = Redirect(active=False, addresses=(), capture_only=False, dummy=False)
UNREADABLE = Redirect(active=True, addresses=(), capture_only=False, dummy=False, readable=False)


def dummy_address(user_id: str) -> str:
    """`<USER>@test-dummy.at`, the user-ID made a valid local part (Z17)."""
    local = re.sub(r"[^a-z0-9._-]", "-", user_id.lower())
    local = re.sub(r"\.{2,}", ".", local)[:64].strip(".")
    return f"{local or 'unknown'}@{DUMMY_DOMAIN}"


def is_address(text: object) -> bool:
    """Whether a stored redirect address is one."""
    try:
        return isinstance(text, str) and bool(parse_recipient(text))
    except AddressInvalid:
        return False


def in_force(now: Redirect, then: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The addresses that get the mail, None for its real recipients (U4).

    `then` is what was in force when it was queued, None where redirect was off. An empty tuple is not None: it means redirected
    to nobody, and `rewrite` refuses it (U2 fails closed).
    """
    return now.addresses if now.active else then


def is_captured(now: Redirect, *, then: bool, released: bool) -> bool:
    """Whether the mail is kept and not sent (U4, U6): now, or since it was queued (`then`) and until somebody releases it."""
    return (now.active and now.capture_only) or (then and not released)


def rewrite(headers: bytes, to: Sequence[str], originals: Mapping[str, Sequence[str]]) -> bytes:
    """The header block of the one message that goes to all redirect addresses (U1, U2).

    Only fields that cannot carry a recipient stay, byte for byte; `To` names the redirect addresses,
    `X-Postausgang-Original-Recipients` the original envelope recipients by kind (`to`, `cc`, `bcc`). Raises ValueError without an
    address, AddressInvalid for a wrong one, MimeInvalid for a block that is none.
    """
    if not to:
        raise ValueError("redirect without an address")
    new_to = ("To", mailbox_list("To", [parse_recipient(address) for address in to], "to").encode("ascii"))
    fields = split_header_block(headers)
    first = next((index for index, (name, _) in enumerate(fields) if name.lower() in _RECIPIENTS), len(fields))
    originals_field = (ORIGINALS, fold(ORIGINALS, _original_tokens(originals)).encode("ascii"))
    written = [*_harmless(fields[:first]), new_to, *_harmless(fields[first:]), originals_field]
    block = b"".join(raw for _, raw in written)
    check_header_block(block, [name for name, _ in written])
    return block


def _harmless(fields: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [field for field in fields if field[0].lower() in _HARMLESS_FIELDS]


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
