"""How mail has gone lately, in numbers for pictures: handed over, failed, waiting over time, age of the queue, causes of failure.

Rows are found by their ids from the moment on (`parts.first_at`), then counted in the database; each picture is one query.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max, Q, QuerySet
from django.db.models.functions import Left, TruncDay, TruncHour
from django.utils import timezone

from mailjobs.models import WAITING_STATES, LogOutcome, MailJob, MailLogEntry, StateChoices
from mailjobs.parts import first_at
from mailjobs.selectors import jobs_visible_to, log_visible_to
from mailsettings.models import User

MOST = 10  # senders and causes
_AROUND = timedelta(minutes=10)  # by which ids may be in another order than their times
_LONGEST_WAIT = timedelta(days=2)  # of a mail that ends within the time looked at, usually
_CODE = 9  # characters of an error: reply code and enhanced status code
_BAD = (LogOutcome.FAILED, LogOutcome.REFUSED, LogOutcome.UNKNOWN)
_GOOD = (LogOutcome.HANDED_OVER, LogOutcome.PARTLY)
_PENDING = (*WAITING_STATES, StateChoices.SENDING, StateChoices.HELD)


class Period(StrEnum):
    """How far back, and in what steps."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def steps(self) -> int:
        return {Period.DAY: 24, Period.WEEK: 7, Period.MONTH: 30}[self]

    @property
    def step(self) -> timedelta:
        return timedelta(hours=1) if self is Period.DAY else timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One hour or day: `waiting` at its end, `seconds` from taken in to finished on average, None where nothing was finished."""

    start: datetime
    sent: int
    failed: int
    waiting: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """Handed over and failed of one tenant or sender."""

    name: str
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures whose errors begin alike; `example` is one of the log lines."""

    code: str
    count: int
    example: MailLogEntry | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All pictures of one period."""

    steps: Sequence[Step]
    tenants: Sequence[Share]
    senders: Sequence[Share]
    causes: Sequence[Cause]
    ages: Mapping[int, int]  # minutes that the waiting have waited for at most (0: longer than all) → how many


AGES = (1, 15, 60, 360, 1440)  # minutes


def figures_of(reader: User, period: Period, tenant: str = "") -> Figures:
    """What this reader may see, of one tenant if its ID is given."""
    starts = _starts(period)
    of_tenant = Q(tenant__slug=tenant) if tenant else Q()
    log = _since(log_visible_to(reader).filter(of_tenant), "at", starts[0])
    jobs = jobs_visible_to(reader).filter(of_tenant)
    return Figures(
        _steps(log, jobs, period, starts),
        _shares(log, "tenant__name"),
        _shares(log, "sender_address"),
        _causes(log),
        _ages(jobs),
    )


def _starts(period: Period) -> list[datetime]:
    now = timezone.localtime()
    last = now.replace(minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return [last - n * period.step for n in reversed(range(period.steps))]
    days = [now.date() - timedelta(days=n) for n in reversed(range(period.steps))]
    return [timezone.make_aware(datetime.combine(day, datetime.min.time())) for day in days]


def _since(rows: QuerySet[Any], column: str, moment: datetime) -> QuerySet[Any]:
    first = first_at(rows.model, column, moment - _AROUND)
    return rows.none() if first is None else rows.filter(pk__gte=first, **{f"{column}__gte": moment}).order_by()


def _steps(log: QuerySet[Any], jobs: QuerySet[MailJob], period: Period, starts: Sequence[datetime]) -> list[Step]:
    trunc = TruncHour if period is Period.DAY else TruncDay
    counted = log.annotate(step=trunc("at")).values("step")
    sent = {row["step"]: row for row in counted.annotate(good=Count("pk", _of(_GOOD)), bad=Count("pk", _of(_BAD)))}
    created = _counts(_since(jobs, "created_at", starts[0]), trunc("created_at"))
    ended = _since(jobs, "created_at", starts[0] - _LONGEST_WAIT).filter(finished_at__gte=starts[0])
    wait = ExpressionWrapper(F("finished_at") - F("created_at"), DurationField())
    finished = {
        row["step"]: row
        for row in ended.annotate(step=trunc("finished_at")).values("step").annotate(count=Count("pk"), wait=Avg(wait))
    }
    waiting = jobs.filter(state__in=_PENDING).order_by().count()
    steps = []
    for start in reversed(starts):  # from now back: what came is taken off, what ended is put back
        counts, ends = sent.get(start, {}), finished.get(start, {})
        wait_of = ends["wait"].total_seconds() if ends.get("wait") is not None else None
        steps.append(Step(start, counts.get("good", 0), counts.get("bad", 0), waiting, wait_of))
        waiting = max(waiting - created[start] + ends.get("count", 0), 0)
    return steps[::-1]


def _of(outcomes: Sequence[LogOutcome]) -> Any:
    return Q(outcome__in=outcomes)


def _counts(rows: QuerySet[Any], step: Any) -> Counter[datetime]:
    return Counter(dict(rows.annotate(step=step).values_list("step").annotate(Count("pk"))))


def _shares(log: QuerySet[Any], column: str) -> list[Share]:
    counted = (
        log.exclude(**{column: ""})
        .values(column)
        .annotate(good=Count("pk", _of(_GOOD)), bad=Count("pk", _of(_BAD)), all=Count("pk"))
    )
    return [Share(row[column], row["good"], row["bad"]) for row in counted.order_by("-all", column)[:MOST]]


def _causes(log: QuerySet[Any]) -> list[Cause]:
    bad = log.filter(outcome__in=_BAD).exclude(error="")
    counted = bad.annotate(code=Left("error", _CODE)).values("code").annotate(count=Count("pk"), last=Max("pk"))
    found = list(counted.order_by("-count", "code")[:MOST])
    examples = MailLogEntry.objects.select_related("job__decision").in_bulk([row["last"] for row in found])
    return [Cause(row["code"], row["count"], examples.get(row["last"])) for row in found]


def _ages(jobs: QuerySet[MailJob]) -> dict[int, int]:
    now = timezone.now()
    due = jobs.filter(state__in=(*WAITING_STATES, StateChoices.SENDING)).order_by()
    limits = [0, *AGES]
    wanted = {}
    for low, high in pairwise(limits):
        younger = Q(created_at__gt=now - timedelta(minutes=high))
        wanted[f"upto_{high}"] = Count("pk", filter=younger & Q(created_at__lte=now - timedelta(minutes=low)) if low else younger)
    wanted["upto_0"] = Count("pk", filter=Q(created_at__lte=now - timedelta(minutes=AGES[-1])))
    counts = due.aggregate(**wanted)
    return {minutes: counts[f"upto_{minutes}"] for minutes in (*AGES, 0)}
