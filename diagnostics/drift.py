"""The drift watch: each connection is tried once a night without sending, so that a changed password is known before the morning.

A refused login pauses as with a mail (J8) and is not tried again; nor is one that is paused, blocked, or was refused with these
very settings. What fails opens the incident that the first mail would open, and the administrators are told.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models.functions import Now
from django.utils import timezone

from mailjobs import incidents, notices, sharing, tokens
from mailjobs.collecting import Database
from mailjobs.connections import Known, known_everywhere
from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.core.incidents import OF_CONNECTION
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.models import SharedConnection
from mailjobs.routing import Settings, endpoint_of, fingerprint_of, secret_of
from mailjobs.selectors import closed
from mailsettings.core.relay import refuse_relay
from mailsettings.installation import copied_from
from mailsettings.models import Tenant

log = structlog.get_logger(__name__)

NIGHT = (1, 5)  # from this hour to that one, by the clock of TIME_ZONE
EVERY = timedelta(minutes=10)  # how often the scheduler calls
FRESH = timedelta(hours=20)  # what has answered since is not asked again
AT_ONCE = 5  # connections at a time
SECONDS = 30  # for one connection, whatever the server does
WORKER = "drift watch"
# What says nothing about whether the next mail would go.
_PASSING = frozenset({ReplyClass.THROTTLED, ReplyClass.QUOTA})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A connection whose turn it is."""

    pk: int
    known: Known
    endpoint: Endpoint
    fingerprint: str


def watch(now: datetime | None = None) -> int:
    """Check a share of the connections that are due, so that all are through when the night ends; returns how many."""
    moment = timezone.localtime(now)
    if not NIGHT[0] <= moment.hour < NIGHT[1] or copied_from() is not None:
        return 0
    due = _due()
    ends = moment.replace(hour=NIGHT[1], minute=0, second=0, microsecond=0)
    runs_left = max((ends - moment) // EVERY, 1)
    chosen = due[: math.ceil(len(due) / runs_left)]
    if chosen:
        asyncio.run(_check_all(chosen))
    return len(chosen)


def _due() -> list[Candidate]:
    """Those not checked lately, in an order that does not favour one tenant, without those that must not be tried."""
    known = {key[:400]: each for key, each in known_everywhere().items()}
    ids = sharing.ids_of(known)
    stopped = set(closed().filter(pk__in=ids.values()).values_list("pk", flat=True))
    rows = SharedConnection.objects.filter(pk__in=ids.values()).exclude(checked_at__gt=Now() - FRESH).order_by("checked_at", "pk")
    settings = Settings()
    keys = {pk: key for key, pk in ids.items()}
    found = [_candidate(settings, row, known[keys[row.pk]]) for row in rows if row.pk not in stopped]
    return [candidate for candidate in found if candidate is not None]


def _candidate(settings: Settings, row: SharedConnection, known: Known) -> Candidate | None:
    connection = known.connection
    if refuse_relay(known.facts, connection, known.account):
        return None
    secret, client_key = secret_of(settings, connection.secret), secret_of(settings, connection.client_key)
    if secret is None or client_key is None:
        return None
    endpoint = endpoint_of(known.facts, connection, secret, client_key)
    fingerprint = fingerprint_of(endpoint)
    return None if row.paused_fingerprint == fingerprint else Candidate(row.pk, known, endpoint, fingerprint)


async def _check_all(candidates: Sequence[Candidate]) -> None:
    database, gate = Database(), asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Candidate) -> None:
        async with gate:
            await _check(candidate, database)

    try:
        await asyncio.gather(*(one(candidate) for candidate in candidates))
    finally:
        await asyncio.to_thread(database.close)


async def _check(candidate: Candidate, database: Callable[..., Any]) -> None:
    ask = sharing.SessionAsk(candidate.pk, WORKER, candidate.fingerprint, candidate.known.limits(SharedConnection()))
    grant = await database(sharing.open_session, ask)
    if grant.lease is None:  # mail is going over it: that is check enough
        return
    try:
        async with asyncio.timeout(SECONDS):
            session = await tokens.open_session(candidate.endpoint, database)
            await session.close()
        await database(_works, candidate)
    except TimeoutError:
        await database(_fails, candidate, TransportError(phase=Phase.CONNECT, trouble=Trouble.TIMEOUT))
    except TransportError as error:
        await database(_fails, candidate, error)
    except Exception:
        log.exception("the drift watch met an error", connection=candidate.pk)
    finally:
        await database(sharing.close_sessions, [grant.lease])


def _works(candidate: Candidate) -> None:
    sharing.opened(candidate.pk, candidate.fingerprint)
    SharedConnection.objects.filter(pk=candidate.pk).update(checked_at=Now())


def _fails(candidate: Candidate, error: TransportError) -> None:
    reason = classify(error.phase, error.reply, error.trouble)
    if reason in _PASSING:
        return
    if reason is ReplyClass.LOGIN_REFUSED:
        sharing.pause(candidate.pk, candidate.fingerprint, str(error))
    if reason not in OF_CONNECTION:
        reason = ReplyClass.CONFIGURATION
    for tenant in Tenant.objects.filter(pk__in=candidate.known.tenants):
        incident = incidents.open_of_connection(tenant.pk, candidate.pk, reason, str(error))
        if incident is not None:
            notices.tell_of_connection(tenant, incident, str(error))
