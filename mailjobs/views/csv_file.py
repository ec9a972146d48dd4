"""Tables as CSV files that a spreadsheet opens: no cell of them is ever taken for a formula (Z12)."""

import csv
from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.utils.translation import get_language

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as something else


def harmless(value: object) -> str:
    """A cell's text, with an apostrophe before what a spreadsheet would calculate."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_BEGINNINGS) else text


def csv_response(filename: str, head: Sequence[object], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The file as a download; separated as spreadsheets of the reader's language expect it."""
    response = HttpResponse(BYTE_ORDER_MARK, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    writer = csv.writer(response, delimiter=";" if (get_language() or "").startswith("de") else ",")
    for row in (head, *rows):
        writer.writerow([harmless(cell) for cell in row])
    return response
