"""A file that somebody has uploaded, kept on the server from one page to the next: for them, for one tenant, for two hours."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from mailsettings.models import Tenant, User
from mailsettings.spreadsheet import Line, Table, read_table

KEPT_SECONDS = 2 * 60 * 60
KEPT_AT_ONCE = 3  # of one reader
_MINE = "uploads"  # where the reader's own session names them, oldest first
_Store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore  # a row of its own, not read with every page


@dataclass(slots=True)
class Upload:
    """A table, where it came from, and which columns were chosen; `octets` is the workbook while it has sheets to choose from."""

    key: str
    filename: str
    table: Table
    octets: bytes = b""
    columns: list[str] = field(default_factory=list)

    def read_sheet(self, name: str) -> None:
        """Read another sheet of the workbook. Raises Unreadable."""
        self.table, self.columns = read_table(self.octets, sheet=name), []


def keep(session: SessionBase, *, reader: User, tenant: Tenant, filename: str, octets: bytes) -> Upload:
    """Read a file and keep what it holds. Raises Unreadable."""
    table = read_table(octets)
    _Store.clear_expired()
    mine = list(session.get(_MINE, ()))
    while len(mine) >= KEPT_AT_ONCE:
        _Store(mine.pop(0)).delete()
    store = _Store()
    store.set_expiry(KEPT_SECONDS)
    store.update({"user": reader.pk, "tenant": tenant.pk})
    upload = Upload("", filename[-120:], table, octets if len(table.sheets) > 1 else b"")
    _pack(store, upload)
    store.create()
    upload.key = str(store.session_key)
    session[_MINE] = [*mine, upload.key]
    return upload


def find(key: str, *, reader: User, tenant: Tenant) -> Upload | None:
    """The upload with this key, if it is this reader's, for this tenant, and still there."""
    store = _Store(key)
    if (store.get("user"), store.get("tenant")) != (reader.pk, tenant.pk):
        return None
    return Upload(
        key,
        store["filename"],
        Table(_lines(store["lines"]), store["sheet"], tuple(store["sheets"])),
        base64.b64decode(store["octets"]),
        list(store["columns"]),
    )


def put(upload: Upload) -> None:
    """Store what has changed about an upload."""
    store = _Store(upload.key)
    _pack(store, upload)
    store.save()


def drop(upload: Upload) -> None:
    """Forget an upload."""
    _Store(upload.key).delete()


def _pack(store: SessionBase, upload: Upload) -> None:
    store.update(
        {
            "filename": upload.filename,
            "lines": [[line.number, line.cells] for line in upload.table.lines],
            "sheet": upload.table.sheet,
            "sheets": upload.table.sheets,
            "octets": base64.b64encode(upload.octets).decode(),
            "columns": upload.columns,
        }
    )


def _lines(rows: Sequence[Any]) -> tuple[Line, ...]:
    return tuple(Line(number, tuple(cells)) for number, cells in rows)
