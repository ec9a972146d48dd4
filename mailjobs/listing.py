"""The lists of mail jobs and of the log, a page at a time; they cost the same however many rows there are (ui 1).

What no index finds (a word, an error) is looked for in so many rows at once; the page says how far back that was.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict
from django.utils.formats import localize

from mailjobs.filters import (
    MOST_ID,
    ROWS,
    Page,
    Search,
    address,
    cursors_of,
    days_of,
    jobs_among,
    log_among,
    narrow_jobs,
    narrow_log,
    page_of,
)
from mailjobs.models import OPEN_STATES, LogOutcome, MailJob, MailLogEntry
from mailjobs.parts import Order, Part, Source, Span, counted, first_at, first_ids, open_only, some_of_each
from mailjobs.search_terms import jobs_with
from mailjobs.selectors import jobs_visible_to, log_visible_to, reach_of
from mailsettings.models import Tenant, User

Row = TypeVar("Row", bound=Model)
MOST = 1_000  # of one tab; further is not counted
LOOKED_AT = 1_000  # rows in which it is looked for what no index finds, to answer at once
FURTHER_AT_ONCE = 100_000  # when somebody wants it to be looked further back
AT_ONCE = 500  # rows in memory, where all are wanted
MOST_AT_ONCE = 30_000  # rows whose time is looked at, where that is all there is to look for
_AROUND = timedelta(minutes=10)  # by which the ids of rows may be in another order than their times


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, or at least how many."""

    number: int = 0
    more: bool = False

    def __str__(self) -> str:
        return f"{localize(self.number, use_l10n=True)}{'+' if self.more else ''}"

    def __bool__(self) -> bool:
        return self.number > 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.number + other.number, self.more or other.more)


@dataclass(frozen=True, slots=True)
class Listed(Generic[Row]):
    """A page, and how many rows there are in each state; `looked_back_to`: rows older than that were not looked at."""

    page: Page[Row]
    looked_back_to: datetime | None = None
    counts: Mapping[str, Count] = field(default_factory=dict)

    @property
    def total(self) -> Count:
        return sum(self.counts.values(), Count())


@dataclass(frozen=True, slots=True)
class _List(Generic[Row]):
    """Rows in parts; `among` gives those of some rows that match, None where all do. `whole`: the rows as a page shows them."""

    source: Source[Row]
    whole: QuerySet[Row]
    time: str  # the column that says when
    among: Callable[[Sequence[int]], list[int]] | None
    looked_at: int | None  # in how many rows, None for as many as it takes
    known: Sequence[int] = ()  # rows that match, wherever they are

    def page(self, data: QueryDict) -> Listed[Row]:
        """The page that the cursors in the address ask for."""
        before, after = cursors_of(data)
        if after is not None:
            return self._upwards(data, *self._found(self.source.span.down_to(after), Order.OLDEST), after)
        return self.downwards(data, *self._found(self.source.span.up_to(before), Order.NEWEST))

    def downwards(self, data: QueryDict, found: Sequence[int], end: int | None) -> Listed[Row]:
        """A page of what was found, newest first; `end`: the row at which it was no longer looked."""
        before, _after = cursors_of(data)
        shown, more = found[:ROWS], len(found) > ROWS
        newer = address(data, before=None, after=str(shown[0] if shown else before - 1)) if before is not None else ""
        if more or end is None:
            return Listed(Page(self._in_order(shown), newer, address(data, before=str(shown[-1])) if more else ""))
        further = address(data, before=str(end + 1), further="1")
        when = self.source.rows.filter(pk=end).values_list(self.time, flat=True).first()
        return Listed(Page(self._in_order(shown), newer, further), when)

    def _upwards(self, data: QueryDict, found: Sequence[int], end: int | None, after: int) -> Listed[Row]:
        shown = found[:ROWS][::-1]
        newest = shown[0] if len(found) > ROWS else end - 1 if end is not None else None
        newer = address(data, after=str(newest)) if newest is not None else ""
        older = address(data, after=None, before=str(shown[-1] if shown else after + 1))
        return Listed(Page(self._in_order(shown), newer, older))

    def _found(self, span: Span, order: Order) -> tuple[list[int], int | None]:
        """The first rows that match, one more than a page has, and the row at which it was no longer looked, if there is one."""
        source = replace(self.source, span=span)
        if self.among is None:
            return first_ids(source, ROWS + 1, order), None
        if self.looked_at is None:
            return self._all_found(source, self.among, order), None
        ids = first_ids(source, self.looked_at + 1, order)
        end = ids[-1] if len(ids) > self.looked_at else None
        found = {*_first_among(ids[: self.looked_at], self.among)}
        found |= {pk for pk in self.known if span.above < pk < span.below}
        return sorted(found, reverse=order is Order.NEWEST)[: ROWS + 1], end

    def _all_found(self, source: Source[Row], among: Callable[[Sequence[int]], list[int]], order: Order) -> list[int]:
        """Nearly all rows match, but for those at the ends of the span."""
        found: list[int] = []
        size = ROWS + 1
        while True:
            ids = first_ids(source, size, order)
            found += _first_among(ids, among)
            if len(found) > ROWS or len(ids) < size:
                return found
            span = source.span.up_to(ids[-1]) if order is Order.NEWEST else source.span.down_to(ids[-1])
            source, size = replace(source, span=span), min(size * 10, MOST_AT_ONCE)

    def every(self) -> Iterator[Row]:
        """All rows that match, newest first, however far back; a few hundred in memory."""
        source = self.source
        while ids := first_ids(source, LOOKED_AT):
            found = ids if self.among is None else self.among(ids)
            for start in range(0, len(found), AT_ONCE):
                yield from self._in_order(found[start : start + AT_ONCE])
            source = replace(source, span=source.span.up_to(ids[-1]))

    def _in_order(self, ids: Sequence[int]) -> list[Row]:
        rows = self.whole.in_bulk(ids)
        return [rows[key] for key in ids if key in rows]


def list_jobs(reader: User, search: Search, data: QueryDict) -> Listed[MailJob]:
    """The open jobs that match; the counts are of all states, whichever is shown."""
    whole = _whole_jobs()
    if search.by_index:
        return _few_jobs(reader, search, data, whole)
    source, here = _jobs(reader, search, data, whole)
    if not search.needs_looking:
        return replace(here.page(data), counts=_counts(source, search))
    top = first_ids(source, LOOKED_AT + 1)
    states = dict(jobs_among(search, [*top[:LOOKED_AT], *(pk for pk in here.known if pk not in top[:LOOKED_AT])]))
    end = top[-1] if len(top) > LOOKED_AT else None
    counts = {state: Count(number, more=end is not None) for state, number in Counter(states.values()).items()}
    if cursors_of(data) != (None, None):
        return replace(here.page(data), counts=counts)
    found = sorted((key for key, state in states.items() if search.state in ("", state)), reverse=True)
    return replace(here.downwards(data, found, end), counts=counts)


def every_job(reader: User, search: Search) -> Iterator[MailJob]:
    """All open jobs that match, newest first, a few hundred in memory."""
    whole = _whole_jobs()
    if search.by_index:
        rows = _rows_by_index(reader, search)
        yield from _pages_of(whole.filter(pk__in=rows.filter(state=search.state) if search.state else rows))
        return
    yield from _jobs(reader, search, QueryDict(), whole)[1].every()


def list_log(reader: User, search: Search, data: QueryDict) -> Listed[MailLogEntry]:
    """The lines of the log that match; they are not counted."""
    if search.by_index:
        return Listed(page_of(_lines_by_index(reader, search), data))
    return _log(reader, search, data).page(data)


def every_line(reader: User, search: Search) -> Iterator[MailLogEntry]:
    """All lines of the log that match, newest first, a few hundred in memory."""
    if search.by_index:
        yield from _pages_of(_lines_by_index(reader, search))
        return
    yield from _log(reader, search, QueryDict()).every()


def _whole_jobs() -> QuerySet[MailJob]:
    return MailJob.objects.select_related("user", "decision", "connection").prefetch_related("recipients")


def _jobs(reader: User, search: Search, data: QueryDict, whole: QuerySet[MailJob]) -> tuple[Source[MailJob], _List[MailJob]]:
    """The open jobs of all states, and the list of those in the state asked for."""
    everywhere: list[Part] = [{**place, "state": state.value} for place in _places(reader, search) for state in OPEN_STATES]
    source = _in_days(open_only(MailJob.objects.all()), "created_at", search, everywhere)
    shown = replace(source, parts=[part for part in source.parts if search.state in ("", part["state"])])
    among = (lambda ids: [pk for pk, _state in jobs_among(search, ids)]) if search.needs_looking or search.days else None
    return source, _List(shown, whole, "created_at", among, _looked_at(search, data), _known_jobs(reader, search))


def _log(reader: User, search: Search, data: QueryDict) -> _List[MailLogEntry]:
    outcomes = [outcome.value for outcome in LogOutcome if search.state in ("", outcome.value)]
    parts: list[Part] = [{**place, "outcome": outcome} for place in _places(reader, search) for outcome in outcomes]
    source = _in_days(MailLogEntry.objects.all(), "at", search, parts)
    among = (lambda ids: log_among(search, ids)) if search.needs_looking or search.days else None
    whole = MailLogEntry.objects.select_related("job__decision")
    return _List(source, whole, "at", among, _looked_at(search, data), _known_lines(reader, search))


def _known_jobs(reader: User, search: Search) -> list[int]:
    """The open jobs that have a rare word of the search, however far back."""
    ids = jobs_with(search.query) if search.query else []
    if not ids:
        return []
    rows = narrow_jobs(jobs_visible_to(reader).filter(pk__in=ids, state__in=OPEN_STATES), search)
    return list((rows.filter(state=search.state) if search.state else rows).values_list("pk", flat=True))


def _known_lines(reader: User, search: Search) -> list[int]:
    """The lines of the log about such mails."""
    ids = jobs_with(search.query) if search.query else []
    if not ids:
        return []
    rows = narrow_log(log_visible_to(reader).filter(job__in=ids), search)
    return list((rows.filter(outcome=search.state) if search.state else rows).values_list("pk", flat=True))


def _few_jobs(reader: User, search: Search, data: QueryDict, whole: QuerySet[MailJob]) -> Listed[MailJob]:
    """The open jobs of one document or print run."""
    found = dict(_rows_by_index(reader, search).values_list("pk", "state"))
    shown = [pk for pk, state in found.items() if search.state in ("", state)]
    counts = {state: Count(number) for state, number in Counter(found.values()).items()}
    return Listed(page_of(whole.filter(pk__in=shown), data), counts=counts)


def _rows_by_index(reader: User, search: Search) -> QuerySet[MailJob]:
    rows = jobs_visible_to(reader).filter(tenant__in=_tenants(reader), state__in=OPEN_STATES)
    return narrow_jobs(rows.exclude(document_key="") if search.document else rows.exclude(run=""), search)


def _lines_by_index(reader: User, search: Search) -> QuerySet[MailLogEntry]:
    jobs = MailJob.objects.filter(tenant__in=_tenants(reader))
    if search.document:
        jobs = jobs.filter(document_key=search.document).exclude(document_key="")
    if search.run:
        jobs = jobs.filter(run=search.run).exclude(run="")
    rows = narrow_log(log_visible_to(reader).filter(job__in=list(jobs.values_list("pk", flat=True))), search)
    rows = rows.filter(outcome=search.state) if search.state else rows
    return rows.select_related("job__decision")


def _pages_of(rows: QuerySet[Row]) -> Iterator[Row]:
    """Keyset by keyset, newest first."""
    last = MOST_ID
    while found := list(rows.filter(pk__lt=last).order_by("-pk")[:AT_ONCE]):
        yield from found
        last = int(found[-1].pk)


def _counts(source: Source[MailJob], search: Search) -> dict[str, Count]:
    if not search.days:
        numbers = counted(source, "state", MOST + 1)
        return {state: Count(min(number, MOST), more=number > MOST) for state, number in numbers.items()}
    counts = {}
    for state, ids in some_of_each(source, "state", MOST + 1).items():
        number = sum(len(jobs_among(search, some)) for some in _some(ids))
        counts[state] = Count(min(number, MOST), more=len(ids) > MOST)
    return counts


def _places(reader: User, search: Search) -> list[dict[str, int]]:
    """Whose rows the list is made of, as columns."""
    reach = reach_of(reader)
    if not search.user:
        return reach.parts()
    visible = Q(pk__in=reach.users) | Q(tenant__in=reach.tenants)
    return [{"user_id": pk} for pk in User.objects.filter(visible, login=search.user).values_list("pk", flat=True)]


def _tenants(reader: User) -> list[int]:
    """The tenants of all whose rows the reader may see."""
    reach = reach_of(reader)
    return [*reach.tenants, *Tenant.objects.filter(users__in=reach.users).values_list("pk", flat=True)]


def _looked_at(search: Search, data: QueryDict) -> int | None:
    if not search.needs_looking:
        return None
    return FURTHER_AT_ONCE if data.get("further") else LOOKED_AT


def _first_among(ids: Sequence[int], among: Callable[[Sequence[int]], list[int]]) -> list[int]:
    """Those that match, in their order, as far as they are needed for a page."""
    found: list[int] = []
    for some in _some(ids):
        found += among(some)
        if len(found) > ROWS:
            break
    return found


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """So many at once as one statement takes."""
    for start in range(0, len(ids), LOOKED_AT):
        yield ids[start : start + LOOKED_AT]


def _in_days(rows: QuerySet[Row], column: str, search: Search, parts: Sequence[Part]) -> Source[Row]:
    """The rows of the days asked for, and a few around them, by the ids that they have."""
    limits = days_of(column, search)
    span = Span()
    if since := limits.get(f"{column}__gte"):
        first = first_at(rows.model, column, since - _AROUND)
        if first is None:
            return Source(rows, [])
        span = span.down_to(first - 1)
    if until := limits.get(f"{column}__lt"):
        span = span.up_to(first_at(rows.model, column, until + _AROUND))
    return Source(rows, parts, span)
