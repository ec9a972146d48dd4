"""Which column of a spreadsheet is which field of an employee, by German and English names, and what its cells mean (T3)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from mailsettings.spreadsheet import Line, Table, plain_heading, unguard


class Column(StrEnum):
    """What a column of the file may be."""

    NUMBER = "number"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    EMAIL = "email"
    ADDITIONAL_EMAILS = "additional_emails"
    USER = "user"
    ACTIVE = "active"


EXPORTED = (Column.NUMBER, Column.NAME, Column.EMAIL, Column.ADDITIONAL_EMAILS, Column.USER, Column.ACTIVE)
# (German, English); the first of each heads an export, all others are understood too. Data, not words of the interface.
HEADINGS: dict[Column, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Column.NUMBER: (
        (
            "Personalnummer",
            "Nummer",
            "Mitarbeiternummer",
            "Mitarbeiter-ID",
            "Personal-Nr.",
            "Pers.-Nr.",
            "Mitarbeiter-Nr.",
            "Nr.",
        ),
        ("Employee number", "Number", "ID", "Employee ID", "Employee no.", "No.", "Personnel number", "Staff number"),
    ),
    Column.NAME: (
        ("Name", "Mitarbeiter", "Mitarbeitername", "Vor- und Nachname", "Vorname Nachname", "Anzeigename"),
        ("Name", "Employee", "Employee name", "Full name", "Display name"),
    ),
    Column.FIRST_NAME: (("Vorname", "Rufname"), ("First name", "Given name", "Forename")),
    Column.LAST_NAME: (("Nachname", "Familienname", "Zuname"), ("Last name", "Surname", "Family name")),
    Column.EMAIL: (
        ("E-Mail", "Mail", "E-Mail-Adresse", "Mailadresse", "Haupt-E-Mail"),
        ("E-mail", "E-mail address", "Mail address", "Primary e-mail"),
    ),
    Column.ADDITIONAL_EMAILS: (
        (
            "Weitere E-Mail-Adressen",
            "Weitere E-Mails",
            "Weitere Mailadressen",
            "Weitere Adressen",
            "Zusätzliche E-Mail-Adressen",
            "Zusätzliche E-Mails",
        ),
        (
            "Further e-mail addresses",
            "Further e-mails",
            "Further addresses",
            "Additional e-mails",
            "Additional e-mail addresses",
            "Other e-mail addresses",
        ),
    ),
    Column.USER: (
        ("User-ID", "Benutzer", "Benutzername", "Benutzer-ID", "Benutzerkennung", "Login", "Anmeldename"),
        ("User ID", "User", "User name", "Linked user ID", "Login"),
    ),
    Column.ACTIVE: (("Aktiv",), ("Active", "Is active", "Enabled")),
}
TICKS = frozenset({"x", "✓", "✔"})
YES = frozenset({"ja", "j", "yes", "y", "true", "wahr", "1", "on", "aktiv", "active"}) | TICKS
NO = frozenset({"nein", "n", "no", "false", "falsch", "0", "off", "inaktiv", "inactive"})
_EXCEL_ERRORS = frozenset(
    {"#N/A", "#NV", "#REF!", "#BEZUG!", "#NAME?", "#VALUE!", "#WERT!", "#DIV/0!", "#NULL!", "#NUM!", "#ZAHL!"}
)
_HEAD_WITHIN = 20  # lines; a title may stand above the headings
_ADDRESS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^;,\r\n\v])+')  # one of several, what stands in quotes belongs together


@dataclass(frozen=True, slots=True)
class Entry:
    """What one line says about an employee; None: the file says nothing about it. `faults` are sentences."""

    line: int
    number: str
    name: str | None = None
    email: str | None = None
    additional_emails: tuple[str, ...] | None = None
    user: str | None = None
    active: bool | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table whose head was found: the headings, and the lines below them."""

    headings: tuple[str, ...]
    lines: tuple[Line, ...]


def heading_of(column: Column) -> str:
    """The heading of a column in the language of the reader."""
    german, english = HEADINGS[column]
    return (german if (get_language() or "").startswith("de") else english)[0]


def names_of(column: Column) -> list[str]:
    """All headings that are understood as this column."""
    german, english = HEADINGS[column]
    return list(dict.fromkeys([*german, *english]))


def sheet_of(table: Table) -> Sheet:
    """Find the head: of the first lines the one with the most known headings; a file that begins with an address has none."""
    near = table.lines[:_HEAD_WITHIN]
    known = [sum(_exact(cell) is not None for cell in line.cells) for line in near]
    place = known.index(max(known))
    headless = not known[place] and any("@" in cell for cell in table.lines[0].cells)
    headings = [] if headless else [" ".join(unguard(cell).split()) for cell in table.lines[place].cells]
    lines = table.lines if headless else table.lines[place + 1 :]
    width = max((len(line.cells) for line in lines), default=0)
    return Sheet((*headings, *[""] * (width - len(headings))), lines)


def guess(headings: Sequence[str]) -> list[Column | None]:
    """The field of each column by its heading; None for what is unknown or stands there already."""
    found: list[Column | None] = []
    for heading in headings:
        column = _exact(heading)
        found.append(column if column is Column.ADDITIONAL_EMAILS or column not in found else None)
    for place, heading in enumerate(headings):
        column = _alike(heading) if found[place] is None and _exact(heading) is None else None
        if column and column not in found:
            found[place] = column
    if Column.LAST_NAME in found and Column.FIRST_NAME in found:
        return [None if column is Column.NAME else column for column in found]
    if Column.FIRST_NAME in found:  # beside a first name, “Name” is the family name
        return [Column.LAST_NAME if column is Column.NAME else column for column in found]
    return found


def faults_of(columns: Sequence[Column | None]) -> list[str]:
    """What is wrong with a choice of columns, as sentences."""
    faults = []
    if Column.NUMBER not in columns:
        message = _("No column holds the number of the employee, by which a line is known. These names would do: %(names)s.")
        faults.append(message % {"names": ", ".join(names_of(Column.NUMBER))})
    if (Column.FIRST_NAME in columns) is not (Column.LAST_NAME in columns) and Column.NAME not in columns:
        faults.append(_("A first name needs a last name beside it, and the other way round; or choose one column with the name."))
    if Column.NAME in columns and {Column.FIRST_NAME, Column.LAST_NAME} & set(columns):
        faults.append(_("The name comes from one column, or from first name and last name, not from both."))
    for column in Column:
        if column is not Column.ADDITIONAL_EMAILS and columns.count(column) > 1:
            faults.append(_("Two columns are both “%(column)s”. Choose one of them.") % {"column": heading_of(column)})
    return faults


def entries_of(lines: Iterable[Line], columns: Sequence[Column | None]) -> list[Entry]:
    """What the lines say; a line that says nothing in the chosen columns is left out."""
    rows = [(line.number, _cells_of(line, columns)) for line in lines]
    marks = {cell.casefold() for _line, cells in rows for cell in cells.get(Column.ACTIVE, ()) if cell}
    ticked = bool(marks) and marks <= TICKS
    return [_entry(number, cells, ticked=ticked) for number, cells in rows if any(map(any, cells.values()))]


def split_addresses(cell: str) -> tuple[str, ...]:
    """The addresses of one cell, separated by semicolons, commas or line breaks."""
    return tuple(address for found in _ADDRESS.findall(cell) if (address := found.strip()))


def join_addresses(addresses: Iterable[str]) -> str:
    """The addresses as one cell."""
    return "; ".join(addresses)


def _cells_of(line: Line, columns: Sequence[Column | None]) -> Mapping[Column, list[str]]:
    cells: dict[Column, list[str]] = {}
    for place, column in enumerate(columns):
        if column is not None:
            cell = line.cells[place] if place < len(line.cells) else ""
            cells.setdefault(column, []).append(unguard(cell.strip()).strip())
    return cells


def _entry(line: int, cells: Mapping[Column, list[str]], *, ticked: bool) -> Entry:
    faults = [
        _("%(column)s: the cell holds %(error)s, an error of the spreadsheet. Correct it there.")
        % {"column": heading_of(column), "error": cell}
        for column, texts in cells.items()
        for cell in texts
        if cell.upper() in _EXCEL_ERRORS
    ]
    active = None
    mark = "".join(cells.get(Column.ACTIVE, ())).casefold()
    if mark in YES | NO:
        active = mark in YES
    elif mark:
        message = _("%(column)s: “%(text)s” is neither yes nor no.")
        faults.append(message % {"column": heading_of(Column.ACTIVE), "text": mark[:50]})
    elif ticked:
        active = False
    further = cells.get(Column.ADDITIONAL_EMAILS)
    return Entry(
        line,
        number="".join(cells.get(Column.NUMBER, ())),
        name=_name(cells),
        email=_only(cells, Column.EMAIL),
        additional_emails=tuple(dict.fromkeys(split_addresses("\n".join(further)))) if further is not None else None,
        user=_only(cells, Column.USER),
        active=active,
        faults=tuple(faults),
    )


def _only(cells: Mapping[Column, list[str]], column: Column) -> str | None:
    return cells[column][0] if column in cells else None


def _name(cells: Mapping[Column, list[str]]) -> str | None:
    if Column.NAME in cells:
        return " ".join(cells[Column.NAME][0].split())
    if Column.LAST_NAME not in cells:
        return None
    first, last = " ".join(cells[Column.FIRST_NAME][0].split()), " ".join(cells[Column.LAST_NAME][0].split())
    return last if first in last.split() else f"{first} {last}".strip()


_KNOWN = {plain_heading(name): column for column in Column for name in [column.value, *HEADINGS[column][0], *HEADINGS[column][1]]}


def _exact(heading: str) -> Column | None:
    plain = plain_heading(heading)
    stem = plain.rstrip("0123456789")
    if stem != plain and _KNOWN.get(stem) in {Column.EMAIL, Column.ADDITIONAL_EMAILS}:
        return Column.EMAIL if plain[len(stem) :] == "1" and _KNOWN[stem] is Column.EMAIL else Column.ADDITIONAL_EMAILS
    return _KNOWN.get(plain)


def _alike(heading: str) -> Column | None:
    """A heading with a slip of the pen."""
    plain = plain_heading(heading)
    close = get_close_matches(plain, _KNOWN, n=1, cutoff=0.88) if len(plain) >= 5 and plain.isalpha() else []
    return _KNOWN[close[0]] if close else None
