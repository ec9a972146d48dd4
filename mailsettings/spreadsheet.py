"""A CSV or XLSX file as lines of texts, bounded before it is read; and lines as such a file, no cell a formula (Z11, Z12)."""

import codecs
import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from io import BytesIO, StringIO
from itertools import islice
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from django.utils.translation import gettext as _
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

MAX_OCTETS = 5_000_000
MAX_LINES = 10_000
MAX_COLUMNS = 100
MAX_CHARACTERS = 5_000_000  # of all cells; in an XLSX one text may stand in many of them
MAX_UNPACKED = 25_000_000  # octets
MAX_RATIO = 100  # unpacked to packed, of an archive that is not small
SMALL = 2_000_000  # octets
LAST_ROW = 1_048_576  # of an Excel sheet

CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_DELIMITERS = ";,\t|"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls, and an XLSX that a password encrypts
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_NO_TEXT = re.compile(r"[\x00-\x08\x0c\x0e-\x1f\x7f]")
_FORMULA_BEGINNINGS = "=+\\-@\t\r\n＝＋－＠"
_FORMULA = re.compile(rf"'*[{_FORMULA_BEGINNINGS}]")
_BOLD, _PLAIN = Font(bold=True), Font(bold=False)
_GUARDED = re.compile(rf"'+[{_FORMULA_BEGINNINGS}]")


class Unreadable(Exception):
    """The file cannot be read; the text is a sentence that says why and what would help."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not empty: where it begins in the file, and its cells without empty ones at the end."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds; `sheets` names the sheets of a workbook, `sheet` the one that was read."""

    lines: tuple[Line, ...]
    sheet: str = ""
    sheets: tuple[str, ...] = ()


def read_table(octets: bytes, *, sheet: str = "") -> Table:
    """The lines of a CSV or XLSX file, of the sheet named or the first that is not hidden. Raises Unreadable."""
    if len(octets) > MAX_OCTETS:
        raise Unreadable(_("The file is larger than %(size)s MB. Divide it into several.") % {"size": MAX_OCTETS // 1_000_000})
    if octets.startswith(_OLE):
        raise Unreadable(
            _("This is an old Excel file (.xls) or one with a password. Save it as XLSX without a password, or as CSV.")
        )
    table = _read_workbook(octets, sheet) if octets.startswith(_ZIP) else Table(_bounded(_csv_lines(_decode(octets))))
    if not table.lines:
        raise Unreadable(_("The file is empty."))
    return table


def guard(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would take it for a formula (Z12)."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """The text without the apostrophe that `guard` has put in front."""
    return text[1:] if _GUARDED.match(text) else text


def plain_heading(heading: str) -> str:
    """A heading without case, accents, signs and what stands in brackets, to compare it with known ones."""
    text = re.sub(r"\([^)]*\)|\[[^\]]*\]", "", unguard(heading)).casefold()
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
        text = unicodedata.normalize("NFC", text).replace(umlaut, letters)
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", text))


def write_table(kind: str, lines: Iterable[Sequence[str]], *, title: str, delimiter: str = ";") -> bytes:
    """The lines as a CSV or XLSX file; the first is the head."""
    guarded = [[guard(cell) for cell in line] for line in lines]
    return _workbook(guarded, title) if kind == XLSX else _csv(guarded, delimiter)


def csv_pieces(lines: Iterable[Sequence[str]], *, delimiter: str = ";") -> Iterator[bytes]:
    """A CSV file line by line, for lists without end; the first is the head."""
    yield codecs.BOM_UTF8
    for line in lines:
        stream = StringIO(newline="")
        csv.writer(stream, delimiter=delimiter).writerow([guard(cell) for cell in line])
        yield stream.getvalue().encode()


def write_workbook(stream: IO[bytes], lines: Iterable[Sequence[str]], *, title: str, width: int = 24) -> None:
    """An XLSX file row by row, which is never whole in memory; what does not fit a sheet is left out."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(title))
    sheet.freeze_panes = "A2"
    for row, line in enumerate(islice(lines, LAST_ROW)):
        if row == 0:
            for column in range(1, len(line) + 1):
                sheet.column_dimensions[get_column_letter(column)].width = width
        sheet.append(_text_cells(sheet, [guard(cell) for cell in line], head=row == 0))
    book.save(stream)


def _csv(lines: list[list[str]], delimiter: str) -> bytes:
    stream = StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(lines)
    return codecs.BOM_UTF8 + stream.getvalue().encode()  # without the mark Excel takes UTF-8 for something else


def _workbook(lines: list[list[str]], title: str) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(title))
    for index, column in enumerate(zip(*lines, strict=True), 1):
        sheet.column_dimensions[get_column_letter(index)].width = min(max(map(len, column)) + 2, 60)
    sheet.freeze_panes = "A2"
    for row, line in enumerate(lines):
        sheet.append(_text_cells(sheet, line, head=row == 0))
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def _sheet_title(title: str) -> str:
    return re.sub(r"[\\/*?:\[\]]", " ", title)[:31]


def _text_cells(sheet: Any, line: Sequence[str], *, head: bool) -> list[Any]:
    """The cells of a row, each a text whatever it looks like."""
    cells = [WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", cell)) for cell in line]
    for cell in cells:
        cell.data_type, cell.number_format, cell.font = "s", "@", _BOLD if head else _PLAIN
    return cells


def _bounded(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines that are not empty. Raises Unreadable as soon as there is too much of anything."""
    found: list[Line] = []
    characters = 0
    for line in lines:
        width = max((place for place, cell in enumerate(line.cells, 1) if cell.strip()), default=0)
        if not width:
            continue
        if width > MAX_COLUMNS:
            raise Unreadable(
                _("Line %(line)s has more than %(count)s columns. Remove those that are not needed.")
                % {"line": line.number, "count": MAX_COLUMNS}
            )
        found.append(Line(line.number, line.cells[:width]))
        characters += sum(map(len, line.cells[:width]))
        if len(found) > MAX_LINES + 1 or characters > MAX_CHARACTERS:
            raise Unreadable(
                _("The file has more than %(count)s lines, or too much text. Divide it into several.") % {"count": MAX_LINES}
            )
    return tuple(found)


# ---- CSV


def _decode(octets: bytes) -> str:
    """UTF-8 and UTF-16 with or without their mark, else Windows-1252. Raises Unreadable."""
    try:
        text = octets.decode(_encoding_of(octets))
    except UnicodeDecodeError:
        text = octets.decode("cp1252", "replace").replace("\ufffd", "\0")
    if _NO_TEXT.search(text):
        raise Unreadable(_("The file is neither CSV nor XLSX. Save it in one of these forms."))
    return text.removeprefix("\ufeff")


def _encoding_of(octets: bytes) -> str:
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = octets[:400:2].count(0), octets[1:400:2].count(0)
    if 2 * max(even, odd) > min(len(octets), 400) // 2 and len(octets) % 2 == 0:  # half of the high octets of plain letters
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8-sig"


def _csv_lines(text: str) -> Iterator[Line]:
    text, delimiter = _without_hint(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter or _delimiter_of(text), strict=True)
    hint = 1 if delimiter else 0
    number = 0
    try:
        for cells in reader:
            yield Line(number + 1 + hint, tuple(cells))
            number = reader.line_num
    except csv.Error as fault:
        message = _("From line %(line)s on the file cannot be read: there is a quotation mark too many or too few.")
        raise Unreadable(message % {"line": number + 1 + hint}) from fault


def _without_hint(text: str) -> tuple[str, str]:
    """The text without Excel's first line `sep=;`, and the delimiter that it names."""
    hint = re.match(r'"?sep=([;,\t|])"?(?:\r\n|\r|\n)', text, re.IGNORECASE)
    return (text[hint.end() :], hint[1]) if hint else (text, "")


def _delimiter_of(text: str) -> str:
    """The delimiter that gives the first line the most columns."""
    return max(_DELIMITERS, key=lambda delimiter: _columns_of(text, delimiter))


def _columns_of(text: str, delimiter: str) -> int:
    try:
        return next((len(cells) for cells in csv.reader(StringIO(text, newline=""), delimiter=delimiter) if any(cells)), 0)
    except csv.Error:
        return 0


# ---- XLSX


def _read_workbook(octets: bytes, wanted: str) -> Table:
    try:
        formulas = _look_into_archive(octets)
        book = _open(octets, values=True)
        names = tuple(sheet.title for sheet in book.worksheets)
        visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
        name = wanted or next(iter([*visible, *names]), "")
        if name not in names:
            message = _("There is no sheet “%(sheet)s” in the file. There are: %(sheets)s.")
            raise Unreadable(message % {"sheet": name, "sheets": ", ".join(names)})
        if formulas:
            _refuse_uncalculated(octets, name)
        return Table(_bounded(_sheet_lines(book, name)), name, names)
    except Unreadable:
        raise
    except Exception as fault:  # whatever a parser raises over a file that somebody made up, the file is what is wrong
        message = _("The XLSX file is damaged. Open it in Excel or LibreOffice and save it anew, or save it as CSV.")
        raise Unreadable(message) from fault


def _open(octets: bytes, *, values: bool) -> Workbook:
    return load_workbook(BytesIO(octets), read_only=True, data_only=values, keep_links=False)


def _look_into_archive(octets: bytes) -> bool:
    """Whether there are formulas. Raises Unreadable where the archive is no workbook, or one that must not be unpacked (Z11)."""
    try:
        archive = ZipFile(BytesIO(octets))
    except BadZipFile as fault:
        raise Unreadable(_("The XLSX file is incomplete. Copy or download it once more.")) from fault
    with archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED or (unpacked > SMALL and unpacked > MAX_RATIO * len(octets)):
            message = _("Unpacked, the file would be too large. Copy the columns that are needed into a new file.")
            raise Unreadable(message)
        names = archive.namelist()
        if "xl/workbook.xml" not in names:
            raise Unreadable(_("The file is neither CSV nor XLSX. Save it in one of these forms."))
        sheets = [name for name in names if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(re.search(rb"<(?:\w+:)?f[\s/>]", archive.read(name)) for name in sheets)


def _refuse_uncalculated(octets: bytes, name: str) -> None:
    """A formula whose value no program has stored would read as an empty cell. Raises Unreadable."""
    stored = dict(_rows(_open(octets, values=True), name))
    for number, cells in _rows(_open(octets, values=False), name):
        for place, cell in enumerate(cells):
            value = stored[number][place] if number in stored else None
            if cell.data_type == "f" and (value is None or (value.value is None and value.data_type != "str")):
                message = _("The formula in cell %(cell)s has no stored value. Open the file in Excel, save it, and try again.")
                raise Unreadable(message % {"cell": f"{get_column_letter(place + 1)}{number}"})


def _sheet_lines(book: Workbook, name: str) -> Iterator[Line]:
    for number, cells in _rows(book, name):
        yield Line(number, tuple(map(_text_of, cells)))


def _rows(book: Workbook, name: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """(row number, cells) of the rows that hold something; the reader gives one and the same tuple for every row of a gap."""
    gap = None
    for number, cells in enumerate(book[name].iter_rows(min_row=1, max_row=LAST_ROW, max_col=MAX_COLUMNS + 1), 1):
        if cells is gap:
            continue
        if all(cell.value is None and cell.data_type != "str" for cell in cells):
            gap = cells
            continue
        yield number, cells


def _text_of(cell: Any) -> str:
    """A cell as people see it: 17.0 is 17, and 7 in the number format 000 is 007."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime) and value.time() == time.min:
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and set(cell.number_format) == {"0"}:
        return str(value).zfill(len(cell.number_format))
    return str(value)
