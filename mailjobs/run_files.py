"""The files of a print run as they were uploaded: a ZIP of PDFs or PDFs, bounded before anything is unpacked (Z11).

No path of an archive is ever used as one: a file is known by the last part of its name.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from django.utils.translation import gettext as _

from mailjobs.core.message import MAX_ATTACHMENT_OCTETS
from mailsettings.spreadsheet import MAX_LINES, Unreadable

MAX_UPLOAD = 300_000_000  # octets of all files as they come
MAX_UNPACKED = 600_000_000  # octets of all PDFs
MAX_RATIO = 200  # unpacked to packed of one file that is not small; a PDF is packed already
SMALL = 1_000_000
MAX_NAME = 200
_JUNK = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._)", re.IGNORECASE)
_LEADS_OUT = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")
_NO_NAME = re.compile(r"[\x00-\x1f\x7f]")
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the browser names it, with its octets to be read."""

    filename: str
    size: int
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Pdf:
    """One PDF; `filename` as people wrote it."""

    filename: str
    data: bytes


def key_of(filename: str) -> str:
    """A name as it is compared: `Rechnung 7` and `rechnung 7.PDF` are the same."""
    name = unicodedata.normalize("NFC", filename.strip()).casefold()
    return name if name.endswith(".pdf") else f"{name}.pdf"


def read_pdfs(uploads: Iterable[Upload]) -> Iterator[Pdf]:
    """The PDFs of all uploads, one at a time. Raises Unreadable."""
    uploads = list(uploads)
    if sum(upload.size for upload in uploads) > MAX_UPLOAD:
        raise Unreadable(
            _("The files are larger than %(size)s MB together. Make several print runs of them.")
            % {"size": MAX_UPLOAD // 1_000_000}
        )
    seen: set[str] = set()
    octets = 0
    for upload in uploads:
        for pdf in _unpacked(upload) if _is_archive(upload) else [_single(upload)]:
            octets += len(pdf.data)
            key = key_of(pdf.filename)
            if key in seen:
                raise Unreadable(
                    _("There are two files called “%(file)s”. Give each a name of its own.") % {"file": pdf.filename[:80]}
                )
            seen.add(key)
            if len(seen) > MAX_LINES or octets > MAX_UNPACKED:
                raise Unreadable(_("These are too many PDFs, or too much of them. Make several print runs of them."))
            yield pdf


def _is_archive(upload: Upload) -> bool:
    upload.stream.seek(0)
    start = upload.stream.read(4)
    upload.stream.seek(0)
    return start[:2] == b"PK"


def _single(upload: Upload) -> Pdf:
    if upload.size > MAX_ATTACHMENT_OCTETS:
        raise Unreadable(_too_large(upload.filename))
    return _checked(upload.filename, upload.stream.read(MAX_ATTACHMENT_OCTETS + 1))


def _unpacked(upload: Upload) -> Iterator[Pdf]:
    try:
        with ZipFile(upload.stream) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _JUNK.search(entry.filename)]
            _refuse_bomb(entries)
            for entry in entries:
                yield _entry(archive, entry)
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as fault:
        message = _("“%(file)s” is incomplete or damaged. Pack it once more as an ordinary ZIP file without a password.")
        raise Unreadable(message % {"file": upload.filename[:80]}) from fault


def _refuse_bomb(entries: list[ZipInfo]) -> None:
    """By what the archive says of itself; `_entry` compares it with what comes."""
    if len(entries) > MAX_LINES:
        raise Unreadable(
            _("There are more than %(count)s files in the ZIP file. Make several print runs of them.") % {"count": MAX_LINES}
        )
    packed_well = any(entry.file_size > SMALL and entry.file_size > MAX_RATIO * entry.compress_size for entry in entries)
    if packed_well or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise Unreadable(_("Unpacked, the ZIP file would be too large. Make several print runs of it."))
    for entry in entries:
        if _LEADS_OUT.search(entry.filename):
            raise Unreadable(_("A name in the ZIP file leads out of it: “%(file)s”.") % {"file": entry.filename[:80]})
        if entry.flag_bits & _ENCRYPTED:
            raise Unreadable(_("The ZIP file has a password. Pack it without one."))
        if entry.file_size > MAX_ATTACHMENT_OCTETS:
            raise Unreadable(_too_large(entry.filename))


def _entry(archive: ZipFile, entry: ZipInfo) -> Pdf:
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size + 1)  # never more than was said and judged
    if len(data) != entry.file_size:
        raise BadZipFile
    return _checked(re.split(r"[/\\]", entry.filename)[-1], data)


def _checked(filename: str, data: bytes) -> Pdf:
    if not filename.lower().endswith(".pdf") or b"%PDF-" not in data[:1024]:
        raise Unreadable(_("“%(file)s” is no PDF. Upload PDFs, or a ZIP file with nothing but PDFs.") % {"file": filename[:80]})
    if len(filename) > MAX_NAME or _NO_NAME.search(filename):
        raise Unreadable(_("The name “%(file)s” cannot be used. Rename the file.") % {"file": filename[:80]})
    return Pdf(filename, data)


def _too_large(filename: str) -> str:
    words = {"file": filename[:80], "size": MAX_ATTACHMENT_OCTETS // 2**20}
    return _("“%(file)s” is larger than %(size)s MB, more than a mail can carry.") % words
