"""A row of a print run as the message that is handed in for it; the same row gives the same message, whoever asks when."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailjobs.models import PrintRun
from mailjobs.run_columns import VARIABLE, Need
from mailjobs.run_files import key_of
from mailsettings.employee_columns import split_addresses
from mailsettings.spreadsheet import unguard

PDF = "application/pdf"
MAX_DOCUMENT = 150  # characters of a document number


_ADDRESS = re.compile(r"^.*<([^<>]*)>\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a row says, nothing judged. `files` are the names of PDFs as they stand there."""

    line: int
    to: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # of the same, without names
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    sender: str = ""
    document: str = ""
    files: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None

    @property
    def keys(self) -> list[str]:
        """The names of the files as they are compared, each once."""
        return list(dict.fromkeys(map(key_of, self.files)))


def letter_of(run: PrintRun, line: int, cells: Sequence[str]) -> Letter:
    """What one row says, by the columns of its run."""

    def cell(need: str) -> str:
        place = run.columns.get(need)
        return unguard(cells[place].strip()).strip() if place is not None and place < len(cells) else ""

    to, name = split_addresses(cell(Need.TO)), " ".join(cell(Need.NAME).split())
    addresses = tuple(_ADDRESS.sub(r"\1", address) for address in to)
    if name and len(to) == 1 and "<" not in to[0]:
        to = (f"{_quoted(name)} <{to[0]}>",)
    names = [need.removeprefix(VARIABLE) for need in run.columns if need.startswith(VARIABLE)]
    return Letter(
        line=line,
        to=to,
        addresses=addresses,
        cc=split_addresses(cell(Need.CC)),
        bcc=split_addresses(cell(Need.BCC)),
        sender=cell(Need.SENDER),
        document=cell(Need.DOCUMENT)[:MAX_DOCUMENT],
        files=tuple(_names_in(cell(Need.FILE))),
        variables={name: value for name in names if (value := cell(VARIABLE + name))},
    )


def document_key(run: PrintRun, letter: Letter) -> str:
    """The key of a document (J10): type, number, and to whom it goes; empty without a number.

    The recipient as a digest: the key outlives what is kept of them.
    """
    if not letter.document:
        return ""
    slug = run.print_model.slug if run.print_model else ""
    to = hashlib.sha256(", ".join(letter.addresses).lower().encode()).hexdigest()[:8]
    return f"{slug} {letter.document} #{to}".strip()


def raw_message(run: PrintRun, letter: Letter, files: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The message as a door hands it in (contract); `files`: compared name → (name, octets). Raises KeyError."""
    attachments = [
        {"filename": filename, "content_type": PDF, "content_base64": base64.b64encode(data).decode()}
        for filename, data in (files[key] for key in letter.keys)
    ]
    return {
        "idempotency_key": f"print-run/{run.pk}/{letter.line}",
        "print_model": run.print_model.slug if run.print_model else None,
        "to": list(letter.to),
        "cc": list(letter.cc),
        "bcc": list(letter.bcc),
        "sender": letter.sender or None,
        "variables": dict(letter.variables or {}),
        "document_key": document_key(run, letter) or None,
        "attachments": attachments,
    }


def _names_in(cell: str) -> Iterator[str]:
    """One cell may name several files, separated by semicolons; of a path the last part counts."""
    for part in cell.split(";"):
        if name := part.replace("\\", "/").rstrip("/").rpartition("/")[2].strip():
            yield name


def _quoted(name: str) -> str:
    plain = "".join(char for char in name if char not in '"\\')
    return f'"{plain}"'
