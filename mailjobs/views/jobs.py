"""The mail jobs: what needs me (J3), one page at a time, many at once."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.bulk import ACTIONS, Done
from mailjobs.discretion import discretion_for
from mailjobs.filters import Search, address, chips_of, kept_of, narrow_jobs, search_of
from mailjobs.listing import Count, Listed, list_jobs
from mailjobs.models import OPEN_STATES, MailJob, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailjobs.tables import JobTable
from mailjobs.views.asking import ask, carry_out
from mailsettings.access import sees_whole_tenant
from mailsettings.portal import Page

ALERTING = frozenset({StateChoices.FAILED, StateChoices.UNKNOWN, StateChoices.PARTLY_SENT})


class Jobs(Page):
    """The list, and what is done with the chosen ones."""

    template_name = "mailjobs/jobs.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        search = search_of(request.GET)
        listed = list_jobs(self.reader, search, request.GET)
        page, counts = listed.page, listed.counts
        total = counts.get(search.state, Count()) if search.state else listed.total
        colleagues = sees_whole_tenant(self.reader) or any(job.user_id != self.reader.pk for job in page.rows)
        table = JobTable(page.rows, discretion=discretion_for(self.reader), everybody=colleagues)
        return self.show(
            search=search,
            table=table if page.rows else None,
            page=page,
            looked_back_to=listed.looked_back_to,
            total=total.number,
            total_text=str(total),
            shown=_shown(len(page.rows), total),
            tabs=self._tabs(search, listed),
            chips=chips_of(search, request.GET),
            keep=[(name, value) for name in ("state", "error", "run", "document", "user") if (value := getattr(search, name))],
            actions=_actions(),
            kept=kept_of(request.GET.urlencode()),
            nothing_at_all=not search.active and not search.state,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        action, ids = request.POST.get("action", ""), self._chosen(request)
        if action not in ACTIONS:
            return HttpResponseBadRequest()
        if (question := ask(self, action, ids, back=request.get_full_path())) is not None:
            return question
        tell(request, carry_out(self, action, ids))
        return HttpResponseRedirect(request.get_full_path())

    def _open(self) -> QuerySet[MailJob]:
        return jobs_visible_to(self.reader).filter(state__in=OPEN_STATES)

    def _of_state(self, rows: QuerySet[MailJob], search: Search) -> QuerySet[MailJob]:
        return rows.filter(state=search.state) if search.state else rows

    def _chosen(self, request: HttpRequest) -> list[int]:
        """The ticked rows, or all that match the address."""
        if request.POST.get("all_matching"):
            search = search_of(request.GET)
            rows = self._of_state(narrow_jobs(self._open(), search), search)
            return list(rows.values_list("pk", flat=True))
        return chosen(request)

    def _tabs(self, search: Search, listed: Listed[MailJob]) -> list[dict[str, Any]]:
        everything = {
            "label": _("All"),
            "url": address(self.request.GET, state=None),
            "count": listed.total,
            "active": not search.state,
        }
        return [everything] + [
            {
                "label": state.label,
                "url": address(self.request.GET, state=state.value),
                "count": listed.counts.get(state, Count()),
                "active": search.state == state,
                "alert": state in ALERTING,
            }
            for state in OPEN_STATES
        ]


def chosen(request: HttpRequest) -> list[int]:
    """The ids that were posted; what is none is passed over."""
    return [int(pk) for pk in request.POST.getlist("pk") if pk.isascii() and pk.isdigit() and len(pk) < 19]


def tell(request: HttpRequest, done: Done) -> None:
    """Say what was done above the next page."""
    if done.count:
        messages.success(request, f"{done.said} {done.skipped}".strip())
    elif done.skipped:
        messages.warning(request, " ".join((_("Nothing was changed."), done.skipped)))
    else:
        messages.warning(request, _("Nothing was chosen."))


def _shown(rows: int, total: Count) -> str:
    if not total:
        return ""
    return ngettext("%(rows)s of %(total)s mail", "%(rows)s of %(total)s mails", total.number) % {"rows": rows, "total": total}


def _actions() -> list[dict[str, Any]]:
    return [
        {"name": "action", "value": "requeue", "label": _("Reset send status"), "icon": "requeue", "primary": True},
        {"name": "action", "value": "release", "label": _("Release"), "icon": "play"},
        {
            "name": "action",
            "value": "cancel",
            "label": _("Withdraw"),
            "icon": "x",
            "confirm": _("Withdraw the chosen mails? They will not be sent."),
        },
    ]
