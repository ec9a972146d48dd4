"""New letters read from a folder over IMAP, nothing in it changed: opened read-only, fetched with BODY.PEEK (J6; RFC 3501)."""

import asyncio
from dataclasses import dataclass
from typing import Final

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network
from mailjobs.transports.imap_folders import CONNECT_SECONDS, IMAP_PORTS, Mailbox, asked, in_time

AT_ONCE: Final = 40  # letters of one visit
MOST_OCTETS: Final = 256 * 2**10  # of one letter; what a notification says stands before the mail that it returns
AT_FIRST: Final = 1_000  # UIDs that a first visit looks back
_WINDOW: Final = 5_000  # UIDs that are asked for together
_MOST_READ: Final = AT_ONCE * (MOST_OCTETS + 2**10) + 2**20


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a folder was read; a `uid_validity` of 0: not at all."""

    uid_validity: int = 0
    last_uid: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """The letters after a position, the octets of each, at most `AT_ONCE`; `more`: there may be others."""

    position: Position
    letters: tuple[bytes, ...]
    more: bool


async def read_new(endpoint: Endpoint, folder: str, after: Position) -> Visit:
    """What has come since; where the server has numbered the folder anew (UIDVALIDITY) its newest. Raises TransportError."""
    connection = await network.connect(endpoint, CONNECT_SECONDS, IMAP_PORTS)
    mailbox = Mailbox(endpoint, connection, _MOST_READ)
    try:
        await in_time(mailbox, mailbox.log_in, phase=Phase.CONNECT)
        return await in_time(mailbox, _read, mailbox, folder, after, phase=Phase.MAIL)
    finally:
        await asyncio.to_thread(mailbox.close)


def _read(mailbox: Mailbox, folder: str, after: Position) -> Visit:
    box = mailbox.opened()
    asked(lambda: box.folder.set(folder, readonly=True), Phase.MAIL, Trouble.NO_BOUNCE_FOLDER)
    validity, following = _number(mailbox, "UIDVALIDITY"), _number(mailbox, "UIDNEXT")
    known = after.uid_validity == validity
    last = after.last_uid if known else max(following - 1 - AT_FIRST, 0)
    letters: list[bytes] = []
    while last < following - 1 and len(letters) < AT_ONCE:
        end = min(last + _WINDOW, following - 1)
        uids = _uids(mailbox, last + 1, end)
        for uid in uids[: AT_ONCE - len(letters)]:
            letters.append(_octets(mailbox, uid))
            last = uid
        if len(letters) < AT_ONCE:
            last = end
    return Visit(Position(validity, last), tuple(letters), more=last < following - 1)


def _number(mailbox: Mailbox, name: str) -> int:
    """What the server said of the folder when it was opened."""
    _kind, found = mailbox.opened().client.response(name)
    value = found[-1] if found else None
    if not isinstance(value, bytes) or not value.isdigit() or not 0 < int(value) < 2**32:
        raise TransportError(phase=Phase.MAIL, trouble=Trouble.NOT_IMAP, detail=name)
    return int(value)


def _uids(mailbox: Mailbox, first: int, last: int) -> list[int]:
    client = mailbox.opened().client
    kind, found = asked(lambda: client.uid("SEARCH", f"UID {first}:{last}"), Phase.MAIL, Trouble.NOT_IMAP)
    if kind != "OK":
        raise TransportError(phase=Phase.MAIL, trouble=Trouble.NOT_IMAP)
    words = b" ".join(each for each in found if isinstance(each, bytes)).split()
    return sorted({int(word) for word in words if word.isdigit() and first <= int(word) <= last})


def _octets(mailbox: Mailbox, uid: int) -> bytes:
    """The beginning of a letter; empty where it has gone in the meantime."""
    client, what = mailbox.opened().client, f"(BODY.PEEK[]<0.{MOST_OCTETS}>)"
    kind, found = asked(lambda: client.uid("FETCH", str(uid), what), Phase.MAIL, Trouble.NOT_IMAP)
    if kind != "OK":
        raise TransportError(phase=Phase.MAIL, trouble=Trouble.NOT_IMAP)
    return next((each[1][:MOST_OCTETS] for each in found if isinstance(each, tuple) and len(each) > 1), b"")
