"""Which failures are of one cause, so that they are one incident (J8)."""

import re

from mailjobs.core.lifecycle import State
from mailjobs.core.reply import ReplyClass

LONGEST = 200  # characters of a cause
# What a server does to all mails of a login alike, whatever the text says.
OF_CONNECTION = frozenset(
    {
        ReplyClass.RETRY,
        ReplyClass.HOST_UNKNOWN,
        ReplyClass.IDENTITY_MISSING,
        ReplyClass.TLS_RETRY,
        ReplyClass.LOGIN_REFUSED,
        ReplyClass.THROTTLED,
        ReplyClass.QUOTA,
        ReplyClass.LOST_BEFORE_BODY,
        ReplyClass.CONFIGURATION,
    }
)
_OF_ADDRESSES = frozenset({ReplyClass.RECIPIENT_REFUSED, ReplyClass.TOO_MANY_RECIPIENTS, ReplyClass.GREYLISTED})
_VARIES = re.compile(r"""@|^[<\["“(']|[a-z][\w-]*\.[a-z]|^reference\b""", re.IGNORECASE)  # addresses, server names, quotations


def cause_of(reason: str, *, state: str, connection: int | None, error: str, sender: str) -> str:
    """The key of a failure's cause: two failures at one tenant with the same key are one incident.

    `reason` is a `ReplyClass`, empty where no server and no network said it. What asks different things of people is never one
    incident: an uncertain mail, a partly sent one, a failed one.
    """
    place = f"connection {connection}" if connection else "no connection"
    if state == State.UNKNOWN:
        parts = [state, place]
    elif reason in OF_CONNECTION:
        parts = [reason, place]
    elif reason == ReplyClass.SENDER_REFUSED:
        parts = [reason, place, sender]
    elif reason in _OF_ADDRESSES:
        parts = [reason, beginning_of(error)]
    else:
        parts = [reason or "none", place, beginning_of(error)]
    return " | ".join((["partly"] if state == State.PARTLY_SENT else []) + parts)[:LONGEST]


def beginning_of(error: str) -> str:
    """What errors of one cause begin with: the text up to the first word that differs from mail to mail."""
    kept: list[str] = []
    for index, word in enumerate(error.split()):
        if _VARIES.search(word) or (index > 1 and sum(map(str.isdigit, word)) >= 3):
            break
        kept.append(word)
    return " ".join(kept).rstrip(":,;") or error[:60]
