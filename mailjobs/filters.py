"""What a list of mails is narrowed to, all of it in the address; and keyset paging, newest first (ui 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Generic, TypeVar

from django.db.models import CharField, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from mailjobs.models import JobRecipient, LogOutcome, MailJob, MailLogEntry, StateChoices

Row = TypeVar("Row", bound=Model)
ROWS = 25
_IN_JOBS = ("subject", "last_error", "document_key", "message_id")  # where words are looked for
MOST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Search:
    """What the search box, the dates, the tabs and the links narrow a list to."""

    query: str = ""
    since: date | None = None
    until: date | None = None
    state: str = ""  # of a job, or outcome of a log line
    error: str = ""  # what the error begins with
    run: str = ""
    user: str = ""  # the acting user's ID
    document: str = ""  # the key of one

    @property
    def active(self) -> bool:
        """Whether anything but a tab narrows the list."""
        return bool(self.query or self.since or self.until or self.error or self.run or self.user or self.document)

    @property
    def days(self) -> bool:
        """Whether it is about certain days only."""
        return bool(self.since or self.until)

    @property
    def needs_looking(self) -> bool:
        """Whether no index finds what is wanted, so that rows must be looked through."""
        return bool(self.query or self.error)

    @property
    def by_index(self) -> bool:
        """Whether an index has all that can match: the mails of one document or of one print run."""
        return bool(self.document or self.run)


def search_of(data: QueryDict) -> Search:
    """Read the address; what makes no sense there is passed over."""
    return Search(
        query=data.get("q", "").replace("\0", "").strip()[:200],
        since=_day(data.get("from", "")),
        until=_day(data.get("to", "")),
        state=data.get("state", "") if data.get("state", "") in {*StateChoices.values, *LogOutcome.values} else "",
        error=data.get("error", "").replace("\0", "")[:300],
        run=data.get("run", "").replace("\0", "")[:200],
        user=data.get("user", "").replace("\0", "")[:64],
        document=data.get("document", "").replace("\0", "")[:300],
    )


KEPT = ("q", "from", "to", "state", "error", "run", "user", "document")  # of an address, in a saved filter


def kept_of(text: str) -> str:
    """The filters in an address, in their order and nothing else, so that the same filters are the same text."""
    data = QueryDict(text)
    found = QueryDict(mutable=True)
    for name in KEPT:
        if value := data.get(name, "").replace("\0", "").strip()[:300]:
            found[name] = value
    return found.urlencode()


def narrow_jobs(rows: QuerySet[MailJob], search: Search) -> QuerySet[MailJob]:
    """The jobs that match, whatever their state."""
    if search.query:
        recipient = JobRecipient.objects.filter(job=OuterRef("pk"), address__icontains=search.query)
        rows = rows.filter(_any_of(_IN_JOBS, search.query) | Exists(recipient))
    if search.user:
        rows = rows.filter(user__login=search.user)
    if search.document:
        rows = rows.filter(document_key=search.document)
    return _narrow_jobs(rows, search)


def jobs_among(search: Search, ids: Sequence[int]) -> list[tuple[int, str]]:
    """(id, state) of those of a few thousand jobs that match in what no index finds and in their days, in their order."""
    rows = MailJob.objects.filter(pk__in=ids)
    if search.query:  # recipients by themselves, or PostgreSQL would look through those of all jobs
        recipients = JobRecipient.objects.filter(job__in=ids, address__icontains=search.query)
        rows = rows.filter(_any_of(_IN_JOBS, search.query) | Q(pk__in=list(recipients.values_list("job", flat=True))))
    states = dict(_narrow_jobs(rows, search).order_by().values_list("pk", "state"))
    return [(pk, states[pk]) for pk in ids if pk in states]


def narrow_log(rows: QuerySet[MailLogEntry], search: Search) -> QuerySet[MailLogEntry]:
    """The log lines that match, whatever their outcome."""
    if search.user:
        rows = rows.filter(user__login=search.user)
    return _narrow_log(rows, search)


def log_among(search: Search, ids: Sequence[int]) -> list[int]:
    """The ids of those of a few thousand lines of the log that match in the same, in their order."""
    found = set(_narrow_log(MailLogEntry.objects.filter(pk__in=ids), search).order_by().values_list("pk", flat=True))
    return [pk for pk in ids if pk in found]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, newest first; `newer` and `older` are addresses, empty where there is nothing."""

    rows: list[Row]
    newer: str
    older: str


def page_of(rows: QuerySet[Row], data: QueryDict, size: int = ROWS) -> Page[Row]:
    """The page that `before=ID` or `after=ID` in the address asks for; no row is counted."""
    before, after = cursors_of(data)
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        shown = found[:size][::-1]
        more_newer, more_older = len(found) > size, bool(shown)
    else:
        narrowed = rows if before is None else rows.filter(pk__lt=before)
        found = list(narrowed.order_by("-pk")[: size + 1])
        shown = found[:size]
        more_newer, more_older = before is not None and bool(shown), len(found) > size
    return Page(
        shown,
        newer=address(data, before=None, after=str(shown[0].pk)) if more_newer else "",
        older=address(data, after=None, before=str(shown[-1].pk)) if more_older else "",
    )


def cursors_of(data: QueryDict) -> tuple[int | None, int | None]:
    """The ids in the address: below the one, above the other."""
    return _number(data.get("before")), _number(data.get("after"))


def address(data: QueryDict, **changes: str | None) -> str:
    """The same address with other values; None takes one out. A change of the filters goes back to the first page."""
    changed = data.copy()
    for key in {"before", "after", "further", *changes}:
        changed.pop(key, None)
    for key, value in changes.items():
        if value:
            changed[key] = value
    return f"?{changed.urlencode()}" if changed else "."


def chips_of(search: Search, data: QueryDict) -> list[Mapping[str, str]]:
    """The filters in force, each with the address without it."""
    found = [
        ("q", search.query and _("Search: %(text)s") % {"text": search.query}),
        ("from", search.since and _("From %(day)s") % {"day": date_format(search.since, "SHORT_DATE_FORMAT")}),
        ("to", search.until and _("Up to %(day)s") % {"day": date_format(search.until, "SHORT_DATE_FORMAT")}),
        ("error", search.error and _("Error: %(text)s") % {"text": search.error}),
        ("run", search.run and _("Print run: %(text)s") % {"text": search.run}),
        ("document", search.document and _("Document: %(text)s") % {"text": search.document}),
        ("user", search.user and _("Acting user: %(text)s") % {"text": search.user}),
    ]
    return [{"label": label, "remove_url": address(data, **{key: None})} for key, label in found if label]


def days_of(field: str, search: Search) -> dict[str, datetime]:
    """From the beginning of the first day to the end of the last, in local time."""
    limits = {}
    if search.since:
        limits[f"{field}__gte"] = _midnight(search.since)
    if search.until and search.until < date.max:
        limits[f"{field}__lt"] = _midnight(search.until + timedelta(days=1))
    return limits


def _narrow_jobs(rows: QuerySet[MailJob], search: Search) -> QuerySet[MailJob]:
    if search.error:
        rows = rows.filter(last_error__startswith=search.error)
    if search.run:
        rows = rows.filter(run=search.run)
    return rows.filter(**days_of("created_at", search))


def _narrow_log(rows: QuerySet[MailLogEntry], search: Search) -> QuerySet[MailLogEntry]:
    if search.query:
        rows = rows.annotate(to=Cast("recipients", CharField()))
        rows = rows.filter(_any_of(("subject", "error", "sender_address", "message_id", "to"), search.query))
    if search.error:
        rows = rows.filter(error__startswith=search.error)
    if search.run:
        rows = rows.filter(job__run=search.run)
    return rows.filter(**days_of("at", search))


def _any_of(fields: tuple[str, ...], text: str) -> Q:
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year <= 2999 else None


def _number(text: str | None) -> int | None:
    if not text or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    return min(int(text), MOST_ID)
