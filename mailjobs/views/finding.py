"""What a list was narrowed to: kept under a name, and all of it as a file."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import date_format, localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailjobs.discretion import discretion_for
from mailjobs.filters import kept_of, search_of
from mailjobs.listing import every_job, every_line
from mailjobs.models import LogOutcome, MailJob, MailLogEntry, SavedFilter
from mailjobs.remedies import say_error
from mailjobs.selectors import saved_filters
from mailjobs.tables import note_of, plan_of
from mailjobs.views.file_answer import table_answer
from mailsettings.portal import Page, ReaderMixin

Row = TypeVar("Row")
MOST = 50_000  # lines of a file
MOST_KEPT = 30  # filters of one list
_NAME = 60


class JobsExport(ReaderMixin):
    """The open jobs that match the address, as a file."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        rows = every_job(self.reader, search_of(request.GET))
        return table_answer(request, self._lines(rows), title=_("Mail jobs"), stem=_("mail-jobs"))

    def _lines(self, rows: Iterator[MailJob]) -> Iterator[list[str]]:
        discretion = discretion_for(self.reader)
        yield [
            _("Mail job"),
            _("Status"),
            _("Subject"),
            _("Recipients"),
            _("Sender"),
            _("Acting user"),
            _("Document"),
            _("Print run"),
            _("Attempts"),
            _("Created"),
            _("Error"),
        ]
        for job in _bounded(rows):
            if job is None:
                yield [_more()]
                return
            yield [
                str(job.pk),
                str(job.state_choice.label),
                job.subject,
                ", ".join(recipient.address for recipient in job.recipients.all()),
                job.sender_address,
                job.user.login,
                job.document_key,
                job.run,
                str(job.attempts),
                _moment(job.created_at),
                note_of(job, discretion),
            ]


class LogExport(ReaderMixin):
    """The lines of the log that match the address, as a file."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        rows = every_line(self.reader, search_of(request.GET))
        return table_answer(request, self._lines(rows), title=_("E-mail log"), stem=_("e-mail-log"))

    def _lines(self, rows: Iterator[MailLogEntry]) -> Iterator[list[str]]:
        discretion = discretion_for(self.reader)
        yield [
            _("Time"),
            _("Result"),
            _("Subject"),
            _("Recipients"),
            _("Sender"),
            _("Mail server"),
            _("Document"),
            _("Print run"),
            _("Error"),
            _("Message-ID"),
            _("Mail job"),
        ]
        for entry in _bounded(rows):
            if entry is None:
                yield [_more()]
                return
            plan = plan_of(entry)
            yield [
                _moment(entry.at),
                str(LogOutcome(entry.outcome).label),
                entry.subject,
                ", ".join(map(str, entry.recipients)),
                entry.sender_address,
                discretion.server(plan, entry.server),
                entry.job.document_key if entry.job else "",
                entry.job.run if entry.job else "",
                say_error(discretion.text(plan, entry.error, entry.server)),
                entry.message_id,
                str(entry.job_id or ""),
            ]


class SavedFilters(Page):
    """The filters that the reader keeps for a list: keep those of an address under a name, or forget some."""

    template_name = "mailjobs/saved_filters.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        where = request.GET.get("list", "jobs")
        if where not in SavedFilter.List.values:
            raise Http404
        return self.show(where=where, saved=saved_filters(self.reader, where), kept=kept_of(request.GET.get("query", "")))

    def post(self, request: HttpRequest) -> HttpResponse:
        where, action = request.POST.get("list", ""), request.POST.get("action", "")
        if where not in SavedFilter.List.values or action not in {"keep", "forget"}:
            return HttpResponseBadRequest()
        query = kept_of(request.POST.get("query", ""))
        if action == "keep":
            self._keep(where, " ".join(request.POST.get("name", "").replace("\0", "").split())[:_NAME], query)
        else:
            pk = request.POST.get("pk", "")
            known = pk.isascii() and pk.isdigit() and len(pk) < 19
            SavedFilter.objects.filter(pk=int(pk) if known else 0, user=self.reader).delete()
            messages.success(request, _("The filter was forgotten."))
        return redirect(f"{reverse(where)}?{query}" if query else reverse(where))

    def _keep(self, where: str, name: str, query: str) -> None:
        mine = SavedFilter.objects.filter(user=self.reader, where=where)
        if not name or not query:
            messages.error(self.request, _("A filter needs a name, and something that it filters by."))
        elif mine.exclude(name=name).count() >= MOST_KEPT:
            messages.error(self.request, _("You have %(count)s filters already. Forget one first.") % {"count": MOST_KEPT})
        else:
            mine.update_or_create(name=name, defaults={"user": self.reader, "where": where, "query": query})
            messages.success(self.request, _("The filter “%(name)s” is kept.") % {"name": name})


def _bounded(rows: Iterable[Row]) -> Iterator[Row | None]:
    """So many rows, and None where there are more."""
    found = iter(rows)
    yield from islice(found, MOST)
    if next(found, None) is not None:
        yield None


def _more() -> str:
    text = _("There is more: a file has %(count)s lines at most. Narrow the list, by days for example.")
    return text % {"count": localize(MOST, use_l10n=True)}


def _moment(when: object) -> str:
    return str(date_format(localtime(when), "SHORT_DATETIME_FORMAT"))  # type: ignore[arg-type]
