"""Employees from a spreadsheet, in two steps (the file; what would change), and back into one."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django_tables2 import RequestConfig

from mailsettings import uploads
from mailsettings.employee_columns import EXPORTED, HEADINGS, heading_of
from mailsettings.employee_export import export_employees, template
from mailsettings.employee_report import STATUS_LABELS, Status
from mailsettings.foresight import concerned
from mailsettings.forms.employee_import import EmployeeImportForm, UploadForm
from mailsettings.portal import SettingsPage, list_url, write
from mailsettings.spreadsheet import CONTENT_TYPES, XLSX, Unreadable
from mailsettings.tables import ImportTable
from mailsettings.uploads import Upload

LINES = 50  # of a page of the preview


class EmployeeUpload(SettingsPage):
    """The file is chosen."""

    template_name = "mailsettings/employee_upload.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=UploadForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                upload = uploads.keep(
                    request.session, reader=self.reader, tenant=self.chosen, filename=file.name, octets=file.read()
                )
            except Unreadable as why:
                form.add_error("file", str(why))
            else:
                return redirect(reverse("employee_import", args=[upload.key]) + self.elsewhere)
        return self.show(form=form)

    def get_context_data(self, **shown: Any) -> dict[str, Any]:
        columns = [(heading_of(column), ", ".join(dict.fromkeys(sum(HEADINGS[column], ())))) for column in EXPORTED]
        return super().get_context_data(
            **shown, tenant=self.chosen, back=list_url("employees", self.chosen, self), columns=columns
        )


class EmployeeImport(SettingsPage):
    """What the file would change, and the yes to it."""

    template_name = "mailsettings/employee_import.html"

    def get(self, request: HttpRequest, key: str) -> HttpResponse:
        upload = self._find(key)
        if upload is None:
            return self._start_again()
        form = EmployeeImportForm(self.chosen, upload)
        write(request, form, concerned=concerned(self.chosen))  # without a yes, so it is tried only
        return self._preview(form)

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        upload = self._find(key)
        if upload is None:
            return self._start_again()
        sheet = request.POST.get("sheet", "")
        if sheet not in {"", upload.table.sheet}:
            return self._read_sheet(upload, sheet)
        form = EmployeeImportForm(self.chosen, upload, request.POST)
        upload.columns = [column or "" for column in form.columns]
        uploads.put(upload)
        if "foreseen" not in request.POST and form.is_valid():
            return redirect(self._address(key))
        if write(request, form, concerned=concerned(self.chosen)):
            uploads.drop(upload)
            return redirect(list_url("employees", self.chosen, self))
        return self._preview(form)

    def _find(self, key: str) -> Upload | None:
        return uploads.find(key, reader=self.reader, tenant=self.chosen)

    def _start_again(self) -> HttpResponse:
        messages.warning(self.request, _("The file is no longer here. Choose it once more; nothing was imported."))
        return redirect(reverse("employee_upload") + self.elsewhere)

    def _read_sheet(self, upload: Upload, sheet: str) -> HttpResponse:
        try:
            upload.read_sheet(sheet)
        except Unreadable as why:
            messages.error(self.request, str(why))
        else:
            uploads.put(upload)
        return redirect(self._address(upload.key))

    def _address(self, key: str) -> str:
        return reverse("employee_import", args=[key]) + self.elsewhere

    def _preview(self, form: EmployeeImportForm) -> HttpResponse:
        shown: dict[str, Any] = {"table": None, "tabs": ()}
        if form.report is not None:
            wanted = self.request.GET.get("show", "")
            results = [result for result in form.report.results if wanted in {"", result.status}]
            table = ImportTable(results)
            RequestConfig(self.request, paginate={"per_page": LINES}).configure(table)
            shown = {"table": table, "tabs": self._tabs(form, wanted)}
        changed_since = "foreseen" in self.request.POST and form.foresight is not None and not form.hindrance
        return self.show(
            form=form,
            tenant=self.chosen,
            upload=form.upload,
            refused=form.report.count(Status.REFUSED) if form.report else 0,
            changed_since=changed_since,
            back=list_url("employees", self.chosen, self),
            again=reverse("employee_upload") + self.elsewhere,
            **shown,
        )

    def _tabs(self, form: EmployeeImportForm, wanted: str) -> list[dict[str, Any]]:
        address = self._address(form.upload.key)
        mark = "&" if "?" in address else "?"
        assert form.report is not None  # noqa: S101 (for the type checker; the caller has looked)
        return [
            {"label": _("All"), "count": len(form.report.results), "url": address, "active": not wanted},
            *(
                {
                    "label": STATUS_LABELS[status],
                    "count": form.report.count(status),
                    "url": f"{address}{mark}show={status}",
                    "active": wanted == status,
                    "alert": status is Status.REFUSED,
                }
                for status in Status
            ),
        ]


class _Download(SettingsPage):
    """A file of employees; `?format=csv`, else XLSX."""

    def get(self, request: HttpRequest) -> HttpResponse:
        kind = request.GET.get("format", XLSX)
        if kind not in CONTENT_TYPES:
            raise Http404
        name = f"{self.name()}.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(self.octets(kind), content_type=CONTENT_TYPES[kind], headers=headers)

    def name(self) -> str:
        raise NotImplementedError

    def octets(self, kind: str) -> bytes:
        raise NotImplementedError


class EmployeeExport(_Download):
    """The employees of a tenant."""

    def name(self) -> str:
        return _("employees") + f"-{self.chosen.slug}"

    def octets(self, kind: str) -> bytes:
        return export_employees(self.chosen, kind)


class EmployeeTemplate(_Download):
    """The empty form of the file."""

    def name(self) -> str:
        return _("employees")

    def octets(self, kind: str) -> bytes:
        return template(kind)
