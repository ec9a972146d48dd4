"""One print run: columns and checks before it starts, progress and report after that."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs import runs
from mailjobs.discretion import discretion_for
from mailjobs.forms.runs import RunColumnsForm
from mailjobs.models import PrintRun, PrintRunRow, StateChoices
from mailjobs.run_checks import Checks, check
from mailjobs.run_report import report_lines
from mailjobs.runs import FATES, NotPossible, Standing
from mailjobs.selectors import runs_visible_to
from mailjobs.tables import FATE_STAMPS, RunRowTable, run_stamp
from mailjobs.views.file_answer import table_answer
from mailjobs.views.run_words import findings_of, say_duration, senders_of
from mailsettings.access import Right
from mailsettings.portal import SettingsPage
from mailsettings.spreadsheet import Line

State = PrintRun.State
BEFORE = frozenset({State.DRAFT, State.TRYING})
LINES = 25  # of a page
_NEAR = 5  # lines from which examples of the columns come
# Rows of one fate, as a filter.
_OF_FATE: dict[str, dict[str, Any]] = {
    runs.OPEN: {"state": PrintRunRow.State.OPEN},
    runs.REFUSED: {"state": PrintRunRow.State.REFUSED},
    runs.LEFT_OUT: {"state": PrintRunRow.State.LEFT_OUT},
    runs.WAITING: {"job__state__in": (StateChoices.NEW, StateChoices.DEFERRED, StateChoices.SENDING)},
    **{state: {"job__state": state} for state in (runs.SENT, runs.PARTLY, runs.HELD, runs.FAILED, runs.UNKNOWN)},
}


class RunPage(SettingsPage):
    """What the pages about one run share."""

    right = Right.SUBMIT

    def run(self, pk: int) -> PrintRun:
        """A run that this reader may see, else 404."""
        rows = runs_visible_to(self.reader).select_related("print_model", "tenant__firm", "user__tenant__firm")
        found = rows.filter(pk=pk).first()
        if found is None:
            raise Http404
        return found


class Run(RunPage):
    """The page."""

    template_name = "mailjobs/run.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._shown(self.run(pk))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        run, action = self.run(pk), request.POST.get("action", "")
        if action == "columns":
            form = RunColumnsForm(run, _near(run), request.POST)
            if not form.is_valid():
                return self._shown(run, form)
            return self._done(run, lambda: _chosen(run, form))
        actions = {
            "try": lambda: _try(run),
            "start": lambda: self._start(run),
            "pause": lambda: _pause(self, run),
            "resume": lambda: _resume(self, run),
            "cancel": lambda: _cancel(self, run),
            "discard": lambda: _discard(run),
        }
        if action not in actions:
            return HttpResponseBadRequest()
        return self._done(run, actions[action])

    def _start(self, run: PrintRun) -> str:
        count = runs.start(self.reader, run, only_good="only_good" in self.request.POST)
        text = ngettext("The print run has started: %(count)s mail.", "The print run has started: %(count)s mails.", count)
        return text % {"count": count}

    def _done(self, run: PrintRun, act: Any) -> HttpResponse:
        try:
            messages.success(self.request, act())
        except NotPossible as why:
            messages.error(self.request, str(why))
        there = PrintRun.objects.filter(pk=run.pk).exists()
        return redirect(reverse("run", args=[run.pk]) if there else reverse("runs"))

    def _shown(self, run: PrintRun, form: RunColumnsForm | None = None) -> HttpResponse:
        standing = runs.standings([run])[run.pk]
        before = run.state in BEFORE
        checks = check(run) if run.state == State.DRAFT else None
        label, stamp = run_stamp(run, standing)
        return self.show(
            run=run,
            standing=standing,
            label=label,
            stamp=stamp,
            before=before,
            live=run.state in {State.TRYING, State.RUNNING} or (not before and bool(standing.fates.get(runs.WAITING))),
            percent=_percent(run, standing),
            fates=_fates(run, standing),
            form=(form or RunColumnsForm(run, _near(run))) if run.state == State.DRAFT else None,
            checks=checks,
            findings=findings_of(checks) if checks else [],
            senders=senders_of(checks, self.reader) if checks else [],
            lasts=say_duration(checks) if checks else "",
            files=run.files.count() if before else 0,
            **(self._rows(run, standing, checks) if run.state != State.OUTSIDE else {}),
        )

    def _rows(self, run: PrintRun, standing: Standing, checks: Checks | None) -> dict[str, Any]:
        """One page of lines; before the start those with findings if `?show=faults` or `notes`, later those of one fate."""
        wanted, after = self.request.GET.get("show", ""), _number(self.request.GET.get("after", ""))
        rows = PrintRunRow.objects.filter(run=run, line__gt=after).select_related("job__decision").order_by("line")
        if checks is not None and wanted in {"faults", "notes"}:
            bad = set(checks.bad)
            lines = sorted(bad if wanted == "faults" else set(checks.said) - bad)
            rows = rows.filter(line__in=[line for line in lines if line > after][: LINES + 1])
        elif wanted == runs.CANCELLED:
            rows = rows.filter(state=PrintRunRow.State.WITHDRAWN) | rows.filter(job__state=StateChoices.CANCELLED)
        elif wanted in _OF_FATE and run.state not in BEFORE:
            rows = rows.filter(**_OF_FATE[wanted])
        found = list(rows[: LINES + 1])
        shown = found[:LINES]
        more = f"?{urlencode({'show': wanted, 'after': str(shown[-1].line)})}" if len(found) > LINES else ""
        return {
            "table": RunRowTable(run, shown, checks, discretion_for(self.reader)) if shown else None,
            "older": more,
            "newer": f"?{urlencode({'show': wanted})}" if after else "",
            "tabs": self._tabs(run, standing, checks, wanted),
        }

    def _tabs(self, run: PrintRun, standing: Standing, checks: Checks | None, wanted: str) -> list[dict[str, Any]]:
        everything: dict[str, Any] = {"label": _("All"), "count": run.rows_total, "url": "?", "active": not wanted}
        if checks is not None:
            bad = len(checks.bad)
            counts = [("faults", _("With errors"), bad), ("notes", _("With notes"), len(checks.said) - bad)]
        else:
            counts = [(fate, str(FATES[fate]), count) for fate, count in standing.fates.items()]
        return [
            everything,
            *(
                {
                    "label": label,
                    "count": count,
                    "url": f"?{urlencode({'show': name})}",
                    "active": wanted == name,
                    "alert": name in {"faults", runs.FAILED, runs.UNKNOWN, runs.REFUSED, runs.PARTLY},
                }
                for name, label, count in counts
            ),
        ]


class RunReport(RunPage):
    """What became of each row, as a file."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        run = self.run(pk)
        if run.state in BEFORE:
            raise Http404
        return table_answer(request, report_lines(run, discretion_for(self.reader)), title=run.name, stem=run.name)


def _chosen(run: PrintRun, form: RunColumnsForm) -> str:
    runs.choose_columns(run, form.columns)
    return _("The columns are chosen. Below is what the run would do now.")


def _try(run: PrintRun) -> str:
    runs.try_out(run)
    return _("The dry run has begun: nothing is sent.")


def _pause(page: Run, run: PrintRun) -> str:
    held = runs.pause(page.reader, run)
    text = ngettext("Paused; %(count)s waiting mail is held.", "Paused; %(count)s waiting mails are held.", held)
    return text % {"count": held}


def _resume(page: Run, run: PrintRun) -> str:
    runs.resume(page.reader, run)
    return _("The print run goes on.")


def _cancel(page: Run, run: PrintRun) -> str:
    count = runs.cancel_rest(page.reader, run)
    return ngettext("%(count)s mail was withdrawn.", "%(count)s mails were withdrawn.", count) % {"count": count}


def _discard(run: PrintRun) -> str:
    runs.discard(run)
    return _("The print run was deleted; nothing was sent.")


def _percent(run: PrintRun, standing: Standing) -> int:
    if run.state == State.TRYING:
        tried = PrintRunRow.objects.filter(run=run, line__lt=run.place).count()
        return 100 * tried // max(run.rows_total, 1)
    return 100 * standing.done // max(standing.rows, 1)


def _fates(run: PrintRun, standing: Standing) -> list[dict[str, Any]]:
    return [
        {"label": FATES[fate], "count": count, "stamp": FATE_STAMPS[fate], "url": f"?{urlencode({'show': fate})}"}
        for fate, count in standing.fates.items()
    ]


def _near(run: PrintRun) -> list[Line]:
    rows = PrintRunRow.objects.filter(run=run).order_by("line").values_list("line", "cells")[:_NEAR]
    return [Line(line, tuple(cells)) for line, cells in rows]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
