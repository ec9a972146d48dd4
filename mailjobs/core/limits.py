"""How much may go over a connection: what was set, else what is known of the provider, and what a server was found to take."""

import re
from dataclasses import dataclass

from mailjobs.core.providers import Preset
from mailjobs.core.reply import ReplyClass

_A_MINUTE = re.compile(r"(\d{1,6})\s*(?:messages?|e?-?mails?|msgs?)?\s*(?:per|/|a|each)\s*(?:1\s*)?min", re.IGNORECASE)
_CONNECTIONS = re.compile(
    r"too many (?:concurrent |simultaneous |open )?(?:smtp )?(?:connections|sessions)|connection limit", re.IGNORECASE
)
_OPENING = frozenset({"connect", "greeting", "ehlo", "tls", "auth"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Sessions at once, mails in a minute, recipients in a day; None: no limit. `sessions_set`: an administrator chose them."""

    sessions: int
    per_minute: int | None = None
    per_day: int | None = None
    sessions_set: bool = False


@dataclass(frozen=True, slots=True)
class Learned:
    """What a throttle taught."""

    sessions: int | None = None
    per_minute: int | None = None


def limits_of(*, preset: Preset, max_connections: int | None, per_minute: int | None, per_day: int | None) -> Limits:
    """What an administrator set wins over the preset."""
    return Limits(
        max_connections or preset.sessions,
        per_minute or preset.per_minute,
        per_day or preset.recipients_per_day,
        max_connections is not None,
    )


def learn(reason: ReplyClass, reply: str, phase: str, open_sessions: int, accepted_last_minute: int) -> Learned | None:
    """What a throttle says of the server: fewer sessions, or no more mails in a minute than it has just taken."""
    if reason is not ReplyClass.THROTTLED:
        return None
    if _CONNECTIONS.search(reply) or (phase in _OPENING and open_sessions > 1):
        return Learned(sessions=max(1, open_sessions - 1))
    if found := _A_MINUTE.search(reply):
        return Learned(per_minute=max(1, int(found[1])))
    return Learned(per_minute=max(1, accepted_last_minute)) if phase not in _OPENING and accepted_last_minute else None
