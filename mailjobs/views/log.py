"""The e-mail log: what went out, and what did not (J4)."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs.discretion import discretion_for
from mailjobs.filters import Search, address, chips_of, kept_of, search_of
from mailjobs.listing import list_log
from mailjobs.models import LogOutcome, MailLogEntry
from mailjobs.remedies import say_error
from mailjobs.selectors import log_visible_to
from mailjobs.tables import OUTCOME_STAMPS, LogTable, plan_of
from mailjobs.views.explained import facts_of_plan, ladder_of
from mailjobs.views.report_words import came_of
from mailjobs.wording import say_refusal
from mailsettings.portal import Page


class Log(Page):
    """The list."""

    template_name = "mailjobs/log.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        search = search_of(request.GET)
        listed = list_log(self.reader, search, request.GET)
        page = listed.page
        return self.show(
            search=search,
            table=LogTable(page.rows, discretion=discretion_for(self.reader), came_of=came_of(page.rows)) if page.rows else None,
            page=page,
            looked_back_to=listed.looked_back_to,
            tabs=_tabs(request, search),
            chips=chips_of(search, request.GET),
            keep=[(name, value) for name in ("state", "error", "run", "document", "user") if (value := getattr(search, name))],
            kept=kept_of(request.GET.urlencode()),
            nothing_at_all=not search.active and not search.state,
        )


class LogEntry(Page):
    """One line of the log that has no mail job any more, or never had one."""

    template_name = "mailjobs/log_entry.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        entry = log_visible_to(self.reader).select_related("job__decision", "user", "tenant").filter(pk=pk).first()
        if entry is None:
            raise Http404
        if entry.job_id:
            return HttpResponseRedirect(reverse("job", args=[entry.job_id]))
        discretion = discretion_for(self.reader)
        plan = plan_of(entry)
        return self.show(
            entry=entry,
            stamp=OUTCOME_STAMPS[entry.outcome],
            label=LogOutcome(entry.outcome).label,
            server=discretion.server(plan, entry.server),
            error=_refusal_of(entry) or say_error(discretion.text(plan, entry.error, entry.server)),
            ladder=ladder_of(plan, self.reader),
            facts=facts_of_plan(plan, discretion),
        )


def _refusal_of(entry: MailLogEntry) -> str:
    """Why it was refused, in the reader's language; empty where the stored text must do."""
    refused = entry.plan.get("refused") or {}
    return say_refusal(refused["code"], refused["details"]) if refused.get("details") else ""


def _tabs(request: HttpRequest, search: Search) -> list[dict[str, Any]]:
    """No counts here: the log grows without end."""
    everything = {"label": _("All"), "url": address(request.GET, state=None), "active": not search.state}
    return [everything] + [
        {"label": outcome.label, "url": address(request.GET, state=outcome.value), "active": search.state == outcome}
        for outcome in LogOutcome
    ]
