"""A list as a CSV file to store, as spreadsheets of the reader's language expect it (Z12)."""

from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.utils.translation import get_language

from mailsettings.spreadsheet import CONTENT_TYPES, CSV, write_table


def csv_answer(rows: Iterable[Sequence[str]], *, title: str, filename: str) -> HttpResponse:
    """The rows, headings first, as an attachment of this name."""
    delimiter = ";" if (get_language() or "").startswith("de") else ","
    file = write_table(CSV, list(rows), title=title, delimiter=delimiter)
    return HttpResponse(
        file, content_type=CONTENT_TYPES[CSV], headers={"Content-Disposition": f'attachment; filename="{filename}"'}
    )
