"""The breaker of a connection and its pause after throttles (delivery contract 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.breaker import Breaker, failed, succeeded, throttled
from mailjobs.core.reply import ReplyClass

CONNECT, TLS = ReplyClass.RETRY, ReplyClass.TLS_RETRY
COUNTED = {ReplyClass.RETRY, ReplyClass.HOST_UNKNOWN, ReplyClass.IDENTITY_MISSING, ReplyClass.TLS_RETRY}


def _waits(*reasons: ReplyClass) -> list[float | None]:
    state, waits = Breaker(), []
    for reason in reasons:
        state, wait = failed(state, reason)
        waits.append(wait)
    return waits


def test_delivery_4_five_connect_errors_open_it_and_probes_double_to_a_quarter_of_an_hour() -> None:
    assert _waits(*[CONNECT] * 11) == [None] * 4 + [60, 120, 240, 480, 900, 900, 900]


def test_delivery_4_two_tls_errors_open_it() -> None:
    assert _waits(TLS, TLS, TLS) == [None, 60, 120]


def test_delivery_4_an_unknown_host_counts_as_a_connect_error() -> None:
    assert _waits(*[ReplyClass.HOST_UNKNOWN] * 5)[-1] == 60


def test_delivery_4_a_server_that_alternates_between_both_errors_is_down() -> None:
    assert _waits(TLS, CONNECT, TLS) == [None, None, 60]


def test_delivery_4_a_success_ends_the_row_and_closes_it() -> None:
    state, _wait = failed(Breaker(connect_errors=4), CONNECT)
    assert state.opened
    assert succeeded(state) == Breaker()
    assert failed(succeeded(Breaker(connect_errors=4, tls_errors=1)), TLS) == (Breaker(tls_errors=1), None)


def test_delivery_4_sessions_that_fail_together_count_as_one_probe() -> None:
    opened, wait = failed(Breaker(connect_errors=4), CONNECT)
    assert wait == 60
    assert failed(opened, CONNECT, probe=False) == (opened, None)
    assert failed(opened, CONNECT)[1] == 120


def test_delivery_4_while_it_is_closed_every_error_counts() -> None:
    assert failed(Breaker(tls_errors=1), TLS, probe=False)[1] == 60


@pytest.mark.parametrize("reason", [reason for reason in ReplyClass if reason not in COUNTED])
def test_delivery_4_a_refused_login_and_all_that_the_server_said_of_a_mail_is_no_breaker(reason: ReplyClass) -> None:
    for state in (Breaker(connect_errors=4, tls_errors=1), Breaker(opened=True, probes=2)):
        assert failed(state, reason) == (state, None)


def test_delivery_4_the_factor_shortens_waits() -> None:
    assert failed(Breaker(tls_errors=1), TLS, factor=0.01)[1] == pytest.approx(0.6)
    assert throttled(0, factor=0.5) == 30
    assert throttled(0, quota=True, factor=0.01) == 36


@pytest.mark.parametrize(("before", "seconds"), [(0, 60), (1, 120), (2, 240), (3, 480), (4, 900), (5, 900), (10_000, 900)])
def test_delivery_3_a_throttle_makes_the_connection_wait_longer_each_time(before: int, seconds: float) -> None:
    assert throttled(before) == seconds


@pytest.mark.parametrize("before", [0, 3, 50])
def test_delivery_3_a_used_up_allowance_waits_an_hour(before: int) -> None:
    assert throttled(before, quota=True) == 3600


def test_delivery_3_what_the_server_asked_for_is_the_least() -> None:
    assert throttled(0, asked=300) == 300
    assert throttled(0, asked=300, factor=0.01) == 300
    assert throttled(0, asked=5) == 60


@given(st.lists(st.sampled_from(sorted(COUNTED)), min_size=1, max_size=40), st.floats(0.001, 1))
def test_delivery_4_once_open_it_waits_after_each_error_and_never_too_long(reasons: list[ReplyClass], factor: float) -> None:
    state = Breaker()
    for reason in reasons:
        was_open = state.opened
        state, wait = failed(state, reason, factor=factor)
        assert state.opened is (wait is not None)
        assert state.opened or not was_open
        assert wait is None or 60 * factor <= wait <= 900 * factor
