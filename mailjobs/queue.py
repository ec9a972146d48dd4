"""The transitions of the delivery contract, each guarded in one statement: claim, heartbeat, mark, reap, reset, withdraw.

Time is the database's (`Now()`); no worker's clock is ever compared. A lease belongs to (job, epoch): whoever finishes under an
old epoch changes nothing, save that a late 2xx heals `unknown` (`finishing`). Who gets how much is `core.fairness`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from mailjobs import draft_queue, incidents, sharing
from mailjobs.core.fairness import Group, Lane, share_out
from mailjobs.models import (
    REQUEUEABLE_STATES,
    WAITING_STATES,
    BlockReason,
    JobRecipient,
    MailJob,
    RecipientStateChoices,
    SharedConnection,
    StateChoices,
    WorkerSign,
)
from mailjobs.rows import among, changed, now_sql, read, update_returning
from mailjobs.selectors import closed
from mailsettings import policy_lock
from mailsettings.installation import copied_from

HELD_FOR_ONE_CONNECTION = 256  # leased at once by a worker: no slow server fills its hands
_ASKED_FOR = {
    "id",
    "tenant_id",
    "user_id",
    "print_model_id",
    "account_id",
    "run",
    "connection_id",
    "lane",
    "state",
    "epoch",
    "due_at",
    "held_reason",
    "held_for",
    "approved",
    "restored",
    "attempts",
    "lost_leases",
    "possible_duplicate",
    "unknown_policy",
    "direct",
    "unattended",
    "first_due_at",
    "channel",
    "send_system",
    "sender_address",
    "sender_level",
    "sender_origin",
    "message_id",
    "subject",
    "size",
    "sha256",
    "redirected_then",
    "captured_then",
}
_CLAIMED = [field.attname for field in MailJob._meta.concrete_fields if field.attname in _ASKED_FOR]  # as `from_db` wants them


@dataclass(frozen=True, slots=True)
class Mark:
    """A job about to put its first body byte on the wire, and the policies it was judged under (`World.policy_stamp`)."""

    job_id: int
    epoch: int
    tenant_ids: tuple[int, ...]  # the tenant and its firm, the firm last
    policy_stamp: int
    connection: int
    unknown_policy: str = ""


@dataclass(frozen=True, slots=True)
class Owed:
    """A leased job of which nothing was sent, that could not be given back, and its use of a connection with a limit."""

    job_id: int
    epoch: int
    use: int | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """What a reset did: the jobs that are new again, and how many were left out and why."""

    ids: tuple[int, ...]
    skipped_unknown: int = 0
    skipped_other: int = 0


def due() -> QuerySet[MailJob]:
    """The jobs a worker may take now."""
    rows = MailJob.objects.filter(state__in=WAITING_STATES, due_at__lte=Now())
    return rows.exclude(connection__in=closed().values("pk")) if closed().exists() else rows


def claim(worker: str, room: int, *, turn: int = 0, held: Mapping[int, int] | None = None) -> list[MailJob]:
    """Lease up to `room` due jobs to `worker`, fairly among tenants, connections and lanes (delivery contract 4).

    `held`: connection → how many it has leased already; `turn` counts the calls, so that no group always comes last. None in a
    database copied from another installation: it is paused (U5).
    """
    if copied_from() is not None:
        return []
    busy = {connection for connection, count in (held or {}).items() if count > HELD_FOR_ONE_CONNECTION // 2}
    shut = sharing.closed_to(worker) | busy  # a claim for a few mails costs as much as one for many
    groups = [group for group in _groups(room) if group.connection not in shut]
    caps = {group.connection: HELD_FOR_ONE_CONNECTION - (held or {}).get(group.connection, 0) for group in groups}
    shares = share_out(groups, room, turn, caps)
    return _claim_shares(worker, shares) if shares else []


def claim_these(worker: str, ids: Sequence[int]) -> list[MailJob]:
    """Lease exactly these jobs, due or not, for a direct send inside the caller's request (S2)."""
    if copied_from() is not None:
        return []
    return _claimed(update_returning(_waiting().filter(pk__in=ids), **_leased(worker)))


def next_due() -> datetime | None:
    """When there may be something to take next: a mail comes due, a blocked connection opens."""
    later: datetime | None = _waiting().filter(due_at__gt=Now()).aggregate(next=Min("due_at"))["next"]
    return min((moment for moment in (later, sharing.opens_next()) if moment is not None), default=None)


def heartbeat(worker: str, job_ids: Sequence[int], sessions: Sequence[int] = ()) -> dict[int, int]:
    """Prolong the leases of the jobs and sessions that a worker holds, and give its sign of life; returns as `keep_sessions`."""
    if job_ids:
        mine = MailJob.objects.filter(pk__in=job_ids, state=StateChoices.SENDING, leased_by=worker)
        change_unlocked(mine, lease_until=_lease_end())
    if not WorkerSign.objects.filter(name=worker).update(seen_at=Now()):
        WorkerSign.objects.update_or_create(name=worker, defaults={"seen_at": Now()})
    return sharing.keep_sessions(worker, sessions)


def change_unlocked(rows: QuerySet[MailJob], **changes: Any) -> None:
    """Change those that no other transaction is changing right now: the others neither need it nor may be waited for."""
    with transaction.atomic():
        free = rows.order_by().select_for_update(skip_locked=True, of=("self",))
        MailJob.objects.filter(pk__in=free.values("pk")).update(**changes)


def sign_off(worker: str) -> None:
    """Take the sign of life away when a worker ends."""
    sharing.leave(worker)
    WorkerSign.objects.filter(name=worker).delete()


def mark_on_wire(marks: Sequence[Mark]) -> list[bool]:
    """`sending` → on the wire, where epoch and lease hold, no policy has changed and the connection is not stopped (U2, U5, J8).

    Needs a transaction.
    """
    policy_lock.share({mark.tenant_ids[-1] for mark in marks})  # before the statement that looks at what was decided
    alike: dict[Mark, list[int]] = defaultdict(list)
    for mark in marks:
        alike[replace(mark, job_id=0)].append(mark.job_id)
    marked = {job_id for mark, ids in alike.items() for job_id in _mark(mark, ids)}
    return [mark.job_id in marked for mark in marks]


def _mark(mark: Mark, job_ids: Sequence[int]) -> list[int]:
    these, ids = among("id", job_ids)
    decided, tenant_ids = among("id", mark.tenant_ids)
    stopped, connection_ids = sharing.stopped([mark.connection])
    sql = f"""UPDATE mailjobs_mailjob SET on_wire_at = {now_sql()}, unknown_policy = %s
        WHERE {these} AND epoch = %s AND state = 'sending' AND lease_until > {now_sql()}
        AND (SELECT SUM(policy_epoch) FROM mailsettings_tenant WHERE {decided}) = %s
        AND NOT EXISTS (SELECT 1 FROM mailjobs_sharedconnection WHERE {stopped})
        AND COALESCE((SELECT name FROM mailsettings_installation ORDER BY id LIMIT 1), %s) = %s"""
    here = [settings.INSTALLATION_ID] * 2
    return changed(sql, [mark.unknown_policy, *ids, mark.epoch, *tenant_ids, mark.policy_stamp, *connection_ids, *here])


def policy_epochs(chains: Iterable[tuple[int, ...]]) -> dict[int, int]:
    """Tenant → policy epoch, of tenants and their firms (last of each chain). Needs a transaction: a change of policies under way
    is waited for, and one that follows waits until the transaction ends.
    """
    known = set(chains)
    policy_lock.share(chain[-1] for chain in known)
    return epochs_now({tenant for chain in known for tenant in chain})


def epochs_now(tenant_ids: Iterable[int]) -> dict[int, int]:
    """Tenant → policy epoch at this moment."""
    these, parameters = among("id", tenant_ids)
    return dict(read(f"SELECT id, policy_epoch FROM mailsettings_tenant WHERE {these}", parameters))


def give_back(job_ids: Sequence[int], worker: str) -> None:
    """Leased jobs that were not tried → `new`, to be taken again as soon as their connection allows."""
    mine = MailJob.objects.filter(pk__in=job_ids, state=StateChoices.SENDING, leased_by=worker, on_wire_at__isnull=True)
    mine.update(state=StateChoices.NEW, lease_until=None, leased_by="")


def take_back(owed: Sequence[Owed], worker: str) -> None:
    """Leased jobs of which nothing was sent → `new`, even where they are marked to be on the wire: this worker knows better."""
    groups: dict[int, list[int]] = defaultdict(list)
    for item in owed:
        groups[item.epoch].append(item.job_id)
    for epoch, ids in groups.items():
        mine = MailJob.objects.filter(pk__in=ids, epoch=epoch, state=StateChoices.SENDING, leased_by=worker)
        mine.update(state=StateChoices.NEW, lease_until=None, leased_by="", on_wire_at=None)
    sharing.end_uses([item.use for item in owed if item.use is not None])


def wait_for_login(job_ids: Sequence[int], worker: str) -> None:
    """Leased jobs whose login was refused with just these settings → `new`; where others may use the connection, for a minute."""
    open_connections = SharedConnection.objects.filter(paused_at=None).values("pk")
    mine = MailJob.objects.filter(pk__in=job_ids, state=StateChoices.SENDING, leased_by=worker, on_wire_at__isnull=True)
    mine.filter(connection__in=open_connections).update(
        state=StateChoices.NEW, lease_until=None, leased_by="", due_at=Now() + timedelta(minutes=1)
    )
    give_back(job_ids, worker)


def point_to(connections: Mapping[int, int]) -> None:
    """Job → the connection by which it goes as the settings are now, where that is another than the queue knew."""
    groups: dict[int, list[int]] = defaultdict(list)
    for job_id, connection_id in connections.items():
        groups[connection_id].append(job_id)
    for connection_id, ids in groups.items():
        MailJob.objects.filter(pk__in=ids).update(connection=connection_id)


def requeue(rows: QuerySet[MailJob], *, confirm_unknown: bool) -> Requeued:
    """*Sendestatus zurückstellen*: → `new`, accepted recipients aside; the logins they failed at are tried again."""
    states = REQUEUEABLE_STATES if confirm_unknown else tuple(set(REQUEUEABLE_STATES) - {StateChoices.UNKNOWN})
    found = {pk: (state, connection) for pk, state, connection in rows.values_list("pk", "state", "connection")}
    ids = [pk for pk, (state, _connection) in found.items() if state in states]
    paused = {connection for state, connection in found.values() if connection and state in states}
    sharing.release(SharedConnection.objects.filter(pk__in=paused, paused_at__isnull=False).values_list("pk", flat=True))
    MailJob.objects.filter(pk__in=ids, state=StateChoices.UNKNOWN).update(possible_duplicate=True)
    MailJob.objects.filter(pk__in=ids, state__in=states).update(
        state=StateChoices.NEW,
        due_at=Now(),
        first_due_at=Now(),
        finished_at=None,
        delay_notified=False,
        lost_leases=0,
        direct=False,
    )
    JobRecipient.objects.filter(job__in=ids).exclude(state=RecipientStateChoices.ACCEPTED).update(
        state=RecipientStateChoices.PENDING, reply=""
    )
    incidents.close_where_settled(ids)
    unknown = sum(state == StateChoices.UNKNOWN for state, _connection in found.values()) if not confirm_unknown else 0
    return Requeued(tuple(ids), unknown, len(found) - len(ids) - unknown)


def cancel(rows: QuerySet[MailJob]) -> list[MailJob]:
    """`new`, `held`, `deferred` → `cancelled`; returns the jobs that were."""
    waiting = rows.filter(state__in=(*WAITING_STATES, StateChoices.HELD)).select_related("user")
    jobs = {job.pk: job for job in waiting}
    still = MailJob.objects.filter(pk__in=jobs, state__in=(*WAITING_STATES, StateChoices.HELD))
    done = update_returning(still, state=StateChoices.CANCELLED, finished_at=Now(), held_reason="", held_for="")
    return [jobs[pk] for pk in sorted(done, reverse=True)]


def anything_left() -> bool:
    """Whether something is due now or leased by anybody; in a copied database nothing is (U5).

    A connection that only waits for its own limit per minute counts as due.
    """
    if copied_from() is not None:
        return False
    if due().exists() or MailJob.objects.filter(state=StateChoices.SENDING).exists():
        return True
    paced = SharedConnection.objects.filter(blocked_until__gt=Now(), block_reason=BlockReason.PER_MINUTE, paused_at=None)
    return _waiting().filter(due_at__lte=Now(), connection__in=paced.values("pk")).exists()


def on_wire(tenant_ids: Iterable[int]) -> set[tuple[int, int]]:
    """(job, epoch) of the mails of these tenants, and of their Com customers, that are on the wire, drafts among them (U2)."""
    rows = MailJob.objects.filter(Q(tenant__in=tenant_ids) | Q(tenant__firm__in=tenant_ids))
    mails = rows.filter(state=StateChoices.SENDING, on_wire_at__isnull=False)
    return set(mails.values_list("pk", "epoch")) | draft_queue.on_wire(tenant_ids)


def _waiting() -> QuerySet[MailJob]:
    return MailJob.objects.filter(state__in=WAITING_STATES)


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _leased(worker: str) -> dict[str, Any]:
    return {
        "state": StateChoices.SENDING,
        "epoch": F("epoch") + 1,
        "leased_by": worker,
        "lease_until": _lease_end(),
        "on_wire_at": None,
    }


# PostgreSQL looks up the first mail of each tenant, connection and lane in the index and jumps from one to the next, so that it
# matters little how many wait. Both statements lean on the index mail_job_turns.
_PLACE = "state IN ('new', 'deferred')"
_GROUPS = f"""
WITH RECURSIVE turns AS (
  (SELECT tenant_id, COALESCE(connection_id, 0) AS connection, lane FROM mailjobs_mailjob WHERE {_PLACE}
   ORDER BY tenant_id, COALESCE(connection_id, 0), lane LIMIT 1)
  UNION ALL
  SELECT following.* FROM turns, LATERAL (
    SELECT tenant_id, COALESCE(connection_id, 0), lane FROM mailjobs_mailjob
    WHERE {_PLACE} AND (tenant_id, COALESCE(connection_id, 0), lane) > (turns.tenant_id, turns.connection, turns.lane)
    ORDER BY tenant_id, COALESCE(connection_id, 0), lane LIMIT 1) AS following
)
SELECT tenant_id, connection, lane, (
  SELECT count(*) FROM (SELECT FROM mailjobs_mailjob AS job WHERE {_PLACE} AND job.tenant_id = turns.tenant_id
  AND COALESCE(job.connection_id, 0) = turns.connection AND job.lane = turns.lane
  AND due_at <= STATEMENT_TIMESTAMP() LIMIT %s) AS counted)
FROM turns
"""
_CLAIM = f"""
WITH chosen AS (
  SELECT job.id FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS shares(tenant_id, connection, lane, count),
  LATERAL (SELECT id FROM mailjobs_mailjob AS waiting WHERE {_PLACE} AND waiting.tenant_id = shares.tenant_id
    AND COALESCE(waiting.connection_id, 0) = shares.connection AND waiting.lane = shares.lane AND due_at <= STATEMENT_TIMESTAMP()
    ORDER BY due_at, id LIMIT shares.count FOR UPDATE SKIP LOCKED) AS job
)
UPDATE mailjobs_mailjob AS job SET state = 'sending', epoch = epoch + 1, leased_by = %s, on_wire_at = NULL,
  lease_until = STATEMENT_TIMESTAMP() + make_interval(secs => %s)
FROM chosen WHERE job.id = chosen.id RETURNING {", ".join(f"job.{name}" for name in _CLAIMED)}
"""


def _groups(room: int) -> list[Group]:
    """The tenants, connections and lanes with due mail, each with how many, counted no further than there is room."""
    if connection.vendor == "postgresql":
        found = read(_GROUPS, [room])
    else:
        rows = _waiting().filter(due_at__lte=Now()).order_by()
        named = rows.values("tenant", place=Coalesce("connection", 0), way=F("lane")).annotate(count=Count("pk"))
        found = list(named.values_list("tenant", "place", "way", "count"))
    return [Group(tenant, place, Lane(lane), count) for tenant, place, lane, count in found if count]


def _claim_shares(worker: str, shares: Sequence[tuple[Group, int]]) -> list[MailJob]:
    if connection.vendor == "postgresql":
        columns = zip(*((group.tenant, group.connection, int(group.lane), count) for group, count in shares), strict=True)
        rows = read(_CLAIM, [*map(list, columns), worker, float(settings.LEASE_SECONDS)])
        return sorted((MailJob.from_db(connection.alias, _CLAIMED, row) for row in rows), key=attrgetter("due_at", "pk"))
    wanted: list[int] = []
    for group, count in shares:
        due_now = _waiting().filter(
            tenant=group.tenant, connection=group.connection or None, lane=int(group.lane), due_at__lte=Now()
        )
        wanted += due_now.order_by("due_at", "pk").values_list("pk", flat=True)[:count]
    return _claimed(update_returning(_waiting().filter(pk__in=wanted), **_leased(worker)))


def _claimed(ids: Sequence[int]) -> list[MailJob]:
    return list(MailJob.objects.filter(pk__in=ids).only(*_CLAIMED).order_by("due_at", "pk")) if ids else []
