"""The mailbox of the local test mail server: which mails it took, and who may look at them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from itertools import islice
from pathlib import Path

from django.conf import settings

from mailjobs.selectors import body_visible_to, jobs_visible_to
from mailsettings.models import User

ROWS = 25
AT_A_TIME = 100  # files whose owners are looked up together
MOST_FILES = 5_000  # looked through for one page
HEAD = 64 * 1024  # header blocks are shorter
NAME = re.compile(r"(?P<time>\d{8}T\d{6}\.\d{6})-\d{1,9}\.eml")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail that the test mail server took."""

    name: str
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str

    def __str__(self) -> str:
        return self.subject


@dataclass(frozen=True, slots=True)
class Letters:
    """One page, newest first; `newer` and `older` are the names to go on from, empty where there is nothing."""

    rows: tuple[Letter, ...]
    newer: str = ""
    older: str = ""


def letters(reader: User, *, before: str = "", after: str = "") -> Letters:
    """The mails this reader may see: an operator all, others those of jobs visible to them."""
    names = sorted((path.name for path in _folder().glob("*.eml") if NAME.fullmatch(path.name)), reverse=True)
    if after:
        names = [name for name in reversed(names) if name > after]
    elif before:
        names = [name for name in names if name < before]
    found = list(islice(_visible(reader, names[:MOST_FILES]), ROWS + 1))
    shown, more = tuple(found[:ROWS]), len(found) > ROWS
    if after:
        shown = shown[::-1]
    if not shown:
        return Letters(())
    return Letters(
        shown,
        newer=shown[0].name if (more if after else bool(before)) else "",
        older=shown[-1].name if (after or more) else "",
    )


def letter(reader: User, name: str) -> tuple[Letter, bytes] | None:
    """One mail and its octets without the envelope; None where there is none, or none for this reader."""
    path = _folder() / name
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    data = path.read_bytes()
    found = next(_visible(reader, [name]), None)
    return (found, _without_envelope(data)) if found else None


def body_open_to(reader: User, found: Letter) -> bool:
    """Whether this reader may read what the mail says (T7); the operator of a test mail server may."""
    if reader.is_operator:
        return True
    return any(body_visible_to(reader, job) for job in jobs_visible_to(reader).filter(message_id=found.message_id))


def _folder() -> Path:
    return Path(settings.SMTP_SINK_DIR) / "new"


def _visible(reader: User, names: Sequence[str]) -> Iterator[Letter]:
    for start in range(0, len(names), AT_A_TIME):
        found = [read for name in names[start : start + AT_A_TIME] if (read := _read(name))]
        if reader.is_operator:
            yield from found
            continue
        ids = [each.message_id for each in found if each.message_id]
        known = set(jobs_visible_to(reader).filter(message_id__in=ids).values_list("message_id", flat=True))
        yield from (each for each in found if each.message_id in known)


def _read(name: str) -> Letter | None:
    match = NAME.fullmatch(name)
    try:
        with (_folder() / name).open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        return None
    if match is None:
        return None
    message = BytesHeaderParser(policy=policy.default).parsebytes(head)
    return Letter(
        name=name,
        at=datetime.strptime(match["time"], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC),
        sender=str(message.get("X-Envelope-From", "")),
        recipients=_recipients(message),
        subject=str(message.get("Subject", "")),
        message_id=str(message.get("Message-ID", "")).strip(),
    )


def _recipients(message: EmailMessage) -> tuple[str, ...]:
    try:
        found = json.loads(str(message.get("X-Envelope-To", "[]")))
    except ValueError:
        return ()
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def _without_envelope(data: bytes) -> bytes:
    """The mail as it came: the two lines of the test mail server stand before it."""
    lines = data.split(b"\n", 2)
    return lines[2] if len(lines) == 3 and lines[0].startswith(b"X-Envelope-From:") else data
