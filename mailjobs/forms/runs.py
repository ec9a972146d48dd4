"""Forms of print runs: what is uploaded, which column is what."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.models import PrintRun
from mailjobs.run_columns import Need, label_of, needs_of
from mailjobs.run_files import MAX_UPLOAD
from mailsettings.models import PrintModel, Tenant
from mailsettings.spreadsheet import MAX_OCTETS, Line

EXAMPLE_LENGTH = 40
MOST_FILES = 100  # beside each other; more come as a ZIP file


class _Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    """Any number of files."""

    widget = _Files

    def clean(self, data: Any, initial: Any = None) -> list["UploadedFile[Any]"]:
        files = data if isinstance(data, list | tuple) else [data]
        return [super(_FilesField, self).clean(file, initial) for file in files if file]


class RunUploadForm(forms.Form):
    """The rows and the PDFs of a new run."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=150,
        required=False,
        help_text=gettext_lazy("By which you find the run again. Empty: the name of the file."),
    )
    print_model = forms.ModelChoiceField(
        label=gettext_lazy("Print model"),
        queryset=PrintModel.objects.none(),
        empty_label=None,
        help_text=gettext_lazy("It decides subject, text and sender of the mails."),
    )
    file = forms.FileField(
        label=gettext_lazy("Recipients"),
        help_text=gettext_lazy("CSV or XLSX with a line for each mail, up to 5 MB and 10,000 lines. Its first sheet is read."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.xlsx"}),
    )
    pdfs = _FilesField(
        label=gettext_lazy("PDFs"),
        required=False,
        help_text=gettext_lazy("A ZIP file with all PDFs, or up to 100 PDFs. A column of the file names the PDF of each mail."),
        widget=_Files(attrs={"accept": ".zip,.pdf"}),
    )

    def __init__(self, tenant: Tenant, *data: Any) -> None:
        super().__init__(*data)
        field = self.fields["print_model"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = tenant.print_models.filter(is_active=True).order_by("slug")

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean_file(self) -> "UploadedFile[Any]":
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_OCTETS:  # before it is read (Z11)
            message = _("The file is larger than %(size)s MB. Divide it into several.")
            raise forms.ValidationError(message % {"size": MAX_OCTETS // 1_000_000}, code="too_large")
        return file

    def clean_pdfs(self) -> list["UploadedFile[Any]"]:
        files: list[UploadedFile[Any]] = self.cleaned_data["pdfs"]
        if len(files) > MOST_FILES:
            raise forms.ValidationError(
                _("These are more than %(count)s files. Pack them into a ZIP file.") % {"count": MOST_FILES}, code="too_many"
            )
        if sum(file.size or 0 for file in files) > MAX_UPLOAD:
            message = _("The files are larger than %(size)s MB together. Make several print runs of them.")
            raise forms.ValidationError(message % {"size": MAX_UPLOAD // 1_000_000}, code="too_large")
        return files


class RunColumnsForm(forms.Form):
    """Which column of the file is what."""

    def __init__(self, run: PrintRun, near: Sequence[Line], data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.run = run
        offered = [("", "–"), *((str(place), _heading(run, place, near)) for place in range(len(run.headings)))]
        for need in needs_of(run.print_model):
            self.fields[_field_of(need)] = forms.ChoiceField(
                label=label_of(need),
                choices=offered,
                required=need == Need.TO,
                initial=str(run.columns[need]) if need in run.columns else "",
            )

    @property
    def columns(self) -> dict[str, int]:
        """Need → place of its column."""
        chosen = {need: self.cleaned_data[_field_of(need)] for need in needs_of(self.run.print_model)}
        return {need: int(place) for need, place in chosen.items() if place}


def _field_of(need: str) -> str:
    return f"column-{need.replace(':', '-')}"


def _heading(run: PrintRun, place: int, near: Sequence[Line]) -> str:
    heading = run.headings[place] or _("column %(place)s") % {"place": place + 1}
    example = next((cell for line in near for cell in line.cells[place : place + 1] if cell.strip()), "")
    example = " ".join(example.split())
    short = example if len(example) <= EXAMPLE_LENGTH else f"{example[:EXAMPLE_LENGTH]}…"
    return f"{heading} ({short})" if short else heading
