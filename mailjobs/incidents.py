"""Incidents: failures of one cause at one tenant, counted while they come, closed when the cause is over (J8)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from mailjobs.core.incidents import OF_CONNECTION, cause_of
from mailjobs.models import Incident, InternalMessage, MailJob, StateChoices
from mailjobs.remedies import reason_of
from mailjobs.rows import update_returning

OPEN_STATES = (StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN)
_ROUNDS = 3  # of counting: somebody else may close an incident between two statements
QUIET = timedelta(minutes=1)
_LEFT = Exists(InternalMessage.objects.filter(incident=OuterRef("pk"), job__state__in=OPEN_STATES))
_Key = tuple[int, str]  # tenant, cause


class Failure(NamedTuple):
    """A mail that failed, was partly sent, or is uncertain."""

    job: MailJob
    state: StateChoices
    reason: str  # a `ReplyClass`, empty where it is only known from the error
    error: str


def count(failures: Sequence[Failure]) -> list[int | None]:
    """Count failures to the incidents of their causes, opened where they are new; returns each one's incident.

    A few statements however many mails have failed. Needs a transaction.
    """
    keys = [_key(failure) for failure in failures]
    groups: dict[_Key, list[Failure]] = defaultdict(list)
    for key, failure in zip(keys, failures, strict=True):
        groups[key].append(failure)
    counted: dict[_Key, int] = {}
    for _round in range(_ROUNDS):
        left = {key: group for key, group in groups.items() if key not in counted}
        if not left:
            break
        counted |= _count(left)
    return [counted.get(key) for key in keys]


def open_of_connection(tenant: int, connection: int, reason: str, error: str) -> int | None:
    """Open the incident of what a connection does to all its mails before one has failed; None where it is open already."""
    cause = cause_of(reason, state=StateChoices.FAILED, connection=connection, error=error, sender="")
    if Incident.objects.filter(tenant=tenant, cause=cause, closed_at=None).exists():
        return None
    made = Incident(tenant_id=tenant, cause=cause, reason=reason, connection_id=connection, error=error)
    Incident.objects.bulk_create([made], ignore_conflicts=True)
    return Incident.objects.filter(tenant=tenant, cause=cause, closed_at=None).values_list("pk", flat=True).first()


def close_of_connection(connection: int) -> None:
    """The login works again: what failed because of it later is another incident."""
    Incident.objects.filter(connection=connection, closed_at=None, reason__in=OF_CONNECTION).update(closed_at=Now())


def close_where_settled(job_ids: Sequence[int]) -> None:
    """These mails have been reset, or settled by a person: incidents without any open mail are over."""
    concerned = InternalMessage.objects.filter(job__in=job_ids, incident__isnull=False).values("incident")
    incidents = Incident.objects.filter(Q(pk__in=concerned), ~_LEFT, closed_at=None)
    ids = sorted(incidents.values_list("pk", flat=True))
    Incident.objects.filter(pk__in=ids, closed_at=None).update(closed_at=Now())


def close_healed() -> None:
    """Uncertain mails that late replies have settled: their incidents are over, once nothing new has come for a while."""
    quiet = Incident.objects.filter(closed_at=None, last_at__lt=Now() - QUIET, cause__startswith="unknown ")
    quiet.filter(~_LEFT).update(closed_at=Now())


def jobs_of(incident: Incident) -> QuerySet[MailJob]:
    """The mails that failed last in this incident and are still as they were left."""
    later = InternalMessage.objects.filter(job=OuterRef("job"), pk__gt=OuterRef("pk"), incident__isnull=False)
    letters = InternalMessage.objects.filter(~Exists(later.exclude(incident=incident.pk)), incident=incident.pk)
    return MailJob.objects.filter(pk__in=letters.exclude(kind=InternalMessage.Kind.DELAYED).values("job"), state__in=OPEN_STATES)


def kind_of(incident: Incident) -> InternalMessage.Kind:
    """What its mails are: uncertain, partly sent, or failed."""
    beginning = incident.cause.partition(" ")[0]
    found = {"unknown": InternalMessage.Kind.UNKNOWN, "partly": InternalMessage.Kind.PARTLY}
    return found.get(beginning, InternalMessage.Kind.FAILED)


def open_at(tenant_ids: Iterable[int], connections: Iterable[int]) -> dict[tuple[int, int], int]:
    """(tenant, connection) → the open incident of what that connection does to all its mails."""
    rows = Incident.objects.filter(tenant__in=set(tenant_ids), connection__in=set(connections), closed_at=None)
    found = rows.filter(reason__in=OF_CONNECTION).order_by("pk").values_list("tenant_id", "connection_id", "pk")
    return {(tenant, connection): pk for tenant, connection, pk in found if connection}


def _key(failure: Failure) -> _Key:
    job = failure.job
    cause = cause_of(
        _reason(failure), state=failure.state, connection=job.connection_id, error=failure.error, sender=job.sender_address
    )
    return job.tenant_id, cause


def _reason(failure: Failure) -> str:
    return failure.reason or (reason_of(failure.error, sender=failure.job.sender_address) or "")


def _count(groups: dict[_Key, list[Failure]]) -> dict[_Key, int]:
    """The incidents that were still open. Counted in one order always, so that no two workers wait for each other."""
    found = _open(groups)
    if missing := sorted(groups.keys() - found.keys()):
        Incident.objects.bulk_create([_new(key, groups[key][-1]) for key in missing], ignore_conflicts=True)
        found |= _open(missing)
    counted = {}
    for key, pk in sorted(found.items(), key=lambda item: item[1]):
        still = Incident.objects.filter(pk=pk, closed_at=None)
        if update_returning(still, failures=F("failures") + len(groups[key]), error=groups[key][-1].error, last_at=Now()):
            counted[key] = pk
    return counted


def _open(keys: Iterable[_Key]) -> dict[_Key, int]:
    wanted = set(keys)
    rows = Incident.objects.filter(
        closed_at=None, tenant__in={tenant for tenant, _cause in wanted}, cause__in={cause for _tenant, cause in wanted}
    )
    found = {(tenant, cause): pk for tenant, cause, pk in rows.order_by().values_list("tenant_id", "cause", "pk")}
    return {key: pk for key, pk in found.items() if key in wanted}


def _new(key: _Key, failure: Failure) -> Incident:
    return Incident(
        tenant_id=key[0], cause=key[1], reason=_reason(failure), connection_id=failure.job.connection_id, error=failure.error
    )
