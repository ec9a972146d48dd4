"""How many sessions a mail server takes at once (D6): only on somebody's word, bounded, and nothing is sent.

Sessions log in one after the other and stay open until one is refused, `MOST` are open or the time is up. How many mails a
minute a server takes cannot be seen without sending; that is learnt from its replies while mail goes (`core.limits`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostics.drift import Candidate, candidate_of
from mailjobs import sharing, tokens
from mailjobs.collecting import Database
from mailjobs.connections import known_at
from mailjobs.core.envelope import TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.models import SharedConnection
from mailjobs.routing import Settings
from mailjobs.selectors import closed
from mailjobs.transports.registry import Session
from mailsettings.changes import Book, own_values, save_account, save_parameters
from mailsettings.models import EmailAccount, Tenant

MOST = 12  # sessions; no firm's mail needs more
SECONDS = 30  # in all
ONE = 10  # for one session


@dataclass(frozen=True, slots=True)
class Capacity:
    """`sessions` were open at once; `limit` is what refused the next one, empty where none did."""

    sessions: int
    limit: str
    wrong_login: bool = False

    @property
    def setting(self) -> int:
        """For `max_connections`: one less than the server took, since others use it too; at least one."""
        return max(self.sessions - 1, 1) if self.limit else self.sessions


def candidate_at(tenant: Tenant, account: EmailAccount | None) -> Candidate | None:
    """The connection of an account, else of the general settings; None: there is none of its own, or it must not be tried."""
    place = (tenant.name, account.slug if account else "")
    key, known = next(((key, each) for key, each in known_at(tenant).items() if place in each.places), ("", None))
    if known is None:
        return None
    row = SharedConnection.objects.get(pk=sharing.ids_of([key])[key])
    return None if closed().filter(pk=row.pk).exists() else candidate_of(Settings(), row, known)


def measure(candidate: Candidate) -> Capacity:
    """Open sessions until the server refuses one; all are closed when it returns. A refused login pauses, as with a mail (J8)."""
    found = asyncio.run(_measured(candidate))
    if found.wrong_login:
        sharing.pause(candidate.pk, candidate.fingerprint, found.limit)
    return found


def keep(book: Book, tenant: Tenant, account: EmailAccount | None, found: Capacity) -> None:
    """Turn what was found into the limit of the connection. Raises Refused."""
    if account is None:
        save_parameters(book, tenant, {**own_values(tenant), "max_connections": found.setting})
        return
    values = {**account.values, "max_connections": found.setting}
    save_account(book, tenant=tenant, slug=account.slug, sender_address=account.sender_address, values=values, user=account.user)


async def _measured(candidate: Candidate) -> Capacity:
    database, sessions = Database(), list[Session]()
    try:
        async with asyncio.timeout(SECONDS):
            return await _until_refused(candidate, database, sessions)
    except TimeoutError:
        return Capacity(len(sessions), str(Trouble.TIMEOUT))
    finally:
        await asyncio.gather(*(session.close() for session in sessions), return_exceptions=True)
        await asyncio.to_thread(database.close)


async def _until_refused(candidate: Candidate, database: Callable[..., Any], sessions: list[Session]) -> Capacity:
    while len(sessions) < MOST:
        try:
            async with asyncio.timeout(ONE):
                sessions.append(await tokens.open_session(candidate.endpoint, database))
        except TransportError as error:
            refused = classify(error.phase, error.reply, error.trouble) is ReplyClass.LOGIN_REFUSED
            return Capacity(len(sessions), str(error), wrong_login=refused and not sessions)
    return Capacity(len(sessions), "")
