"""The mail system diagnosis: choose, watch the steps appear, read, take with you, release (D1, D2, J9)."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from diagnostics.comparing import since_green
from diagnostics.diagnosis import document_of
from diagnostics.forms import DiagnosisForm
from diagnostics.models import Diagnosis
from diagnostics.releasing import Releasable, releasable, release
from diagnostics.report import report_of
from diagnostics.saying import lines_of, subject_of
from diagnostics.starting import TooMany, diagnoses_visible_to, is_lost, start, users_to_diagnose
from mailjobs.discretion import discretion_for
from mailjobs.models import MailJob
from mailjobs.selectors import jobs_visible_to
from mailjobs.views.asking import ask, doubtful_of, without
from mailjobs.views.jobs import tell
from mailsettings.access import Right
from mailsettings.portal import ROWS, Page, SettingsPage


class Choose(SettingsPage):
    """What to diagnose, and the diagnoses made before."""

    template_name = "diagnostics/choose.html"
    right = Right.SUBMIT

    def get(self, request: HttpRequest) -> HttpResponse:
        job = self._job(request.GET.get("job", ""))
        return self._page(DiagnosisForm(reader=self.reader, job=job, initial=self._initial(request)), job)

    def post(self, request: HttpRequest) -> HttpResponse:
        job = self._job(request.POST.get("job", ""))
        form = DiagnosisForm(request.POST, reader=self.reader, job=job)
        if not form.is_valid():
            return self._page(form, job)
        try:
            with transaction.atomic():
                row = start(form.asked)
        except TooMany as refused:
            messages.error(request, str(refused))
            return self._page(form, job)
        return HttpResponseRedirect(reverse("diagnosis_of", args=[row.pk]))

    def _page(self, form: DiagnosisForm, job: MailJob | None) -> HttpResponse:
        seen = diagnoses_visible_to(self.reader).select_related("user", "account", "print_model", "job")
        before = [{"row": row, "subject": subject_of(row), "lost": is_lost(row)} for row in seen[:ROWS]]
        return self.show(form=form, job=job, before=before)

    def _job(self, text: str) -> MailJob | None:
        if not text:
            return None
        rows = jobs_visible_to(self.reader).select_related("user__tenant__firm", "account", "print_model")
        found = rows.filter(pk=int(text)).first() if text.isascii() and text.isdecimal() and len(text) < 19 else None
        if found is None or not users_to_diagnose(self.reader).filter(pk=found.user_id).exists():
            raise Http404
        return found

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        """What a link has chosen already; what it may not choose is not among the choices."""
        asked = {name: request.GET.get(name, "") for name in ("user", "account", "print_model")}
        chosen = {name: value for name, value in asked.items() if value.isascii() and value.isdecimal() and len(value) < 19}
        return {"user": self.reader.pk, "test_mail": True, **chosen}


class Course(Page):
    """One diagnosis, while it runs and afterwards."""

    template_name = "diagnostics/diagnosis.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        shown = self._shown(self._found(pk))
        if request.headers.get("HX-Request") == "true":
            self.template_name = "diagnostics/steps.html"
        return self.show(**shown)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row, action = self._found(pk), request.POST.get("action", "")
        if action != "release":
            return HttpResponseBadRequest()
        found = releasable(self.reader, row)
        if found is None:
            raise Http404
        return self._release(row, found)

    def _release(self, row: Diagnosis, found: Releasable) -> HttpResponse:
        """Asks first where a mail could arrive twice (J10)."""
        where, ids = reverse("diagnosis_of", args=[row.pk]), list(found.jobs)
        if (question := ask(self, "requeue", ids, back=where, instead={"action": "release"})) is not None:
            return question
        doubtful = doubtful_of(self, "requeue", ids)
        tell(self.request, without(doubtful, release(self.reader, found, [pk for pk in ids if pk not in doubtful])))
        return HttpResponseRedirect(where)

    def _shown(self, row: Diagnosis) -> dict[str, Any]:
        lines = lines_of(document_of(row, self.reader))
        lost = is_lost(row)
        return {
            "row": row,
            "subject": subject_of(row),
            "running": row.running and not lost,
            "lost": lost,
            "lines": lines,
            "failed": next((line for line in lines if line["verdict"] == "failed"), None),
            "since": None if row.running or discretion_for(self.reader).applies else since_green(row),
            "again": _again(row),
            "releasable": None if row.running else releasable(self.reader, row),
        }

    def _found(self, pk: int) -> Diagnosis:
        rows = diagnoses_visible_to(self.reader).select_related(
            "user__tenant__firm", "by__tenant__firm", "account", "print_model", "job"
        )
        row = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row


def _again(row: Diagnosis) -> str:
    """The page where the same is chosen already."""
    chosen = (
        {"job": row.job_id} if row.job_id else {"user": row.user_id, "account": row.account_id, "print_model": row.print_model_id}
    )
    return f"{reverse('diagnosis')}?{urlencode({name: value for name, value in chosen.items() if value})}"


class Report(Course):
    """The same on one page of plain text, for the technician."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self._found(pk)
        answer = HttpResponse(report_of(row, self.reader), content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{_("diagnosis")}-{row.pk}.txt"'
        return answer
