"""When does a connection wait, and how long (delivery contract 3 and 4): the breaker after errors, the pause after a throttle."""

from dataclasses import dataclass, replace

from mailjobs.core.reply import ReplyClass

CONNECT_ERRORS = 5  # in a row open it
TLS_ERRORS = 2
FIRST_SECONDS = 60.0  # until the probe; doubled with each that fails
LONGEST_SECONDS = 15 * 60.0
QUOTA_SECONDS = 60 * 60.0  # the shortest wait for an allowance of a day or an hour


@dataclass(frozen=True, slots=True)
class Breaker:
    """Errors in a row, whether it is open, and how many probes have failed since it opened."""

    connect_errors: int = 0
    tls_errors: int = 0
    opened: bool = False
    probes: int = 0


def failed(state: Breaker, reason: ReplyClass, *, factor: float = 1.0) -> tuple[Breaker, float | None]:
    """The state after another failure to connect, and how many seconds the connection waits (None: not at all)."""
    if reason is ReplyClass.TLS_RETRY:
        state = replace(state, tls_errors=state.tls_errors + 1)
    else:
        state = replace(state, connect_errors=state.connect_errors + 1)
    if state.opened:
        state = replace(state, probes=state.probes + 1)
    elif state.tls_errors >= TLS_ERRORS or state.connect_errors >= CONNECT_ERRORS:
        state = replace(state, opened=True, probes=0)
    else:
        return state, None
    return state, _doubled(state.probes) * factor


def succeeded(_state: Breaker) -> Breaker:
    """A session was opened: all is forgotten."""
    return Breaker()


def throttled(before: int, *, quota: bool = False, factor: float = 1.0) -> float:
    """How many seconds a connection waits after a throttle, `before` of which came already in a row."""
    return max(_doubled(before), QUOTA_SECONDS if quota else 0.0) * factor


def _doubled(times: int) -> float:
    return min(FIRST_SECONDS * 2 ** min(times, 10), LONGEST_SECONDS)
