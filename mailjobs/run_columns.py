"""Which column of a spreadsheet says what about the mails of a print run, by German and English headings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum

from django.utils.translation import gettext_lazy

from mailsettings.core.placeholders import names
from mailsettings.models import PrintModel
from mailsettings.spreadsheet import Line, Table, plain_heading, unguard

_HEAD_WITHIN = 20  # lines; a title may stand above the headings
VARIABLE = "variable:"  # before the name of a placeholder


class Need(StrEnum):
    """What a mail of a run takes from the file, beside the placeholders of its print model."""

    TO = "to"
    NAME = "name"
    CC = "cc"
    BCC = "bcc"
    FILE = "file"
    DOCUMENT = "document"
    SENDER = "sender"


LABELS: Mapping[Need, object] = {
    Need.TO: gettext_lazy("Recipient"),
    Need.NAME: gettext_lazy("Name of the recipient"),
    Need.CC: gettext_lazy("Copy (Cc)"),
    Need.BCC: gettext_lazy("Hidden copy (Bcc)"),
    Need.FILE: gettext_lazy("Name of the PDF"),
    Need.DOCUMENT: gettext_lazy("Document number"),
    Need.SENDER: gettext_lazy("Sender"),
}
# German and English, the likeliest first. Data, not words of the interface.
HEADINGS: Mapping[Need, tuple[str, ...]] = {
    Need.TO: (
        "E-Mail",
        "E-Mail-Adresse",
        "Mail",
        "Mailadresse",
        "Empfänger",
        "Empfängeradresse",
        "An",
        "Recipient",
        "E-mail address",
        "To",
        "Recipients",
    ),
    Need.NAME: (
        "Name",
        "Empfängername",
        "Kunde",
        "Klient",
        "Kundenname",
        "Firma",
        "Recipient name",
        "Client",
        "Customer",
        "Company",
    ),
    Need.CC: ("CC", "Kopie", "Kopie an", "Copy", "Copy to"),
    Need.BCC: ("BCC", "Blindkopie", "Blind copy"),
    Need.FILE: ("Datei", "Dateiname", "PDF", "PDF-Datei", "Anhang", "Beilage", "File", "File name", "Attachment"),
    Need.DOCUMENT: (
        "Belegnummer",
        "Rechnungsnummer",
        "Dokumentnummer",
        "Beleg",
        "Rechnung",
        "Rechnungs-Nr.",
        "Beleg-Nr.",
        "Nummer",
        "Nr.",
        "Document number",
        "Invoice number",
        "Invoice no.",
        "Invoice",
        "Number",
        "No.",
    ),
    Need.SENDER: ("Absender", "Absenderadresse", "Sender", "Sender address", "From"),
}
# Placeholders that print models use for the same; a placeholder's own name comes first.
_PLACEHOLDERS: tuple[tuple[str, ...], ...] = (
    ("number", "nummer", *HEADINGS[Need.DOCUMENT]),
    (*HEADINGS[Need.NAME],),
    ("amount", "betrag", "Summe", "Gesamtbetrag", "Rechnungsbetrag", "Total"),
    ("date", "datum", "Rechnungsdatum", "Belegdatum", "Invoice date"),
    ("due", "faellig", "fällig", "fällig am", "Fälligkeit", "Fälligkeitsdatum", "Due date"),
    ("month", "monat", "Zeitraum", "Period"),
    ("year", "jahr"),
)


def placeholders_of(model: PrintModel | None) -> list[str]:
    """The names that the print model's templates have places for, sorted."""
    if model is None:
        return []
    return sorted(names(model.subject) | names(model.text) | names(model.html))


def needs_of(model: PrintModel | None) -> list[str]:
    """All that a mail can take from the file: the needs, then `variable:NAME` for each placeholder."""
    return [*(need.value for need in Need), *(VARIABLE + name for name in placeholders_of(model))]


def label_of(need: str) -> str:
    """What people call a need."""
    return f"{{{{ {need.removeprefix(VARIABLE)} }}}}" if need.startswith(VARIABLE) else str(LABELS[Need(need)])


def head_of(table: Table) -> tuple[list[str], tuple[Line, ...]]:
    """The headings, and the lines below: of the first lines the one with the most known headings, else the first.

    A file whose first line has an address has no headings.
    """
    near = table.lines[:_HEAD_WITHIN]
    known = [sum(plain_heading(cell) in _KNOWN for cell in line.cells) for line in near]
    place = known.index(max(known))
    headless = not known[place] and any("@" in cell for cell in table.lines[0].cells)
    lines = table.lines if headless else table.lines[place + 1 :]
    headings = [] if headless else [" ".join(unguard(cell).split())[:100] for cell in table.lines[place].cells]
    width = max((len(line.cells) for line in lines), default=0)
    return [*headings, *[""] * (width - len(headings))], lines


def guess(headings: Sequence[str], lines: Sequence[Line], needs: Iterable[str]) -> dict[str, int]:
    """Need → place of the column that is likely meant; the first with addresses in it where no heading says so."""
    plain = [plain_heading(heading) for heading in headings]
    found = {}
    for need in needs:
        wanted = _wanted(need)
        place = next((plain.index(name) for name in wanted if name in plain), None)
        if place is None:
            close = get_close_matches(wanted[0], [name for name in plain if len(name) > 4], n=1, cutoff=0.85)
            place = plain.index(close[0]) if close and not need.startswith(VARIABLE) else None
        if place is not None:
            found[need] = place
    if Need.TO not in found and (place := _with_addresses(lines)) is not None:
        found[Need.TO.value] = place
    return found


def _wanted(need: str) -> list[str]:
    if not need.startswith(VARIABLE):
        return [plain_heading(name) for name in HEADINGS[Need(need)]]
    name = plain_heading(need.removeprefix(VARIABLE))
    alike = next((group for group in _PLACEHOLDERS if name in map(plain_heading, group)), ())
    return [name, *map(plain_heading, alike)]


def _with_addresses(lines: Sequence[Line]) -> int | None:
    near = lines[:_HEAD_WITHIN]
    found = Counter(place for line in near for place, cell in enumerate(line.cells) if "@" in cell)
    return found.most_common(1)[0][0] if found else None


_KNOWN = frozenset(plain_heading(name) for names_of in (*HEADINGS.values(), *_PLACEHOLDERS) for name in names_of)
