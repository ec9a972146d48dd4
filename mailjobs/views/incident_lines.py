"""Incidents in words: how many mails failed and wait, why, what to do, and what this reader may do about it (J8)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs.bulk import resettable_of
from mailjobs.core.reply import ReplyClass
from mailjobs.discretion import Discretion
from mailjobs.incidents import kind_of
from mailjobs.models import WAITING_STATES, Incident, InternalMessage, MailJob
from mailjobs.remedies import REMEDIES, Remedy, remedy_for
from mailjobs.selectors import jobs_visible_to
from mailjobs.tables import moment
from mailjobs.views.letters import STAMPS, WORDS, say_letter
from mailjobs.waiting import DELAYS, stop_of
from mailsettings.models import User

LISTED = 3  # mails of an incident that the inbox lists; its page has all
_DELAYED = Q(kind=InternalMessage.Kind.DELAYED)


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One incident as a reader sees it. `count`: how many of the reader's mails failed; `waits`: how many wait."""

    incident: Incident
    remedy: Remedy | None
    hidden: bool  # its connection is the firm's, and the reader is a Com customer's
    latest: datetime
    count: int
    unread: int
    waits: int
    resettable: int
    letters: Sequence[Mapping[str, Any]] = ()
    passed_on = False

    @property
    def kind(self) -> InternalMessage.Kind:
        return kind_of(self.incident)

    @property
    def title(self) -> str:
        return str(self.remedy.title if self.remedy else self.kind.label)

    @property
    def stamp(self) -> str:
        return STAMPS[self.kind]

    @property
    def label(self) -> str:
        return str(WORDS[self.stamp])

    @property
    def newest(self) -> str:
        return moment(self.latest)

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.incident.pk])

    @property
    def more(self) -> int:
        return self.count - len(self.letters)

    @property
    def stopped(self) -> str:
        """Why nothing goes by its connection now."""
        stop = stop_of(self.incident.connection)
        return str(DELAYS[stop]) if stop else ""

    @property
    def releases(self) -> bool:
        """Whether this reader may end the pause: not a Com customer of the firm's login."""
        return bool(self.stopped) and not self.hidden

    @property
    def action(self) -> str:
        """What its button does, empty where there is nothing to do."""
        if self.releases:
            return _("Release")
        return _("Reset send status") if self.resettable else ""

    @property
    def icon(self) -> str:
        """Of that button."""
        return "play" if self.releases else "requeue"


def incident_lines(
    reader: User, heads: Sequence[InternalMessage], rows: QuerySet[InternalMessage], discretion: Discretion
) -> list[IncidentLine]:
    """The incidents of these messages, counted over `rows`."""
    incidents = [head.incident for head in heads if head.incident is not None]
    if not incidents:
        return []
    inside = rows.filter(incident__in=incidents)
    counts = {
        row["incident"]: row
        for row in inside.order_by()
        .values("incident")
        .annotate(failed=Sum("mails", filter=~_DELAYED, default=0), unread=Count("pk", filter=Q(read_at=None)), latest=Max("at"))
    }
    ranked = inside.annotate(rank=Window(RowNumber(), partition_by=F("incident"), order_by=F("pk").desc()))
    letters: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for letter in ranked.filter(rank__lte=LISTED).select_related("job__decision").order_by("-pk"):
        letters[letter.incident_id].append(say_letter(letter, discretion))
    waits = _waits(reader, incidents)
    return [
        line_of(
            reader,
            head.incident,
            head.job,
            discretion,
            count=counts[head.incident.pk]["failed"],
            unread=counts[head.incident.pk]["unread"],
            latest=counts[head.incident.pk]["latest"],
            letters=letters[head.incident.pk],
            waits=waits.get((head.incident.tenant_id, head.incident.connection_id or 0), 0),
        )
        for head in heads
        if head.incident is not None
    ]


def line_of(reader: User, incident: Incident, job: MailJob | None, discretion: Discretion, **shown: Any) -> IncidentLine:
    """One incident; `job` is one of its mails, from which is known whose connection it is."""
    hidden = discretion.hides(job.plan if job else {})
    if "waits" not in shown:
        shown["waits"] = _waits(reader, [incident]).get((incident.tenant_id, incident.connection_id or 0), 0)
    return IncidentLine(incident, remedy_of(incident), hidden, resettable=resettable_of(reader, incident).count(), **shown)


def remedy_of(incident: Incident) -> Remedy | None:
    """What its cause means and what to do about it, None where nothing is known."""
    kind, reason = kind_of(incident), incident.reason
    if kind is InternalMessage.Kind.UNKNOWN:
        return REMEDIES[ReplyClass.LOST_IN_BODY]
    return REMEDIES.get(ReplyClass(reason)) if reason in set(ReplyClass) else remedy_for(incident.error, state=kind.value)


def _waits(reader: User, incidents: Sequence[Incident]) -> dict[tuple[int, int], int]:
    """(tenant, connection) → how many of the mails that the reader sees wait behind a stopped connection."""
    stopped = {incident.connection_id for incident in incidents if stop_of(incident.connection)}
    if not stopped:
        return {}
    rows = jobs_visible_to(reader).filter(
        tenant__in={incident.tenant_id for incident in incidents}, connection__in=stopped, state__in=WAITING_STATES
    )
    counted = rows.order_by().values_list("tenant", "connection").annotate(Count("pk"))
    return {(tenant, connection): count for tenant, connection, count in counted if connection}
