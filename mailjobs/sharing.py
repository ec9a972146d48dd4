"""What all workers share of a connection: sessions, mails per minute and day, pause, breaker (delivery contract 4, J8).

A connection is (host, port, login, send system), whichever account or parameter holds it; its row is locked for each decision, so
that many workers keep one limit. The rules are in `core.breaker` and `core.limits`; times are the database's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Min, Q, QuerySet, Sum
from django.db.models.functions import Now

from mailjobs import incidents
from mailjobs.core.breaker import Breaker, failed, succeeded, throttled
from mailjobs.core.limits import Learned, Limits, learn
from mailjobs.core.reply import ReplyClass
from mailjobs.models import (
    WAITING_STATES,
    Attempt,
    BlockReason,
    ConnectionUse,
    MailJob,
    SessionLease,
    SharedConnection,
    StateChoices,
    WorkerSign,
)
from mailjobs.rows import among, now_sql, read
from mailjobs.selectors import WORKER_SILENT_AFTER, closed

MINUTE = timedelta(seconds=61)  # a little more, since server and database begin theirs at different moments
DAY = timedelta(hours=24)
LEARNED_FOR = timedelta(hours=24)  # then the server is tried with its usual limits again
_LOOKED_AT = 5_000  # of the latest attempts, for what a server took in the last minute
_THROTTLES = {ReplyClass.THROTTLED: BlockReason.THROTTLED, ReplyClass.QUOTA: BlockReason.QUOTA}
_CONNECT_ERRORS = frozenset({ReplyClass.RETRY, ReplyClass.HOST_UNKNOWN, ReplyClass.IDENTITY_MISSING})
TROUBLES = frozenset({*_THROTTLES, *_CONNECT_ERRORS, ReplyClass.TLS_RETRY})  # what concerns a connection, not a mail alone


@dataclass(frozen=True, slots=True)
class SessionAsk:
    """A worker wants to open a session with these settings."""

    connection: int
    worker: str
    fingerprint: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """`lease` is None where no session may be opened now. `shaken`: the connection has had trouble or is new, a success is news.
    `paced`: the server was found to have a limit per minute.
    """

    lease: int | None
    shaken: bool = False
    paced: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class UseAsk:
    """A mail with so many recipients is about to go over a connection with a limit per minute or day."""

    connection: int
    worker: str
    recipients: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a server did to a connection: `open_sessions` as the worker that met it has them."""

    connection: int
    reason: ReplyClass
    reply: str
    phase: str
    asked: float = 0.0  # for how many seconds the server wants to be left alone


def ids_of(keys: Iterable[str]) -> dict[str, int]:
    """Key → id of the shared connections, made where they are new; of a very long key the beginning counts."""
    stored = {key: key[:400] for key in keys}
    wanted = sorted(set(stored.values()))
    found = dict(SharedConnection.objects.filter(key__in=wanted).values_list("key", "pk"))
    if missing := [key for key in wanted if key not in found]:
        SharedConnection.objects.bulk_create([SharedConnection(key=key) for key in missing], ignore_conflicts=True)
        found |= dict(SharedConnection.objects.filter(key__in=missing).values_list("key", "pk"))
    return {key: found[short] for key, short in stored.items()}


def is_closed(connection: int) -> bool:
    """Whether nothing may go by this connection now."""
    return closed().filter(pk=connection).exists()


def stopped(connections: Iterable[int]) -> tuple[str, list[Any]]:
    """SQL with its parameters: the connections that even a mail which has counted against their limits must not use now."""
    these, parameters = among("id", set(connections))
    blocked = f"blocked_until > {now_sql()} AND block_reason NOT IN ('per_minute', 'per_day')"
    return f"{these} AND (paused_at IS NOT NULL OR ({blocked}))", parameters


def closed_to(worker: str) -> set[int]:
    """The connections for which this worker takes no mail: closed ones, and those whose sessions others have all open."""
    return {connection for (connection,) in read(_CLOSED_TO.format(now=now_sql()), [worker])}


# Asked before every claim, so in one statement; `selectors.closed` says the first half elsewhere.
_CLOSED_TO = """
SELECT id FROM mailjobs_sharedconnection WHERE paused_at IS NOT NULL OR blocked_until > {now}
UNION SELECT lease.connection_id FROM mailjobs_sessionlease AS lease
  JOIN mailjobs_sharedconnection AS shared ON shared.id = lease.connection_id WHERE lease.until > {now}
  GROUP BY lease.connection_id, shared.sessions
  HAVING COUNT(*) >= shared.sessions AND COUNT(*) FILTER (WHERE lease.worker = %s) = 0
"""


def opens_next() -> datetime | None:
    """When the next blocked connection may be used again."""
    found: dict[str, datetime | None] = SharedConnection.objects.filter(blocked_until__gt=Now(), paused_at=None).aggregate(
        next=Min("blocked_until")
    )
    return found["next"]


def open_session(ask: SessionAsk) -> SessionGrant:
    """Lease one of the connection's sessions; only one while the login is not proven or the breaker probes (J8)."""
    with transaction.atomic():
        shared = SharedConnection.objects.select_for_update().get(pk=ask.connection)
        _forget_learned(shared)
        limit = min(ask.limits.sessions, shared.learned_sessions or ask.limits.sessions)
        if shared.breaker_open or shared.proven != ask.fingerprint:
            limit = 1
        if shared.sessions != limit:
            SharedConnection.objects.filter(pk=shared.pk).update(sessions=limit)
        if closed().filter(pk=shared.pk).exists():
            return SessionGrant(None)
        leases = SessionLease.objects.filter(connection=shared, until__gt=Now())
        mine = leases.filter(worker=ask.worker).count()
        if leases.count() >= limit or mine >= _share(limit, _alive()):
            return SessionGrant(None)
        lease = SessionLease.objects.create(connection=shared, worker=ask.worker, until=Now() + _lease())
        calm = not (
            shared.connect_errors or shared.tls_errors or shared.breaker_open or shared.throttles or shared.paused_fingerprint
        )
        return SessionGrant(
            lease.pk,
            shaken=not calm or shared.proven != ask.fingerprint,
            paced=shared.learned_per_minute is not None,
            throttled=shared.throttles > 0,
        )


def close_sessions(leases: Sequence[int]) -> None:
    """Sessions were closed."""
    SessionLease.objects.filter(pk__in=leases).delete()


def keep_sessions(worker: str, sessions: Sequence[int]) -> dict[int, int]:
    """The worker lives and so do these sessions of it; what nobody has kept is forgotten.

    Returns connection → how many sessions it has more than its share, now that others may want theirs.
    """
    mine = SessionLease.objects.filter(worker=worker)
    mine.filter(pk__in=sessions).update(until=Now() + _lease())
    SessionLease.objects.filter(until__lt=Now()).delete()
    alive = _alive()
    counted = mine.order_by().values("connection", "connection__sessions").annotate(count=Count("pk"))
    found = {row["connection"]: row["count"] - _share(row["connection__sessions"], alive) for row in counted}
    return {connection: surplus for connection, surplus in found.items() if surplus > 0}


def leave(worker: str) -> None:
    """A worker ends: its sessions are closed, what it had under way has ended."""
    SessionLease.objects.filter(worker=worker).delete()
    ConnectionUse.objects.filter(worker=worker, ended_at=None).update(ended_at=Now())


def opened(connection: int, fingerprint: str) -> None:
    """A session has logged in: the settings are proven, the breaker closes, what waited for the login goes on (J8)."""
    with transaction.atomic():
        shared = SharedConnection.objects.select_for_update().get(pk=connection)
        calm = succeeded(_breaker(shared))
        shared.connect_errors, shared.tls_errors, shared.probes = calm.connect_errors, calm.tls_errors, calm.probes
        if shared.breaker_open:
            shared.blocked_until, shared.block_reason, shared.block_reply = None, "", ""
        shared.breaker_open, shared.breaker_since = calm.opened, None
        shared.proven = fingerprint
        shared.paused_at, shared.paused_reply = None, ""
        if shared.paused_fingerprint == fingerprint:
            shared.paused_fingerprint = ""
        shared.save()
    incidents.close_of_connection(connection)


def went_well(connection: int) -> None:
    """A mail was taken after throttling: the next pause is a short one again."""
    SharedConnection.objects.filter(pk=connection, throttles__gt=0).update(throttles=0)


def use(asks: Sequence[UseAsk]) -> list[int | None]:
    """Count mails against their connections' limits; None for one that must wait, and then the connection does."""
    with transaction.atomic():
        wanted = sorted({ask.connection for ask in asks})
        rows = {row.pk: row for row in SharedConnection.objects.select_for_update().filter(pk__in=wanted).order_by("pk")}
        return [_use(rows[ask.connection], ask) for ask in asks]


def end_uses(uses: Sequence[int]) -> None:
    """These mails have been answered."""
    ConnectionUse.objects.filter(pk__in=uses).update(ended_at=Now())


def sweep() -> None:
    """Uses of workers that are gone have ended; what is too old to count is forgotten."""
    alive = WorkerSign.objects.filter(seen_at__gt=Now() - WORKER_SILENT_AFTER).values("name")
    ConnectionUse.objects.filter(ended_at=None).exclude(worker__in=alive).update(ended_at=Now())
    ConnectionUse.objects.filter(ended_at__lt=Now() - DAY - MINUTE).delete()


def pause(connection: int, fingerprint: str, reply: str) -> None:
    """The login was refused: nothing tries it until it changes or is released (J8)."""
    SharedConnection.objects.filter(pk=connection).update(
        paused_at=Now(), paused_fingerprint=fingerprint, paused_reply=reply, proven=""
    )


def release(connections: Iterable[int]) -> int:
    """End pauses and blocks by hand; one mail goes first (J8). Returns how many connections had one."""
    held = SharedConnection.objects.filter(pk__in=set(connections)).filter(
        Q(paused_at__isnull=False) | Q(blocked_until__isnull=False) | ~Q(paused_fingerprint="")
    )
    return held.update(
        paused_at=None,
        paused_fingerprint="",
        paused_reply="",
        blocked_until=None,
        block_reason="",
        block_reply="",
        learned_sessions=None,
        learned_per_minute=None,
        learned_at=None,
    )


def unpause(connection: int) -> None:
    """The settings have changed since the login was refused: try again, one mail first (J8)."""
    SharedConnection.objects.filter(pk=connection).update(paused_at=None, paused_reply="")


def refused_settings(connections: Iterable[int]) -> dict[int, str]:
    """Connection → fingerprint of the settings that were refused last."""
    these, ids = among("id", set(connections))
    sql = f"SELECT id, paused_fingerprint FROM mailjobs_sharedconnection WHERE paused_fingerprint <> '' AND {these}"
    return dict(read(sql, ids))


def report(trouble: Trouble) -> None:
    """Count a throttle or a failure to connect; the connection waits where the rules say so."""
    with transaction.atomic():
        shared = SharedConnection.objects.select_for_update().get(pk=trouble.connection)
        if trouble.reason in _THROTTLES:
            _throttle(shared, trouble)
        elif trouble.reason in _CONNECT_ERRORS or trouble.reason is ReplyClass.TLS_RETRY:
            _fail(shared, trouble)


def accepted_last_minute(connection: int) -> int:
    """How many mails the server took in the last minute, as far as the latest attempts tell."""
    latest = Attempt.objects.order_by("-pk").values("pk")[:_LOOKED_AT]
    lately = Attempt.objects.filter(pk__in=latest, ended_at__gt=Now() - timedelta(minutes=1), job__connection=connection)
    return lately.filter(outcome__in=(StateChoices.SENT, StateChoices.PARTLY_SENT)).count()


def _throttle(shared: SharedConnection, trouble: Trouble) -> None:
    open_sessions = SessionLease.objects.filter(connection=shared, until__gt=Now()).count()
    found: Learned | None = learn(trouble.reason, trouble.reply, trouble.phase, open_sessions, accepted_last_minute(shared.pk))
    if found is not None:
        shared.learned_sessions = _least(found.sessions, shared.learned_sessions)
        shared.learned_per_minute = _least(found.per_minute, shared.learned_per_minute)
        SharedConnection.objects.filter(pk=shared.pk).update(
            learned_sessions=shared.learned_sessions, learned_per_minute=shared.learned_per_minute, learned_at=Now()
        )
    reason = _THROTTLES[trouble.reason]
    if _is_blocked(shared) and shared.block_reason in {reason, BlockReason.QUOTA}:
        return  # one of several that were under way when the server asked for the pause
    wait = throttled(
        shared.throttles,
        quota=trouble.reason is ReplyClass.QUOTA,
        asked=trouble.asked,
        factor=settings.RETRY_TIME_FACTOR,
    )
    SharedConnection.objects.filter(pk=shared.pk).update(throttles=shared.throttles + 1)
    _block(shared, reason, trouble.reply, timedelta(seconds=wait))


def _is_blocked(shared: SharedConnection) -> bool:
    return SharedConnection.objects.filter(pk=shared.pk, blocked_until__gt=Now()).exists()


def _least(new: int | None, known: int | None) -> int | None:
    return min((number for number in (new, known) if number is not None), default=None)


def _fail(shared: SharedConnection, trouble: Trouble) -> None:
    state, wait = failed(_breaker(shared), trouble.reason, probe=not _is_blocked(shared), factor=settings.RETRY_TIME_FACTOR)
    changes: dict[str, object] = {
        "connect_errors": state.connect_errors,
        "tls_errors": state.tls_errors,
        "breaker_open": state.opened,
        "probes": state.probes,
    }
    if state.opened and not shared.breaker_open:
        changes["breaker_since"] = Now()
    SharedConnection.objects.filter(pk=shared.pk).update(**changes)
    if wait is not None:
        _block(shared, BlockReason.BREAKER, trouble.reply, timedelta(seconds=wait))


def _breaker(shared: SharedConnection) -> Breaker:
    return Breaker(
        connect_errors=shared.connect_errors, tls_errors=shared.tls_errors, opened=shared.breaker_open, probes=shared.probes
    )


def _block(shared: SharedConnection, reason: BlockReason, reply: str, wait: timedelta) -> None:
    SharedConnection.objects.filter(pk=shared.pk).update(
        blocked_until=Now() + wait, block_reason=reason, block_reply=reply[:1000]
    )


def _use(shared: SharedConnection, ask: UseAsk) -> int | None:
    _forget_learned(shared)
    per_minute = min((n for n in (ask.limits.per_minute, shared.learned_per_minute) if n), default=None)
    rows = ConnectionUse.objects.filter(connection=shared)
    if per_minute is not None:
        recent = rows.filter(Q(ended_at=None) | Q(ended_at__gt=Now() - MINUTE))
        if (over := recent.count() - per_minute) >= 0:
            _wait_for(shared, BlockReason.PER_MINUTE, recent, over, MINUTE)
            return None
    if ask.limits.per_day is not None:
        today = rows.filter(at__gt=Now() - DAY)
        if (today.aggregate(all=Sum("recipients"))["all"] or 0) + ask.recipients > ask.limits.per_day:
            _wait_for(shared, BlockReason.PER_DAY, today, 0, DAY)
            return None
    made = ConnectionUse.objects.create(connection=shared, worker=ask.worker, recipients=ask.recipients)
    return made.pk


def _wait_for(shared: SharedConnection, reason: BlockReason, rows: QuerySet[ConnectionUse], index: int, span: timedelta) -> None:
    """Until the earliest uses have become too old to count, at least a second."""
    ends = rows.order_by(F("ended_at").asc(nulls_last=True), "at").values_list("ended_at", flat=True)
    end = next(iter(ends[index : index + 1]), None)
    until = Now() + timedelta(seconds=1) if end is None else end + span
    SharedConnection.objects.filter(pk=shared.pk).update(blocked_until=until, block_reason=reason, block_reply="")


def _forget_learned(shared: SharedConnection) -> None:
    old = SharedConnection.objects.filter(pk=shared.pk, learned_at__lt=Now() - LEARNED_FOR)
    if old.update(learned_sessions=None, learned_per_minute=None, learned_at=None):
        shared.learned_sessions = shared.learned_per_minute = None


def _alive() -> int:
    return WorkerSign.objects.filter(seen_at__gt=Now() - WORKER_SILENT_AFTER).count()


def _share(limit: int, alive: int) -> int:
    """How many of a connection's sessions one of so many workers may have, so that the others can have theirs."""
    return math.ceil(limit / max(alive, 1))


def _lease() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def waiting_for(connections: Iterable[int]) -> Mapping[int, int]:
    """Connection → how many mails wait for it."""
    rows = MailJob.objects.filter(state__in=WAITING_STATES, connection__in=set(connections))
    return dict(rows.order_by().values("connection").annotate(count=Count("pk")).values_list("connection", "count"))
