"""Recover: the rule by which jobs that failed for good run again by themselves, after a while."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

RECOVERIES = "recoveries"
"""The key among a call's options: how often its line of retries was run again by the rule."""

REASONS = ("exception", "timed_out", "lost", "quarantined", "expired")
"""The values of FailureReason, which cannot be imported where jobs are declared."""
MOST = 100
LONGEST = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """A failed job runs again `after` a time, as a new job, `at_most` so many times along its line
    of retries.

    `reasons` are those for which it does; what has killed its workers again and again, and what is
    past its `retry_until`, is left alone unless it is named. With `exceptions`, only what ended in
    one of these or of their subclasses.
    """

    after: Any
    at_most: int = 3
    reasons: tuple[str, ...] = ("exception", "timed_out", "lost")
    exceptions: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        for name, value in (
            ("after", _length(self.after)),
            ("at_most", _count(self.at_most)),
            ("reasons", _reasons(self.reasons)),
            ("exceptions", _exceptions(self.exceptions)),
        ):
            object.__setattr__(self, name, value)

    def applies(self, reason: str, error: type[BaseException], recoveries: int) -> bool:
        """Whether a job runs again that failed for this reason, after so many recoveries."""
        return (
            recoveries < self.at_most
            and reason in self.reasons
            and (not self.exceptions or issubclass(error, self.exceptions))
        )


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the rule says of one failure: how often its line was recovered before, and in how many
    seconds it is again; None is never."""

    count: int = 0
    after: float | None = None


def recovery_of(
    definition: JobDefinition | None,
    options: Mapping[str, Any],
    reason: str,
    error: type[BaseException],
) -> Recovery:
    """Decide once, when a job fails for good. Never for a call that is at most once."""
    count = int(options.get(RECOVERIES, 0))
    rule = definition.recover if definition is not None else None
    if definition is None or rule is None:
        return Recovery(count)
    if options.get("delivery", definition.delivery) == "at_most_once":
        return Recovery(count)
    applies = rule.applies(reason, error, count)
    return Recovery(count, rule.after.total_seconds() if applies else None)


def _length(value: Any) -> dt.timedelta:
    length = value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Not a number, and more than can be counted, are refused below.
        length = dt.timedelta(seconds=value) if 0 < value <= LONGEST.total_seconds() else None
    if not isinstance(length, dt.timedelta) or not dt.timedelta(0) < length <= LONGEST:
        raise InvalidDefinition(
            f"recover: after: {value!r} must be a timedelta or a number of seconds, above 0 and "
            f"at most {LONGEST.days} days"
        )
    return length


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidDefinition(
            f"recover: at_most: {value!r} must be a whole number from 1 to {MOST}"
        )
    return value


def _reasons(value: Any) -> tuple[str, ...]:
    given = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    for reason in given:
        if reason not in REASONS:
            raise InvalidDefinition(
                f"recover: reasons: {reason!r} must be one of {', '.join(REASONS)}"
            )
    if not given:
        raise InvalidDefinition(
            f"recover: reasons: {value!r} must name at least one of {', '.join(REASONS)}"
        )
    return tuple(str(reason) for reason in given)


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    given = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    for kind in given:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidDefinition(f"recover: exceptions: {kind!r} must be an exception class")
    return given
