"""Claimed jobs → hand-overs: to whom each mail still goes, its bytes, redirect applied in front of every transport."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Min

from mailjobs import queue, sharing
from mailjobs.core.envelope import Envelope
from mailjobs.core.mime import Base64Lines, body_parts
from mailjobs.core.redirect import rewrite
from mailjobs.judging import Barred, Held, originals_of
from mailjobs.models import WAITING_STATES, MailJob, RecipientStateChoices, SharedConnection
from mailjobs.routing import Broken, Route, Settings, route_of
from mailjobs.rows import read
from mailsettings.core.addresses import parse_recipient

SMALL = 256 * 1024  # octets of a mail that is read before its turn
READ_AHEAD = 4 * 1024 * 1024  # octets of a batch, after which the others are read when their turn comes near


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail that can go."""

    job: MailJob
    route: Route
    connection: int  # id of the `SharedConnection`
    envelope: Envelope
    open_recipients: tuple[str, ...]  # the job's; with redirect others than the envelope's
    recipients: tuple[str, ...]  # all of the job's
    parts: tuple[bytes | Base64Lines, ...] = field(default=(), repr=False, compare=False)  # as it goes over the wire, if read yet
    accepted_before: int = 0  # how many recipients earlier tries settled
    refused_before: int = 0

    @property
    def may_be_read_early(self) -> bool:
        """Before its turn: not what is large, nor what may have cost a worker."""
        return self.job.size <= SMALL and not self.job.lost_leases


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that goes back: its login is paused (J8)."""

    job: MailJob
    connection: int


Prepared = Ready | Barred | Waiting | Held | Broken


def take(settings: Settings, worker: str, room: int, *, turn: int, held: Mapping[int, int]) -> list[Prepared]:
    """Claim due mails, decide how each of them leaves now, and read those that are small."""
    return _with_parts(prepare(queue.claim(worker, room, turn=turn, held=held), settings))


def take_these(settings: Settings, worker: str, ids: Sequence[int]) -> list[Prepared]:
    """The same for exactly these, direct ones."""
    return _with_parts(prepare(queue.claim_these(worker, ids), settings))


def _with_parts(prepared: list[Prepared]) -> list[Prepared]:
    small, octets = [], 0
    for item in prepared:
        if isinstance(item, Ready) and item.may_be_read_early and octets <= READ_AHEAD:
            small.append(item)
            octets += item.job.size
    if not small:
        return prepared
    read_now = {item.job.pk: item for item in _loaded(small)}
    return [read_now.get(item.job.pk, item) for item in prepared]


def prepare(jobs: Sequence[MailJob], settings: Settings | None = None) -> list[Prepared]:
    """Decide how each claimed job leaves now."""
    if not jobs:
        return []
    settings = settings or Settings()
    settings.refresh(jobs)
    recipients: dict[int, dict[str, str]] = defaultdict(dict)
    for job_id, _id, address, state in sorted(_rows(_RECIPIENTS, [job.pk for job in jobs]), key=_IN_ORDER):
        recipients[job_id][address] = state
    routes = [route_of(settings, job) for job in jobs]
    connections = settings.connections_of({route.login for route in routes if isinstance(route, Route)})
    refused = sharing.refused_settings(connections.values())
    prepared = [_prepared(job, route, connections, refused, recipients[job.pk]) for job, route in zip(jobs, routes, strict=True)]
    elsewhere = {
        item.job.pk: item.connection
        for item in prepared
        if isinstance(item, (Ready, Waiting)) and item.job.connection_id != item.connection
    }
    if elsewhere:
        queue.point_to(elsewhere)
    return prepared


def load(items: Sequence[Ready], settings: Settings | None = None) -> list[Prepared]:
    """The mails as they go over the wire, decided anew where a policy has changed since they were prepared.

    `mark_on_wire` judges once more, but can only break the connection off, mail after mail.
    """
    return _loaded(_renew(items, settings or Settings()))


def _loaded(items: Sequence[Prepared]) -> list[Prepared]:
    ready = [item.job.pk for item in items if isinstance(item, Ready)]
    mails = {key: (headers, body) for key, headers, body in _rows(_MAILS, ready)}
    files: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for key, offset, data in sorted(_rows(_FILES, ready), key=_IN_ORDER):
        files[key].append((offset, bytes(data)))
    return [_load(item, mails, files) if isinstance(item, Ready) else item for item in items]


_IN_ORDER = itemgetter(0, 1)  # of the job's recipients, or files
_RECIPIENTS = "SELECT job_id, id, address, state FROM mailjobs_jobrecipient WHERE job_id"
_MAILS = "SELECT job_id, headers, body FROM mailjobs_frozenmail WHERE job_id"
_FILES = """SELECT file.job_id, file."offset", content.data FROM mailjobs_frozenattachment AS file
JOIN mailjobs_content AS content ON content.id = file.content_id WHERE file.job_id"""


def _rows(sql: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    if not ids:
        return []
    if connection.vendor == "postgresql":
        found = read(f"{sql} = ANY(%s)", [list(ids)])
    else:
        found = read(f"{sql} IN ({', '.join(['%s'] * len(ids))})", list(ids))
    return found


def _load(ready: Ready, mails: Mapping[int, tuple[bytes, bytes]], files: Mapping[int, list[tuple[int, bytes]]]) -> Prepared:
    """With redirect only the headers differ from the frozen ones (J10, U1)."""
    try:
        headers, body = map(bytes, mails[ready.job.pk])
        if ready.route.redirected_to is not None:
            headers = rewrite(headers, ready.route.redirected_to, originals_of(ready.job))
    except DatabaseError:
        raise
    except Exception as error:
        return Broken(ready.job, error)
    return replace(ready, parts=(headers, b"\r\n", *body_parts(body, files.get(ready.job.pk, ()))))


def _renew(items: Sequence[Ready], settings: Settings) -> list[Prepared]:
    epochs = queue.epochs_now({tenant for item in items for tenant in item.route.tenant_ids})
    stale = [item.job.pk for item in items if sum(epochs[tenant] for tenant in item.route.tenant_ids) != item.route.policy_stamp]
    if not stale:
        return list(items)
    jobs = list(MailJob.objects.filter(pk__in=stale))
    fresh = {item.job.pk: item for item in prepare(jobs, settings)}
    return [_same_lease(item, fresh.get(item.job.pk)) for item in items]


def _same_lease(item: Ready, fresh: Prepared | None) -> Prepared:
    """What was decided anew, unless somebody else has the job by now: then the mark refuses what was decided before."""
    return fresh if fresh is not None and fresh.job.epoch == item.job.epoch else item


def look_again() -> None:
    """Where a login is paused but the settings have changed since, let its mails try again (J8).

    One mail of each kind that waits is looked at; those that would go otherwise now are taken for their new connection.
    """
    for shared in SharedConnection.objects.filter(paused_at__isnull=False):
        waiting = MailJob.objects.filter(state__in=WAITING_STATES, connection=shared)
        kind = ("user", "print_model", "account", "sender_level", "sender_origin")
        firsts = waiting.order_by().values(*kind).annotate(first=Min("pk")).values_list("first", flat=True)[:200]
        for item in prepare_unclaimed(firsts):
            if not isinstance(item, Ready):
                continue
            if item.connection == shared.pk:
                sharing.unpause(shared.pk)
                break
            same = {name: getattr(item.job, f"{name}_id" if name in kind[:3] else name) for name in kind}
            waiting.filter(**same).update(connection=item.connection)


def prepare_unclaimed(ids: Iterable[int]) -> list[Prepared]:
    """How these mails would leave now; nobody has leased them."""
    return prepare(list(MailJob.objects.filter(pk__in=list(ids))))


def _prepared(
    job: MailJob,
    route: Route | Barred | Held | Broken,
    connections: Mapping[str, int],
    refused: Mapping[int, str],
    recipients: dict[str, str],
) -> Prepared:
    if not isinstance(route, Route):
        return route
    connection_id = connections[route.login]
    if refused.get(connection_id) == route.fingerprint:
        return Waiting(job, connection_id)
    states = list(recipients.values())
    settled = (RecipientStateChoices.ACCEPTED, RecipientStateChoices.REFUSED)
    still_open = tuple(address for address, state in recipients.items() if state not in settled)
    goes_to = still_open if route.redirected_to is None else tuple(dict.fromkeys(map(_bare, route.redirected_to)))
    return Ready(
        job=job,
        route=route,
        connection=connection_id,
        envelope=Envelope(job.sender_address, goes_to),
        open_recipients=still_open,
        recipients=tuple(recipients),
        accepted_before=states.count(RecipientStateChoices.ACCEPTED),
        refused_before=states.count(RecipientStateChoices.REFUSED),
    )


def _bare(address: str) -> str:
    return parse_recipient(address).address
