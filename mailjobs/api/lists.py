"""The jobs and the log, a page at a time by cursors: a page costs the same however many rows there are."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from mailjobs.api import documents
from mailjobs.api.auth import Bearer, caller
from mailjobs.api.problems import Problem
from mailjobs.api.schemas import Jobs, LogLines, extra
from mailjobs.discretion import discretion_for
from mailjobs.keys import Scope
from mailjobs.models import OPEN_STATES, LogOutcome, MailJob, MailLogEntry
from mailjobs.parts import Order, Part, Source, Span, first_ids, open_only
from mailjobs.rows import database_now
from mailjobs.selectors import reach_of
from mailsettings.models import User

router = Router(tags=["lists"])
SETTLED = timedelta(seconds=5)  # ids are given before they are committed: a younger line may still get an older one before it
OpenState = StrEnum("OpenState", {state.name: state.value for state in OPEN_STATES})  # type: ignore[misc]
Outcome = StrEnum("Outcome", {outcome.name: outcome.value for outcome in LogOutcome})  # type: ignore[misc]


class From(StrEnum):
    """From which end a list is read."""

    NEWEST = "newest"
    OLDEST = "oldest"


Cursor = Annotated[str, Query("", description="`next` of the page before, with the same `order`.")]
Limit = Annotated[int, Query(100, ge=1, le=500)]


@router.get("jobs", response=Jobs, auth=Bearer(Scope.READ), openapi_extra=extra())
def jobs(
    request: HttpRequest, state: OpenState | None = None, cursor: Cursor = "", order: From = From.NEWEST, limit: Limit = 100
) -> dict[str, Any]:
    """The mail jobs: what waits, is under way or needs somebody. What was handed over or withdrawn is in the log."""
    user = caller(request)
    states = [state.value] if state else [each.value for each in OPEN_STATES]
    parts = _parts(user, "state", states)
    ids, more = _page(Source(open_only(MailJob.objects.all()), parts, _span(cursor, order)), order, limit)
    rows = documents.jobs_with_all(MailJob.objects.all()).in_bulk(ids)
    discretion = discretion_for(user)
    found = [documents.job(rows[pk], discretion) for pk in ids if pk in rows]
    return {"jobs": found, "next": str(ids[-1]) if more else None}


@router.get("log", response=LogLines, auth=Bearer(Scope.READ), openapi_extra=extra())
def log(
    request: HttpRequest, outcome: Outcome | None = None, cursor: Cursor = "", order: From = From.NEWEST, limit: Limit = 100
) -> dict[str, Any]:
    """The e-mail log, a line for each mail and each failure.

    Who wants to follow it asks with order=oldest, keeps `next` and asks with it again; lines come there a few seconds late, so
    that none is missed.
    """
    user = caller(request)
    outcomes = [outcome.value] if outcome else [each.value for each in LogOutcome]
    parts = _parts(user, "outcome", outcomes)
    ids, more = _page(Source(MailLogEntry.objects.all(), parts, _span(cursor, order)), order, limit)
    rows = MailLogEntry.objects.select_related("tenant", "user", "job__decision").in_bulk(ids)
    lines = [rows[pk] for pk in ids if pk in rows]
    if order is From.NEWEST:
        return _lines(user, lines, str(ids[-1]) if more else None)
    lines = _settled(lines)
    return _lines(user, lines, str(lines[-1].pk) if lines else cursor or "0")


def _lines(user: User, lines: Sequence[MailLogEntry], following: str | None) -> dict[str, Any]:
    discretion = discretion_for(user)
    return {"lines": [documents.log_line(line, discretion) for line in lines], "next": following}


def _settled(lines: list[MailLogEntry]) -> list[MailLogEntry]:
    """The lines up to the first that is too young."""
    limit = database_now() - SETTLED
    young = next((number for number, line in enumerate(lines) if line.at > limit), len(lines))
    return lines[:young]


def _parts(user: User, column: str, values: Sequence[str]) -> list[Part]:
    return [{**place, column: value} for place in reach_of(user).parts() for value in values]


def _page(source: Source[Any], order: From, limit: int) -> tuple[list[int], bool]:
    """The ids of a page, and whether there is more."""
    ids = first_ids(source, limit + 1, Order.NEWEST if order is From.NEWEST else Order.OLDEST)
    return ids[:limit], len(ids) > limit


def _span(cursor: str, order: From) -> Span:
    if not cursor:
        return Span()
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Problem(422, "cursor_invalid", _("This is no cursor of this list."), field="cursor")
    return Span().up_to(int(cursor)) if order is From.NEWEST else Span().down_to(int(cursor))
