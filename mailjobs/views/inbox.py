"""The internal messages of the reader, one line for each cause (J2, J8)."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.context_processors import unread_lines
from mailjobs.discretion import discretion_for
from mailjobs.filters import address, page_of
from mailjobs.models import InternalMessage
from mailjobs.notices import mark_read
from mailjobs.selectors import messages_of
from mailjobs.views.incident_lines import IncidentLine, incident_lines
from mailjobs.views.letters import Letters, group
from mailsettings.portal import Page

TOGETHER = 100  # messages of one page, before they are grouped
BY_CODE = (InternalMessage.Kind.HELD, InternalMessage.Kind.DELAYED)  # grouped by what the mails wait for


class Inbox(Page):
    """The messages; a post takes one, one cause or all as read."""

    template_name = "mailjobs/inbox.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        mine = messages_of(self.reader)
        everything = request.GET.get("show") == "all"
        rows = mine if everything else mine.filter(read_at=None)
        page = page_of(_heads(rows).select_related("job__decision", "incident__connection"), request.GET, TOGETHER)
        unread = unread_lines(self.reader)
        return self.show(
            incidents=self._lines(page.rows, rows),
            page=page,
            unread=unread,
            everything=everything,
            tabs=[
                {"label": _("Unread"), "url": address(request.GET, show=None), "count": unread, "active": not everything},
                {"label": _("All"), "url": address(request.GET, show="all"), "active": everything},
            ],
        )

    def _lines(self, heads: Sequence[InternalMessage], rows: QuerySet[InternalMessage]) -> list[Letters | IncidentLine]:
        """Incidents as they are counted, all other messages grouped by cause; the newest first."""
        discretion = discretion_for(self.reader)
        found = incident_lines(self.reader, [head for head in heads if head.incident_id], rows, discretion)
        others = group([head for head in heads if not head.incident_id], discretion)
        return sorted([*found, *others], key=lambda line: line.latest, reverse=True)

    def post(self, request: HttpRequest) -> HttpResponse:
        pk = request.POST.get("pk", "")
        count = mark_read(_chosen(messages_of(self.reader), request.POST))
        if not pk:
            said = ngettext("%(count)s message is read now.", "%(count)s messages are read now.", count)
            messages.success(request, said % {"count": count})
        return HttpResponseRedirect(f"{reverse('inbox')}?show=all" if request.POST.get("show") == "all" else reverse("inbox"))


def _heads(rows: QuerySet[InternalMessage]) -> QuerySet[InternalMessage]:
    """Of each incident its newest message, and all that are in none."""
    newest = rows.exclude(incident=None).order_by().values("incident").annotate(newest=Max("pk")).values("newest")
    return rows.filter(Q(incident=None) | Q(pk__in=newest))


def _chosen(rows: QuerySet[InternalMessage], posted: Any) -> QuerySet[InternalMessage]:
    """The messages that a form names: one, those of an incident, those of a kind and cause, else all."""
    cause = posted.get("cause", "")
    if pk := posted.get("pk", ""):
        return rows.filter(pk=number_of(pk))
    if incident := posted.get("incident", ""):
        return rows.filter(incident=number_of(incident))
    if kind := posted.get("kind", ""):
        by_code = kind in BY_CODE and cause
        return rows.filter(kind=kind, incident=None, **({"error_code": cause} if by_code else {"error__startswith": cause}))
    return rows


def number_of(text: str) -> int:
    """An id as it was posted; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
