"""The arithmetic of limits on starts.

Times are microseconds. Each function takes what was counted so far and a moment, and is exact for
what it promises:

- *fixed*: no more than `amount` in each period of the calendar (from the epoch on).
- *sliding*: the count of the period before fades out evenly while the present one goes on, as in
  https://blog.cloudflare.com/counting-things-a-lot-of-different-things/. Where starts come evenly
  that is exact; never more than `amount` start in one period of the calendar.
- *bucket*: tokens come back evenly, `amount` in a period, and no more than `burst` are kept; see
  https://en.wikipedia.org/wiki/Token_bucket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from jobs.limits.kinds import LimitKind

NEVER = 2**62
"""A moment that does not come."""
_HAIR = 1e-6
"""What sums of fractions may be wrong by."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many may start in how long."""

    kind: str
    amount: int
    period: int
    burst: int | None = None

    @property
    def most(self) -> int:
        """The most that can start at one moment."""
        return self.burst or self.amount if self.kind == LimitKind.TOKEN_BUCKET else self.amount


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: `spent` in the window that began at `since`, `before` in the one before.

    Of a bucket `spent` is the number of tokens that were missing at `since`.
    """

    since: int = 0
    spent: float = 0.0
    before: float = 0.0


def brought_to(rate: Rate, counted: Counted, now: int) -> Counted:
    """The same, as it counts at a moment. A clock that was set back changes nothing."""
    now = max(now, counted.since)
    if rate.kind == LimitKind.TOKEN_BUCKET:
        returned = (now - counted.since) * rate.amount / rate.period
        return Counted(now, max(0.0, counted.spent - returned))
    window = now - now % rate.period
    passed = (window - counted.since) // rate.period
    if passed <= 0:
        return counted
    return Counted(window, 0.0, counted.spent if passed == 1 else 0.0)


def room(rate: Rate, counted: Counted, now: int) -> float:
    """How much may start at this moment; below zero where more was spent than there was."""
    counted = brought_to(rate, counted, now)
    if rate.kind == LimitKind.SLIDING_WINDOW:
        fading = counted.before * (1 - _part(rate, counted, now))
        return rate.amount - counted.spent - fading
    return rate.most - counted.spent


def has_room(rate: Rate, counted: Counted, now: int, cost: float) -> bool:
    """Whether so much may start at this moment."""
    return room(rate, counted, now) >= cost - _HAIR


def spend(rate: Rate, counted: Counted, now: int, cost: float) -> Counted:
    """Count so much, whether there is room or not."""
    counted = brought_to(rate, counted, now)
    return replace(counted, spent=counted.spent + cost)


def room_at(rate: Rate, counted: Counted, now: int, cost: float) -> int:
    """The first moment from `now` on at which there is room for so much, if nothing else starts.

    NEVER for more than there is ever room for.
    """
    if cost > rate.most:
        return NEVER
    counted = brought_to(rate, counted, now)
    now = max(now, counted.since)
    if has_room(rate, counted, now, cost):
        return now
    if rate.kind == LimitKind.TOKEN_BUCKET:
        missing = counted.spent - (rate.most - cost)
        return now + math.ceil(missing * rate.period / rate.amount)
    if rate.kind == LimitKind.SLIDING_WINDOW:
        return _sliding_room_at(rate, counted, now, cost)
    # What was spent beyond a window's amount is not carried over.
    return counted.since + rate.period


def _sliding_room_at(rate: Rate, counted: Counted, now: int, cost: float) -> int:
    """In this window, while the one before fades; else in the next, while this one does; else
    when both are over."""
    spare = rate.amount - counted.spent - cost
    if spare >= 0:
        # before * (1 - part) <= spare
        part = 1 - spare / counted.before
        return max(now, counted.since + math.ceil(part * rate.period))
    following = counted.since + rate.period
    if counted.spent <= rate.amount - cost:
        return following
    part = 1 - (rate.amount - cost) / counted.spent
    return following + math.ceil(part * rate.period)


def _part(rate: Rate, counted: Counted, now: int) -> float:
    """How much of the window is over, from 0 to 1."""
    return min(1.0, max(0.0, (now - counted.since) / rate.period))
