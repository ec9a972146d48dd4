"""The answer of a web service as a reply: HTTP status, the service's own code and words, how long it wants to be left alone."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mailjobs.core.envelope import Reply
from mailjobs.transports.https import Answer
from mailjobs.transports.transcript import hide, printable

LONGEST_TEXT = 500
LONGEST_WAIT = 24 * 3600.0


def reply_of(answer: Answer, secrets: Iterable[str] = ()) -> Reply:
    """`503 HTTP ServiceNotAvailable: The service is unavailable`; what is among `secrets` is hidden."""
    code, words = _said(answer)
    text = ": ".join(part for part in (code, words) if part)
    hidden = hide(" ".join(printable(f"HTTP {text}").split()), secrets)
    return Reply(answer.status, "", hidden[:LONGEST_TEXT], wait=_wait(answer.headers.get("retry-after", "")))


def document_of(answer: Answer) -> dict[str, object]:
    """The JSON object of an answer, empty where it is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(answer: Answer) -> tuple[str, str]:
    """Code and message: Graph nests them under `error`, an authority writes both beside one another (RFC 6749 5.2)."""
    document = document_of(answer)
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("code") or ""), str(error.get("message") or "")
    if isinstance(error, str):
        return error, str(document.get("error_description") or "")
    return "", ""


def _wait(header: str) -> float:
    """Retry-After (RFC 9110 10.2.3) in seconds: a number or a date; 0 where it is neither."""
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return min(float(header), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT)
