"""Pictures of how mail has gone lately, each with its table (ui 15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailjobs.discretion import Discretion, discretion_for
from mailjobs.figures import Cause, Figures, Period, Step, figures_of
from mailjobs.remedies import say_error
from mailjobs.tables import plan_of
from mailjobs.views.charts import Chart, Line, bars, columns
from mailsettings.access import tenants_visible_to
from mailsettings.portal import Page

PERIODS = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.MONTH: gettext_lazy("30 days"),
}


class FiguresPage(Page):
    """The page; `?period=` day, week or month, `?tenant=` one tenant."""

    template_name = "mailjobs/figures.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        period = Period(request.GET["period"]) if request.GET.get("period") in set(Period) else Period.DAY
        tenants = list(tenants_visible_to(self.reader).order_by("name"))
        tenant = request.GET.get("tenant", "")
        if tenant and tenant not in {row.slug for row in tenants}:
            raise Http404
        figures = figures_of(self.reader, period, tenant)
        return self.show(
            charts=list(_charts(figures, period)),
            shares=[
                (_("Firms and Com customers"), figures.tenants if len(figures.tenants) > 1 else []),
                (_("Senders"), figures.senders),
            ],
            causes=_causes(figures.causes, discretion_for(self.reader)),
            tenants=tenants if len(tenants) > 1 else [],
            tenant=tenant,
            period=period.value,
            tabs=[
                {
                    "label": label,
                    "url": f"?period={each.value}" + (f"&tenant={tenant}" if tenant else ""),
                    "active": each is period,
                    "count": None,
                }
                for each, label in PERIODS.items()
            ],
        )


def _charts(figures: Figures, period: Period) -> list[Chart]:
    steps = figures.steps
    labels = [_label(step.start, period) for step in steps]
    sent = Line("sent", _("Handed over"), [step.sent for step in steps])
    failed = Line("failed", _("Failed"), [step.failed for step in steps])
    waiting = Line("waiting", _("Waiting"), [step.waiting for step in steps])
    return [
        columns("sent", _("Handed over and failed"), labels, [sent, failed]),
        columns("waiting", _("Waiting at the end of each step"), labels, [waiting]),
        columns("age", _("Minutes from taken in to finished, on average"), labels, [Line("age", _("Minutes"), _minutes(steps))]),
        bars("queue", _("How long the waiting mails wait"), [(_age(minutes), count) for minutes, count in figures.ages.items()]),
    ]


def _causes(causes: Sequence[Cause], discretion: Discretion) -> dict[str, Any]:
    chart = bars("causes", _("Causes of failure"), [(cause.code.strip(), cause.count) for cause in causes])
    rows = []
    for cause in causes:
        entry = cause.example
        error = say_error(discretion.text(plan_of(entry), entry.error, entry.server)) if entry else ""
        rows.append({"code": cause.code.strip(), "count": cause.count, "error": error})
    return {"chart": chart, "rows": rows}


def _minutes(steps: Sequence[Step]) -> list[float]:
    """To a hundredth, which even the quickest mail takes: zero is where nothing was finished."""
    return [max(round(step.seconds / 60, 2), 0.01) if step.seconds is not None else 0 for step in steps]


def _label(start: datetime, period: Period) -> str:
    return str(date_format(localtime(start), "H:i" if period is Period.DAY else "d.m."))


def _age(minutes: int) -> str:
    if minutes == 0:
        return _("longer than a day")
    if minutes < 60:
        return ngettext("up to %(count)s minute", "up to %(count)s minutes", minutes) % {"count": minutes}
    hours = minutes // 60
    return ngettext("up to %(count)s hour", "up to %(count)s hours", hours) % {"count": hours}
