"""The mail jobs: what needs me (J3), one page at a time, many at once."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.bulk import ACTIONS, Done, act, resettable
from mailjobs.discretion import discretion_for
from mailjobs.filters import OPEN_STATES, Search, address, chips_of, narrow_jobs, page_of, search_of
from mailjobs.models import MailJob, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailjobs.tables import JobTable
from mailsettings.access import sees_whole_tenant
from mailsettings.portal import Page

ALERTING = frozenset({StateChoices.FAILED, StateChoices.UNKNOWN, StateChoices.PARTLY_SENT})


class Jobs(Page):
    """The list, and what is done with the chosen ones."""

    template_name = "mailjobs/jobs.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        search = search_of(request.GET)
        matching = narrow_jobs(self._open(), search)
        counts = dict(matching.order_by().values_list("state").annotate(Count("pk")))
        rows = self._of_state(matching, search)
        page = page_of(rows.select_related("user", "decision", "connection").prefetch_related("recipients"), request.GET)
        total = counts.get(search.state, 0) if search.state else sum(counts.values())
        colleagues = sees_whole_tenant(self.reader) or any(job.user_id != self.reader.pk for job in page.rows)
        table = JobTable(page.rows, discretion=discretion_for(self.reader), everybody=colleagues)
        return self.show(
            search=search,
            table=table if page.rows else None,
            page=page,
            total=total,
            shown=_shown(len(page.rows), total),
            tabs=self._tabs(search, counts),
            chips=chips_of(search, request.GET),
            keep=[(name, value) for name in ("state", "error", "run", "user") if (value := getattr(search, name))],
            actions=_actions(),
            nothing_at_all=not search.active and not search.state,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        action, ids = request.POST.get("action", ""), self._chosen(request)
        if action not in ACTIONS:
            return HttpResponseBadRequest()
        confirmed = request.POST.get("confirm", "")
        if action == "requeue" and not confirmed:
            uncertain, others = resettable(self.reader, ids)
            if uncertain:
                return confirmation(self, ids, (uncertain, others), back=request.get_full_path())
        tell(request, act(self.reader, action, ids, confirm_unknown=confirmed == "unknown"))
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

    def _tabs(self, search: Search, counts: dict[str, int]) -> list[dict[str, Any]]:
        everything = {
            "label": _("All"),
            "url": address(self.request.GET, state=None),
            "count": sum(counts.values()),
            "active": not search.state,
        }
        return [everything] + [
            {
                "label": state.label,
                "url": address(self.request.GET, state=state.value),
                "count": counts.get(state, 0),
                "active": search.state == state,
                "alert": state in ALERTING,
            }
            for state in OPEN_STATES
        ]


def chosen(request: HttpRequest) -> list[int]:
    """The ids that were posted; what is none is passed over."""
    return [int(pk) for pk in request.POST.getlist("pk") if pk.isascii() and pk.isdigit() and len(pk) < 19]


def confirmation(view: Page, ids: list[int], counts: tuple[int, int], *, back: str) -> HttpResponse:
    """The question before uncertain mails are reset: they could arrive twice."""
    view.template_name = "mailjobs/jobs_confirm.html"
    matching = bool(view.request.POST.get("all_matching"))
    return view.show(
        ids=[] if matching else ids,
        all_matching=matching,
        uncertain=counts[0],
        others=counts[1],
        action_url=view.request.get_full_path(),
        back=back,
    )


def tell(request: HttpRequest, done: Done) -> None:
    """Say what was done above the next page."""
    if done.count:
        messages.success(request, f"{done.said} {done.skipped}".strip())
    elif done.skipped:
        messages.warning(request, " ".join((_("Nothing was changed."), done.skipped)))
    else:
        messages.warning(request, _("Nothing was chosen."))


def _shown(rows: int, total: int) -> str:
    if not total:
        return ""
    return ngettext("%(rows)s of %(total)s mail", "%(rows)s of %(total)s mails", total) % {"rows": rows, "total": total}


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
