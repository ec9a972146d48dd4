"""What a list of mails is narrowed to, all of it in the address; and keyset paging, newest first (ui 1)."""

from collections.abc import Mapping
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
MOST_ID = 2**63 - 1
# What needs somebody or is under way; what was handed over or withdrawn is in the log (ui 2). In the order of the tabs.
OPEN_STATES = (
    StateChoices.FAILED,
    StateChoices.UNKNOWN,
    StateChoices.PARTLY_SENT,
    StateChoices.HELD,
    StateChoices.DEFERRED,
    StateChoices.SENDING,
    StateChoices.NEW,
)


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

    @property
    def active(self) -> bool:
        """Whether anything but a tab narrows the list."""
        return bool(self.query or self.since or self.until or self.error or self.run or self.user)


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
    )


def narrow_jobs(rows: QuerySet[MailJob], search: Search) -> QuerySet[MailJob]:
    """The jobs that match, whatever their state."""
    if search.query:
        recipient = JobRecipient.objects.filter(job=OuterRef("pk"), address__icontains=search.query)
        rows = rows.filter(_any_of(("subject", "last_error", "document_key", "message_id"), search.query) | Exists(recipient))
    if search.error:
        rows = rows.filter(last_error__startswith=search.error)
    if search.run:
        rows = rows.filter(run=search.run)
    if search.user:
        rows = rows.filter(user__login=search.user)
    return rows.filter(**_between("created_at", search))


def narrow_log(rows: QuerySet[MailLogEntry], search: Search) -> QuerySet[MailLogEntry]:
    """The log lines that match, whatever their outcome."""
    if search.query:
        rows = rows.annotate(to=Cast("recipients", CharField()))
        rows = rows.filter(_any_of(("subject", "error", "sender_address", "message_id", "to"), search.query))
    if search.error:
        rows = rows.filter(error__startswith=search.error)
    if search.run:
        rows = rows.filter(job__run=search.run)
    if search.user:
        rows = rows.filter(user__login=search.user)
    return rows.filter(**_between("at", search))


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, newest first; `newer` and `older` are addresses, empty where there is nothing."""

    rows: list[Row]
    newer: str
    older: str


def page_of(rows: QuerySet[Row], data: QueryDict, size: int = ROWS) -> Page[Row]:
    """The page that `before=ID` or `after=ID` in the address asks for; no row is counted."""
    before, after = _number(data.get("before")), _number(data.get("after"))
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


def address(data: QueryDict, **changes: str | None) -> str:
    """The same address with other values; None takes one out. A change of the filters goes back to the first page."""
    changed = data.copy()
    for key in {"before", "after", *changes}:
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
        ("user", search.user and _("Acting user: %(text)s") % {"text": search.user}),
    ]
    return [{"label": label, "remove_url": address(data, **{key: None})} for key, label in found if label]


def _any_of(fields: tuple[str, ...], text: str) -> Q:
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return found


def _between(field: str, search: Search) -> dict[str, datetime]:
    """From the beginning of the first day to the end of the last, in local time."""
    limits = {}
    if search.since:
        limits[f"{field}__gte"] = _midnight(search.since)
    if search.until and search.until < date.max:
        limits[f"{field}__lt"] = _midnight(search.until + timedelta(days=1))
    return limits


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
