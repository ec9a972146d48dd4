"""Import of employees: the file, which column is what, and the yes to the preview (T3, P9)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailsettings.changes import Book, Refused
from mailsettings.employee_columns import Column, Entry, entries_of, faults_of, guess, heading_of, sheet_of
from mailsettings.employee_import import import_entries
from mailsettings.employee_report import Report, Status, say_refusal
from mailsettings.foresight import Foresight
from mailsettings.models import Tenant
from mailsettings.spreadsheet import MAX_OCTETS
from mailsettings.uploads import Upload

EXAMPLES = 3  # cells shown of each column
EXAMPLE_LENGTH = 60
_COLUMNS = {column.value: column for column in Column}


class UploadForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV or XLSX, up to 5 MB and 10,000 lines. You see what would change before anything is saved."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.xlsx"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_OCTETS:  # before it is read (Z11)
            message = _("The file is larger than %(size)s MB. Divide it into several.")
            raise forms.ValidationError(message % {"size": MAX_OCTETS // 1_000_000}, code="too_large")
        return file


class ColumnChoice(NamedTuple):
    """A column of the file as the page shows it."""

    heading: str
    examples: str
    field: forms.BoundField


class EmployeeImportForm(forms.Form):
    """Which column is what; as it stands it is tried at once, and saved where the reader has said yes to just that.

    After `portal.write` has tried it: `report` is what becomes of each line, `foresight` what of the sender matrix, `hindrance`
    why the yes did not count.
    """

    foresight: Foresight | None = None
    report: Report | None = None
    hindrance = ""

    only_good = forms.BooleanField(label=gettext_lazy("Import only the lines without errors"), required=False)

    def __init__(self, tenant: Tenant, upload: Upload, data: QueryDict | None = None) -> None:
        self.tenant, self.upload = tenant, upload
        self.table = sheet_of(upload.table)
        self.entries: list[Entry] = []
        super().__init__(data if data is not None else self._known(upload))
        offered = [("", _("Ignore")), *((column.value, heading_of(column)) for column in Column)]
        for name, heading in zip(self._names(), self.table.headings, strict=True):
            self.fields[name] = forms.ChoiceField(label=heading, choices=offered, required=False)

    @property
    def columns(self) -> list[Column | None]:
        """The chosen field of each column; a value that nobody offered counts as none."""
        values = [str(self.data.get(name, "")) for name in self._names()]
        return [_COLUMNS.get(value) for value in values]

    @property
    def column_choices(self) -> list[ColumnChoice]:
        """The columns with some of their cells."""
        return [
            ColumnChoice(heading, self._examples(place), self[name])
            for place, (name, heading) in enumerate(zip(self._names(), self.table.headings, strict=True))
        ]

    @property
    def ignored(self) -> list[str]:
        """The headings of the columns that are not read; a column without a heading only where it holds something."""
        named = enumerate(zip(self.table.headings, self.columns, strict=True), 1)
        return [
            heading or _("column %(place)s") % {"place": place}
            for place, (heading, column) in named
            if column is None and (heading or self._examples(place - 1))
        ]

    def clean(self) -> None:
        for fault in faults_of(self.columns):
            self.add_error(None, fault)
        self.entries = entries_of(self.table.lines, self.columns)
        if not self.entries and not self.errors:
            self.add_error(None, _("Below the headings there is no line that could be imported."))

    def save(self, book: Book) -> None:
        """Import what can be imported; inside a transaction, which `portal.write` takes back without the right yes."""
        self.report = import_entries(book, self.tenant, self.entries)
        if "foreseen" in self.data and self.report.count(Status.REFUSED) and not self.cleaned_data["only_good"]:
            self.hindrance = say_refusal(self.report)

    def consequences(self, book: Book) -> Sequence[str]:
        """The whole report: the reader's yes counts for exactly this. Never empty, so that nothing is saved without a yes."""
        return [*(self.report.sentences() if self.report else ()), *filter(None, [self.hindrance])]

    def show_objections(self, refused: Refused) -> None:
        for objection in refused.objections:
            self.add_error(None, objection.message)

    def tell(self, book: Book) -> str:
        """What was imported, in a sentence."""
        if self.report is None or not self.report.changing:
            return _("Nothing to import: everything stays as it was.")
        new, changed, refused = (self.report.count(status) for status in (Status.NEW, Status.CHANGED, Status.REFUSED))
        said = [
            ngettext("%(count)s new employee was imported.", "%(count)s new employees were imported.", new) % {"count": new},
            ngettext("%(count)s employee was changed.", "%(count)s employees were changed.", changed) % {"count": changed},
            ngettext("%(count)s line was left out.", "%(count)s lines were left out.", refused) % {"count": refused},
        ]
        return " ".join(sentence for sentence, number in zip(said, (new, changed, refused), strict=True) if number)

    def _known(self, upload: Upload) -> Mapping[str, str]:
        values = upload.columns or [column.value if column else "" for column in guess(self.table.headings)]
        return dict(zip(self._names(), values, strict=False))

    def _names(self) -> list[str]:
        return [f"column-{place}" for place in range(len(self.table.headings))]

    def _examples(self, place: int) -> str:
        cells = (line.cells[place].strip() for line in self.table.lines[:50] if place < len(line.cells))
        found = list(dict.fromkeys(" ".join(cell.split()) for cell in cells if cell))[:EXAMPLES]
        return ", ".join(cell if len(cell) <= EXAMPLE_LENGTH else f"{cell[:EXAMPLE_LENGTH]}…" for cell in found)
