"""Back-off: how long a job waits before its next attempt."""

from __future__ import annotations

import datetime as dt
import inspect
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.exceptions import InvalidDefinition

LONGEST = dt.timedelta(days=365).total_seconds()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter.

    The wait before attempt n + 1 is `min(base * factor ** (n - 1), maximum)` seconds, where n is
    the number of attempts spent, and a random part of it, up to `jitter` (0 to 1), is taken off,
    so that jobs that failed together do not come back together and `maximum` is never exceeded.
    With the defaults: about 2 s, 4 s, 8 s … one hour from the twelfth attempt on.
    """

    base: float = 2.0
    factor: float = 2.0
    maximum: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for name, value, rule, holds in (
            ("base", self.base, "must be at least 0", self.base >= 0),
            ("factor", self.factor, "must be at least 1", self.factor >= 1),
            ("maximum", self.maximum, "must be at least 0", self.maximum >= 0),
            ("jitter", self.jitter, "must lie between 0 and 1", 0 <= self.jitter <= 1),
        ):
            if not (holds and math.isfinite(value)):
                raise InvalidDefinition(f"backoff: {name} {value!r} {rule}")

    @classmethod
    def exponential(
        cls,
        base: float = 2.0,
        *,
        factor: float = 2.0,
        maximum: float = 3600.0,
        jitter: float = 0.1,
    ) -> Backoff:
        """See the class; all in seconds but `factor` and `jitter`."""
        return cls(base, factor, maximum, jitter)

    def seconds(self, attempts: int) -> float:
        """The wait after so many attempts (at least 1), in seconds."""
        # Beyond this exponent the power only overflows; the maximum holds long before.
        exponent = min(max(attempts, 1) - 1, 512)
        try:
            wait = min(self.base * self.factor**exponent, self.maximum)
        except OverflowError:
            wait = self.maximum
        return wait * (1 - self.jitter * random.random())


Normal = Backoff | tuple[float, ...] | Callable[..., Any] | None
"""A declared back-off in its hashable form."""


def normalized(value: Any) -> Normal:
    """Check a declared back-off and return it in a hashable form.

    Raises InvalidDefinition for anything but None, a number of seconds, a timedelta, a list of
    them, a callable or a `Backoff`.
    """
    if value is None or isinstance(value, Backoff):
        return value
    if callable(value):
        function: Callable[..., Any] = value
        return function
    items = [value] if isinstance(value, int | float | dt.timedelta) else value
    if isinstance(items, str) or not isinstance(items, Sequence) or not items:
        raise InvalidDefinition(
            f"backoff: {value!r} must be a number of seconds, a list of them, a callable or a "
            "Backoff"
        )
    waits = []
    for item in items:
        seconds = item.total_seconds() if isinstance(item, dt.timedelta) else item
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise InvalidDefinition(f"backoff: {item!r} must be a number of seconds")
        if not 0 <= seconds <= LONGEST:
            raise InvalidDefinition(
                f"backoff: {item!r} must lie between 0 and {LONGEST:.0f} seconds"
            )
        waits.append(float(seconds))
    return tuple(waits)


DEFAULT = Backoff()


def wait_before_retry(
    backoff: Normal,
    attempts: int,
    error: BaseException | None,
) -> float:
    """The seconds to wait after `attempts` spent attempts, the last of which raised `error`.

    A list gives its last entry from its end on. A callable gets `attempts`, and the error too if
    it takes two arguments, and returns seconds or a timedelta. Raises InvalidDefinition if it
    returns anything else.
    """
    if backoff is None:
        return DEFAULT.seconds(attempts)
    if isinstance(backoff, Backoff):
        return backoff.seconds(attempts)
    if isinstance(backoff, tuple):
        return backoff[min(max(attempts, 1), len(backoff)) - 1]
    answer = backoff(attempts, error) if _takes_error(backoff) else backoff(attempts)
    seconds = answer.total_seconds() if isinstance(answer, dt.timedelta) else answer
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise InvalidDefinition(
            f"backoff: {backoff!r} returned {answer!r}, not a number of seconds"
        )
    return min(float(seconds), LONGEST)


def _takes_error(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(1, None)
    except TypeError:
        return False
    return True
