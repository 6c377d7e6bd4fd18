"""The arithmetic of limits on starts, against what each kind promises."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.limits.kinds import LimitKind
from jobs.limits.rates import NEVER, Counted, Rate, has_room, room, room_at, spend

SECOND = 1_000_000
KINDS = [LimitKind.FIXED_WINDOW, LimitKind.SLIDING_WINDOW, LimitKind.TOKEN_BUCKET]
BASE = 1_764_000_000 * SECOND

rates_ = st.builds(
    Rate,
    kind=st.sampled_from(KINDS),
    amount=st.integers(1, 50),
    period=st.integers(1_000, 3600 * SECOND),
    burst=st.none() | st.integers(1, 80),
)
gaps = st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=200)


def started(rate: Rate, gaps: list[int]) -> list[int]:
    """When jobs start that come so far apart and do not wait."""
    now, counted, starts = BASE, Counted(), []
    for gap in gaps:
        now += gap
        if has_room(rate, counted, now, 1):
            counted = spend(rate, counted, now, 1)
            starts.append(now)
    return starts


@given(rate=rates_, gaps=gaps)
def test_no_period_of_the_calendar_has_more_starts_than_its_amount(
    rate: Rate, gaps: list[int]
) -> None:
    assume(rate.kind != LimitKind.TOKEN_BUCKET)
    windows: dict[int, int] = {}
    for start in started(rate, gaps):
        windows[start // rate.period] = windows.get(start // rate.period, 0) + 1
    assert max(windows.values()) <= rate.amount


@given(rate=rates_, gaps=gaps)
def test_a_bucket_gives_no_more_than_its_burst_and_what_comes_back(
    rate: Rate, gaps: list[int]
) -> None:
    rate = Rate(LimitKind.TOKEN_BUCKET, rate.amount, rate.period, rate.burst)
    starts = started(rate, gaps)
    for first in range(0, len(starts), 7):
        for last in range(first, len(starts)):
            returned = (starts[last] - starts[first]) * rate.amount / rate.period
            assert last - first + 1 <= rate.most + returned + 1e-6


@given(rate=rates_, gaps=gaps, wait=st.integers(0, 3600 * SECOND), cost=st.floats(0.01, 60))
def test_there_is_room_at_the_moment_that_is_told_and_none_before(
    rate: Rate, gaps: list[int], wait: int, cost: float
) -> None:
    counted = Counted()
    now = BASE
    for gap in gaps:
        now += gap
        counted = spend(rate, counted, now, 1)
    now += wait
    at = room_at(rate, counted, now, cost)
    if at == NEVER:
        assert cost > rate.most
        return
    assert at >= now
    assert has_room(rate, counted, at, cost)
    if at > now:
        assert not has_room(rate, counted, now, cost)
        # A microsecond is less than what sums of fractions may be wrong by only in long periods.
        early = at - max(2, rate.period // 100_000)
        assert early < now or not has_room(rate, counted, early, cost)


@given(rate=rates_, gaps=gaps)
def test_who_comes_at_the_moments_that_are_told_is_served_at_the_full_rate(
    rate: Rate, gaps: list[int]
) -> None:
    counted, now = Counted(), BASE
    starts = []
    for _ in range(3 * rate.most):
        now = room_at(rate, counted, now, 1)
        counted = spend(rate, counted, now, 1)
        starts.append(now)
    periods = 4 if rate.kind == LimitKind.SLIDING_WINDOW else 3
    assert starts[-1] - starts[0] <= (3 * rate.most / rate.amount + periods) * rate.period


@pytest.mark.parametrize("kind", KINDS)
def test_a_clock_that_is_set_back_gives_nothing_away(kind: str) -> None:
    rate = Rate(kind, 2, SECOND)
    counted = spend(rate, Counted(), BASE + SECOND // 2, 2)
    assert not has_room(rate, counted, BASE, 1)
    assert not has_room(rate, counted, BASE - 10 * SECOND, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_spent_beyond_the_limit_is_missing_later(kind: str) -> None:
    rate = Rate(kind, 10, SECOND)
    counted = spend(rate, Counted(), BASE, 25)
    assert room(rate, counted, BASE) == -15
    at = room_at(rate, counted, BASE, 1)
    if kind == LimitKind.FIXED_WINDOW:
        assert at == BASE + SECOND
    else:
        assert at > BASE + SECOND


def test_a_sliding_window_forgets_the_last_one_bit_by_bit() -> None:
    rate = Rate(LimitKind.SLIDING_WINDOW, 10, SECOND)
    counted = spend(rate, Counted(), BASE + SECOND - 1, 10)
    assert room(rate, counted, BASE + SECOND) == 0
    assert room(rate, counted, BASE + SECOND + SECOND // 2) == 5
    assert room(rate, counted, BASE + 2 * SECOND) == 10


def test_a_bucket_lets_its_burst_start_at_once_and_then_keeps_the_pace() -> None:
    rate = Rate(LimitKind.TOKEN_BUCKET, 10, SECOND, burst=3)
    counted, now, starts = Counted(), BASE, []
    for _ in range(6):
        now = room_at(rate, counted, now, 1)
        counted = spend(rate, counted, now, 1)
        starts.append((now - BASE) // 1000)
    assert starts == [0, 0, 0, 100, 200, 300]
