"""When is a mail tried again, and when is it given up (delivery contract 3)."""

from datetime import datetime, timedelta
from enum import StrEnum

NOTICE_AFTER = timedelta(minutes=15)  # of delay: then the user is told
FIRST = timedelta(seconds=60)
LONGEST = timedelta(minutes=60)
GREYLIST = timedelta(minutes=5)
_DOUBLINGS = 6  # from there on it is LONGEST anyway


class Retry(StrEnum):
    """What a deferred mail waits for."""

    BACKOFF = "backoff"
    GREYLIST = "greylist"  # the recipient's server wants to see it again, not too soon
    CONNECTION = "connection"  # the whole connection is throttled
    QUOTA = "quota"  # a quota of the login is used up
    SPLIT = "split"  # the server takes no more recipients in one mail: the rest goes at once


def next_try(attempt: int, jitter: float, factor: float, *, kind: Retry = Retry.BACKOFF) -> timedelta:
    """How long to wait after try number `attempt` (1 is the first) has failed.

    60 s, doubled each time, times `jitter` (0.5 to 1.5), at most 60 minutes, times `factor` (`RETRY_TIME_FACTOR`, which also
    shortens greylisting's five minutes). A split mail does not wait.
    """
    if kind is Retry.SPLIT:
        return timedelta(0)
    wait = FIRST * (1 << min(max(attempt - 1, 0), _DOUBLINGS))
    wait = min(min(wait, LONGEST) * jitter, LONGEST)
    if kind is Retry.GREYLIST:
        wait = max(wait, GREYLIST)
    return wait * factor


def given_up(first: datetime, now: datetime, hours: int) -> bool:
    """Whether a mail first due at `first` has been tried long enough."""
    return now - first >= timedelta(hours=hours)
