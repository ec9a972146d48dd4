"""A list as a CSV or XLSX file to store, as spreadsheets of the reader's language expect it (Z12)."""

from collections.abc import Iterable, Sequence
from tempfile import SpooledTemporaryFile

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import get_language

from mailsettings.spreadsheet import CONTENT_TYPES, CSV, XLSX, csv_pieces, write_table, write_workbook

_IN_MEMORY = 2**20  # octets of a workbook; a larger one goes through a file
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}


def csv_answer(rows: Iterable[Sequence[str]], *, title: str, filename: str) -> HttpResponse:
    """The rows, headings first, as an attachment of this name."""
    file = write_table(CSV, list(rows), title=title, delimiter=_delimiter())
    return HttpResponse(
        file, content_type=CONTENT_TYPES[CSV], headers={"Content-Disposition": f'attachment; filename="{filename}"'}
    )


def table_answer(
    request: HttpRequest, rows: Iterable[Sequence[str]], *, title: str, stem: str
) -> StreamingHttpResponse | FileResponse:
    """The rows, headings first, as the file that `?format=` asks for, row by row. Raises Http404 for another format."""
    kind = request.GET.get("format", XLSX)
    if kind not in CONTENT_TYPES:
        raise Http404
    disposition = content_disposition_header(as_attachment=True, filename=f"{stem}.{kind}") or "attachment"
    headers = {"Content-Disposition": disposition, **_SAFE}
    if kind == CSV:
        pieces = csv_pieces(rows, delimiter=_delimiter())
        return StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[CSV], headers=headers)
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the response closes it)
    write_workbook(file, rows, title=title)
    file.seek(0)
    return FileResponse(file, content_type=CONTENT_TYPES[XLSX], headers=headers)


def _delimiter() -> str:
    return ";" if (get_language() or "").startswith("de") else ","
