"""The backoff of the delivery contract (section 3)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.retry import NOTICE_AFTER, Retry, given_up, next_try


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (5000, 60)]
)
def test_delivery_3_wait_doubles_from_a_minute_to_an_hour(attempt: int, minutes: int) -> None:
    assert next_try(attempt, 1.0, 1.0) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("attempt", "jitter", "factor", "kind", "seconds"),
    [
        (1, 0.5, 1.0, Retry.BACKOFF, 30),
        (1, 1.5, 1.0, Retry.BACKOFF, 90),
        (9, 1.5, 1.0, Retry.BACKOFF, 3600),
        (9, 0.5, 1.0, Retry.BACKOFF, 1800),
        (1, 1.0, 0.01, Retry.BACKOFF, 0.6),
        (1, 1.0, 1.0, Retry.GREYLIST, 300),
        (4, 1.0, 1.0, Retry.GREYLIST, 480),
        (1, 1.0, 0.01, Retry.GREYLIST, 3),
        (1, 1.0, 1.0, Retry.CONNECTION, 60),
        (1, 1.0, 1.0, Retry.QUOTA, 60),
        (7, 1.0, 1.0, Retry.SPLIT, 0),
    ],
)
def test_delivery_3_wait_by_kind(attempt: int, jitter: float, factor: float, kind: Retry, seconds: float) -> None:
    assert next_try(attempt, jitter, factor, kind=kind) == timedelta(seconds=seconds)


@given(st.integers(1, 10**6), st.floats(0.5, 1.5), st.sampled_from(Retry))
def test_delivery_3_wait_is_never_longer_than_an_hour(attempt: int, jitter: float, kind: Retry) -> None:
    assert timedelta(0) <= next_try(attempt, jitter, 1.0, kind=kind) <= timedelta(hours=1)


@pytest.mark.parametrize(("hours", "after", "expected"), [(24, 23.9, False), (24, 24, True), (120, 100, False), (0, 0, True)])
def test_delivery_3_given_up_after_the_hours_allowed(hours: int, after: float, *, expected: bool) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    assert given_up(first, first + timedelta(hours=after), hours) is expected


def test_delivery_3_the_user_is_told_after_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == NOTICE_AFTER
