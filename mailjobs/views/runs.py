"""Print runs: the list, and a new one from what somebody uploads."""

from pathlib import PurePath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs import runs
from mailjobs.filters import page_of
from mailjobs.forms.runs import RunUploadForm
from mailjobs.models import PrintRun
from mailjobs.run_files import Upload, read_pdfs
from mailjobs.selectors import runs_visible_to
from mailjobs.tables import RunTable
from mailsettings.access import Right, sees_whole_tenant
from mailsettings.portal import SettingsPage
from mailsettings.spreadsheet import Unreadable, read_table


class Runs(SettingsPage):
    """The list."""

    right = Right.SUBMIT
    template_name = "mailjobs/runs.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = runs_visible_to(self.reader).select_related("user").defer("columns", "headings")
        page = page_of(rows, request.GET)
        table = RunTable(page.rows, runs.standings(page.rows), everybody=sees_whole_tenant(self.reader))
        return self.show(table=table if page.rows else None, page=page)


class NewRun(SettingsPage):
    """What is uploaded for a new run."""

    right = Right.SUBMIT
    template_name = "mailjobs/run_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=self._form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST, request.FILES)
        if form.is_valid():
            try:
                run = self._create(form.cleaned_data)
            except _Refused as refused:
                form.add_error(refused.field, str(refused))
            else:
                return redirect(reverse("run", args=[run.pk]))
        return self.show(form=form)

    def _form(self, *data: Any) -> RunUploadForm:
        return RunUploadForm(self.chosen, *data)

    def _create(self, data: dict[str, Any]) -> PrintRun:
        file: UploadedFile[Any] = data["file"]
        filename = str(file.name)
        try:
            table = read_table(file.read())
        except Unreadable as why:
            raise _Refused("file", why) from why
        try:
            return runs.create(
                self.reader,
                data["print_model"],
                name=data["name"] or PurePath(filename).stem or _("Print run"),
                filename=filename,
                table=table,
                pdfs=read_pdfs(Upload(str(each.name), each.size or 0, each) for each in data["pdfs"]),
            )
        except Unreadable as why:
            raise _Refused("pdfs", why) from why

    def get_context_data(self, **shown: Any) -> dict[str, Any]:
        return super().get_context_data(**shown, models=self.chosen.print_models.filter(is_active=True).exists())


class _Refused(Exception):
    """A file that cannot be taken; at which field that is said."""

    def __init__(self, field: str, why: Unreadable) -> None:
        super().__init__(str(why))
        self.field = field
