"""Waiting for something to become true, with a deadline, instead of sleeping for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    *,
    timeout: float = 10.0,
    interval: float = 0.02,
    message: str | Callable[[], str] = "",
) -> T:
    """The first true value of `condition`, asked every `interval` seconds.

    Raises `AssertionError` with `message` (computed then, if it is callable) once `timeout` seconds
    have passed; the condition is asked at least once more at the very end.
    """
    deadline = time.monotonic() + timeout
    while True:
        last_time = time.monotonic() >= deadline
        value = condition()
        if value:
            return value
        if last_time:
            told = message() if callable(message) else message
            named = getattr(condition, "__name__", repr(condition))
            raise AssertionError(
                f"still not true after {timeout:g} s: {told or named} (last value: {value!r})"
            )
        time.sleep(interval)
