"""How long a job waits before its next attempt."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.exceptions import InvalidDefinition
from jobs.execution.backoff import LONGEST, Backoff, normalized, wait_before_retry

attempts = st.integers(min_value=1, max_value=100_000)
factors = st.floats(min_value=1, max_value=1e6)
amounts = st.floats(min_value=0, max_value=1e9)
shares = st.floats(min_value=0, max_value=1)


@given(amounts, factors, amounts, shares, attempts)
def test_a_wait_lies_between_its_bounds(
    base: float, factor: float, maximum: float, jitter: float, attempt: int
) -> None:
    wait = Backoff(base, factor, maximum, jitter).seconds(attempt)
    full = Backoff(base, factor, maximum, 0).seconds(attempt)
    assert 0 <= full <= maximum
    assert full * (1 - jitter) - 1e-6 * full <= wait <= full


@given(amounts, factors, amounts, attempts)
def test_waits_never_become_shorter(
    base: float, factor: float, maximum: float, attempt: int
) -> None:
    backoff = Backoff(base, factor, maximum, 0)
    assert backoff.seconds(attempt) <= backoff.seconds(attempt + 1)


@given(st.lists(st.floats(min_value=0, max_value=LONGEST), min_size=1), attempts)
def test_a_list_gives_its_entry_and_then_its_last(waits: list[float], attempt: int) -> None:
    expected = waits[attempt - 1] if attempt <= len(waits) else waits[-1]
    assert wait_before_retry(normalized(waits), attempt, None) == expected


def test_the_documented_waits() -> None:
    exact = Backoff(jitter=0)
    assert [exact.seconds(n) for n in (1, 2, 3, 11, 12, 99)] == [2, 4, 8, 2048, 3600, 3600]


def test_a_callable_gets_the_attempts_and_the_error_if_it_takes_it() -> None:
    error = ValueError("e")
    assert wait_before_retry(lambda n: n * 30, 2, error) == 60
    assert wait_before_retry(lambda n, e: 7 if e is error else 0, 2, error) == 7
    assert wait_before_retry(lambda n: dt.timedelta(minutes=n), 2, error) == 120


@pytest.mark.parametrize("answer", ["soon", -1, float("nan"), None, True])
def test_a_callable_must_return_seconds(answer: Any) -> None:
    with pytest.raises(InvalidDefinition, match="backoff"):
        wait_before_retry(lambda n: answer, 1, None)


@pytest.mark.parametrize(
    "value", ["60", [], [1, "2"], -1, [True], object(), {"a": 1}, float("nan"), float("inf")]
)
def test_a_declared_backoff_is_checked(value: Any) -> None:
    with pytest.raises(InvalidDefinition, match="backoff"):
        normalized(value)


@pytest.mark.parametrize(
    "options",
    [{"base": -1}, {"factor": 0.5}, {"maximum": -1}, {"jitter": 2}, {"base": float("nan")}],
)
def test_an_exponential_backoff_is_checked(options: dict[str, float]) -> None:
    with pytest.raises(InvalidDefinition, match=next(iter(options))):
        Backoff(**options)
