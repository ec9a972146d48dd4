"""Files for print runs as somebody would upload them, and a worker to hand them in."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from mailjobs.models import PrintRun
from mailjobs.run_files import Upload, read_pdfs
from mailjobs.runs import create
from mailsettings.models import PrintModel
from mailsettings.spreadsheet import read_table
from tests.cast import user

HEAD = ("Rechnungsnummer", "Kunde", "E-Mail", "PDF-Datei")
Cell = str | float | None
Rows = Sequence[Sequence[Cell]]


def pdf(number: object) -> bytes:
    """The least that is taken for a PDF, another one for each number."""
    return f"%PDF-1.4\n% invoice {number}\n%%EOF\n".encode()


def invoices(count: int) -> list[tuple[Cell, ...]]:
    """Rows of so many good invoices, below `HEAD`."""
    return [(f"2026-{n:05}", f"Klient {n}", f"klient{n}@kunde.example", f"Rechnung 2026-{n:05}.pdf") for n in range(1, count + 1)]


def workbook(rows: Iterable[Sequence[Cell]], head: Sequence[Cell] = HEAD) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Rechnungen")
    for row in (head, *rows):
        cells = [WriteOnlyCell(sheet, value) for value in row]
        for cell in cells:
            cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type  # a text is no formula
        sheet.append(cells)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def archive(files: Mapping[str, bytes]) -> bytes:
    stream = BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return stream.getvalue()


def pdfs_of(rows: Rows) -> dict[str, bytes]:
    return {str(row[3]): pdf(row[0]) for row in rows if len(row) > 3 and row[3]}


def run_of(login: str, rows: Rows, *, files: Mapping[str, bytes] | None = None, name: str = "November") -> PrintRun:
    """A draft of this user's with these rows, as the page would make it."""
    person = user(login)
    packed = archive(pdfs_of(rows) if files is None else files)
    run = create(
        person,
        PrintModel.objects.get(tenant=person.tenant, slug="invoices"),
        name=name,
        filename="rechnungen.xlsx",
        table=read_table(workbook(rows)),
        pdfs=read_pdfs([Upload("pdfs.zip", len(packed), BytesIO(packed))]),
    )
    return PrintRun.objects.select_related("print_model", "tenant__firm", "user__tenant__firm").get(pk=run.pk)
