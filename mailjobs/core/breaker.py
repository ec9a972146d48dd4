"""When does a connection wait, and how long (delivery contract 3 and 4): the breaker after errors, the pause after a throttle.

A refused login is no matter of the breaker: nothing probes it by itself (J8). `factor` is `RETRY_TIME_FACTOR`.
"""

from dataclasses import dataclass, replace

from mailjobs.core.reply import ReplyClass

CONNECT_ERRORS = 5  # in a row open it
TLS_ERRORS = 2
FIRST_SECONDS = 60.0  # until the probe; doubled with each that fails
LONGEST_SECONDS = 15 * 60.0
QUOTA_SECONDS = 60 * 60.0  # an allowance of a day or an hour comes back no sooner; asking for it costs one mail's try each time
_DOUBLINGS = 10  # from there on it is the longest anyway
_CONNECT = frozenset({ReplyClass.RETRY, ReplyClass.HOST_UNKNOWN, ReplyClass.IDENTITY_MISSING})


@dataclass(frozen=True, slots=True)
class Breaker:
    """Errors since the last success, whether it is open, and how many probes have failed since it opened.

    A connect error does not end a row of TLS errors, nor the other way round: a server that alternates is down all the same.
    """

    connect_errors: int = 0
    tls_errors: int = 0
    opened: bool = False
    probes: int = 0


def failed(state: Breaker, reason: ReplyClass, *, probe: bool = True, factor: float = 1.0) -> tuple[Breaker, float | None]:
    """The state after a session could not be opened, and how many seconds the connection waits from now (None: no change).

    `reason` of any class but those of connecting and TLS changes nothing. `probe` says, where the breaker is open, that the try
    began after the wait; one of several that failed at the same moment as the one that opened it is none and changes nothing.
    """
    if reason is ReplyClass.TLS_RETRY:
        counted = replace(state, tls_errors=state.tls_errors + 1)
    elif reason in _CONNECT:
        counted = replace(state, connect_errors=state.connect_errors + 1)
    else:
        return state, None
    if state.opened:
        if not probe:
            return state, None
        counted = replace(counted, probes=state.probes + 1)
    elif counted.tls_errors >= TLS_ERRORS or counted.connect_errors >= CONNECT_ERRORS:
        counted = replace(counted, opened=True, probes=0)
    else:
        return counted, None
    return counted, _doubled(counted.probes) * factor


def succeeded(_state: Breaker) -> Breaker:
    """A session was opened: all is forgotten."""
    return Breaker()


def throttled(before: int, *, quota: bool = False, asked: float = 0.0, factor: float = 1.0) -> float:
    """How many seconds a connection waits after a throttle, `before` of which came already in a row.

    60 s, doubled to at most 15 minutes; a used-up allowance waits an hour each time. What the server `asked` for, in seconds, is
    the least, and the factor does not shorten it.
    """
    return max(max(_doubled(before), QUOTA_SECONDS if quota else 0.0) * factor, asked)


def _doubled(times: int) -> float:
    return min(FIRST_SECONDS * (1 << min(max(times, 0), _DOUBLINGS)), LONGEST_SECONDS)
