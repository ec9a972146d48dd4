"""How much may go over a connection: what was set, else what is known of the provider, and what a server was found to take."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mailjobs.core.providers import Preset
from mailjobs.core.reply import ReplyClass


class Origin(StrEnum):
    """Where a limit comes from."""

    SET = "set"  # an administrator
    PRESET = "preset"  # what the provider says of itself
    LEARNED = "learned"  # what the server was found to take


@dataclass(frozen=True, slots=True)
class Limits:
    """Sessions at once, mails in a minute, recipients in a day; None: no limit. `sessions_set`: an administrator chose them.

    `origins`: of the three in this order, None where there is no limit.
    """

    sessions: int
    per_minute: int | None = None
    per_day: int | None = None
    sessions_set: bool = False
    origins: tuple[Origin | None, Origin | None, Origin | None] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Learned:
    """What a throttle taught."""

    sessions: int | None = None
    per_minute: int | None = None


def limits_of(
    *,
    preset: Preset,
    max_connections: int | None,
    per_minute: int | None,
    per_day: int | None,
    learned_sessions: int | None = None,
    learned_per_minute: int | None = None,
) -> Limits:
    """What an administrator set wins over the preset, and what the server was found to take over both where it is less."""
    sessions, sessions_from = _least(max_connections, preset.sessions, learned_sessions)
    minute, minute_from = _least(per_minute, preset.per_minute, learned_per_minute)
    day, day_from = _least(per_day, preset.recipients_per_day, None)
    return Limits(sessions or 1, minute, day, max_connections is not None, (sessions_from, minute_from, day_from))


def _least(chosen: int | None, preset: int | None, learned: int | None) -> tuple[int | None, Origin | None]:
    wanted, origin = (chosen, Origin.SET) if chosen else (preset, Origin.PRESET if preset else None)
    if learned and (wanted is None or learned < wanted):
        return learned, Origin.LEARNED
    return wanted, origin


_OPENING = frozenset({"connect", "greeting", "ehlo", "tls", "auth"})
_CODES = re.compile(r"(?P<basic>4\d\d)\b(?:[ -](?P<enhanced>\d\.\d{1,3}\.\d{1,3})\b)?")
_NUMBER = r"(?P<number>\d{1,6})"
_MAILS = r"(?:e-?mails?|mails?|messages?|msgs?|nachrichten)"
_MINUTE = r"(?:per|/|a|each|every|in(?: one)?|pro|je|within(?: one)?)\s*(?:1 |one |60 sec(?:ond)?s?\b|min(?:ute)?s?\b|m\b){1,2}"
_PER_MINUTE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_NUMBER}\s*{_MAILS}?\s*{_MINUTE}",
        rf"{_MAILS}\s*(?:{_MINUTE})\D{{0,12}}{_NUMBER}\b",  # "messages per minute: 30"
    )
)
_PLACES = (
    r"(?:(?:concurrent|simultaneous|parallel|open|smtp|client|tcp|gleichzeitige[nr]?)\s+)*(?:connections?|sessions?|verbindungen)"
)
_SESSIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:max(?:imum|imal)?|limit|only|allowed|most|up to)\b[\s:=]*(?:of |is |number of )?{_NUMBER}\s+{_PLACES}",
        rf"{_PLACES}\s*(?:limit)?\s*(?:is|of|per \w+)?\s*[(:=]\s*(?:max(?:imum)?\.?\s*)?{_NUMBER}\b",
        rf"\b{_NUMBER}\s+{_PLACES}\s+(?:are |is )?(?:allowed|permitted|at most|max)",
    )
)
_TOO_MANY_SESSIONS = re.compile(
    r"(too many|concurren\w*|simultaneous|parallel|number of|maximum).{0,40}(connection|session|thread)s?\b"
    r"|(connection|session|thread)s?( count| number)? (limit|quota)|concurren\w+ limit|too many (concurrent|simultaneous)"
    r"|connection rate",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"shut(ting)? ?down|closing(?! transmission)|going down|mainten|restart|time.?out|timed out|idle|bad commands|syntax"
    r"|too many (errors|unknown)|local (error|problem)|internal|system (storage|resources|problem|error)|disk|memory"
    r"|(per|an?|each) (hour|day)|hourly|daily|24 ?h",
    re.IGNORECASE,
)
_NAMES_A_RATE = re.compile(
    r"\brate\b|rate.?limit|throttl|slow down|too (much|fast|often|frequent|quick)|too many (messages|mails?|e-?mails|recipients)"
    r"|limit (was |is |has been )?(exceed|reach)|exceed\w* .{0,60}\blimit",
    re.IGNORECASE,
)


def learn(reason: ReplyClass, reply: str, phase: str, open_sessions: int, accepted_last_minute: int) -> Learned | None:
    """What a throttle says of the server: fewer sessions, or no more mails in a minute than it has just taken.

    `reply` is the whole reply with its codes. `open_sessions` counts the one that was refused; `accepted_last_minute` the mails
    of all workers. Nothing is learned from a server that goes down, has a trouble of its own or minds errors, from an allowance
    of a day or an hour, or where nothing was taken lately: that would slow the connection down for no reason.
    """
    if reason is not ReplyClass.THROTTLED:
        return None
    basic, enhanced, text = _parts(reply)
    fewer = max(1, open_sessions - 1)
    if (sessions := _named(_SESSIONS, text)) is not None:
        return Learned(sessions=min(sessions, fewer))
    if (per_minute := _named(_PER_MINUTE, text)) is not None:
        return Learned(per_minute=per_minute)
    if _TOO_MANY_SESSIONS.search(text):
        return Learned(sessions=fewer)
    if _OTHERWISE.search(text):
        return None
    if phase in _OPENING:
        return Learned(sessions=fewer) if open_sessions > 1 else None
    speaks_of_a_rate = basic == "421" or enhanced.startswith("4.7.") or _NAMES_A_RATE.search(text)
    return Learned(per_minute=accepted_last_minute) if speaks_of_a_rate and accepted_last_minute > 0 else None


def _parts(reply: str) -> tuple[str, str, str]:
    """Basic code, enhanced code and text."""
    found = _CODES.match(reply)
    return (found["basic"], found["enhanced"] or "", reply[found.end() :]) if found else ("", "", reply)


def _named(patterns: tuple[re.Pattern[str], ...], reply: str) -> int | None:
    for pattern in patterns:
        if (found := pattern.search(reply)) and int(found["number"]):
            return int(found["number"])
    return None
