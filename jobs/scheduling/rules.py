from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from .cron import CronTimes, parse_cron
from .interval import CalendarIntervalRule, IntervalRule
from .local_time import LocalSlots
from .once import OnceRule
from .slots import (
    DstGap,
    DstMark,
    DstOverlap,
    Rule,
    RuleError,
    Slot,
    as_utc,
    checked_gap,
    checked_overlap,
)
from .zones import zone_named

__all__ = [
    "CalendarIntervalRule",
    "CronRule",
    "DstGap",
    "DstMark",
    "DstOverlap",
    "IntervalRule",
    "OnceRule",
    "Rule",
    "RuleError",
    "Slot",
    "next_slot",
    "slots_between",
    "upcoming",
]


@dataclass(frozen=True, slots=True)
class CronRule:
    """Runs at the wall-clock times of a cron expression in a time zone.

    The expression has five fields, six with the *seconds first*, or is a macro (see
    ``parse_cron``).

    Clock changes, as in the cron of Vixie and Debian: an expression whose seconds, minutes or
    hours begin with ``*`` (``*/15 * * * *``, ``30 * * * *``, ``0 */6 * * *``) follows the clock as
    it runs. A local time that does not exist is left out and one that exists twice runs both
    times, so "every 15 minutes" is 15 minutes of elapsed time in the night of the change too.
    Every other expression names fixed times, and ``gap`` and ``overlap`` decide: NEXT_VALID runs
    what falls into the gap at its end, as one slot however many fall into it, and merged with a
    slot that is due there anyway; SKIP leaves it out. ONCE runs at the first occurrence, TWICE at
    both.
    """

    expression: str
    timezone: str = "UTC"
    gap: DstGap = DstGap.NEXT_VALID
    overlap: DstOverlap = DstOverlap.ONCE

    def __post_init__(self) -> None:
        parse_cron(self.expression)
        zone_named(self.timezone)
        checked_gap(self.gap)
        checked_overlap(self.overlap)

    @property
    def times(self) -> CronTimes:
        """The parsed expression."""
        return parse_cron(self.expression)

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        return self._by_wall_clock().after(moment)

    def count_between(self, start: datetime, end: datetime) -> int:
        return self._by_wall_clock().count(start, end)

    def _by_wall_clock(self) -> LocalSlots:
        times = self.times
        return LocalSlots(times, self.timezone, self.gap, self.overlap, not times.fixed)


def next_slot(rule: Rule, after: datetime) -> Slot | None:
    """The first slot strictly after the aware ``after``, or None when the rule has run its last."""
    return next(rule.slots_after(after), None)


def upcoming(rule: Rule, after: datetime, count: int = 20) -> list[Slot]:
    """The next ``count`` slots strictly after the aware ``after``; fewer when the rule ends."""
    return list(islice(rule.slots_after(after), count))


def slots_between(rule: Rule, start: datetime, end: datetime, limit: int) -> list[Slot]:
    """The earliest slots with ``start < at <= end``, at most ``limit`` of them.

    ``rule.count_between(start, end)`` tells how many there are in all.
    """
    beyond = as_utc("end", end)
    found: list[Slot] = []
    for slot in islice(rule.slots_after(start), max(0, limit)):
        if slot.at > beyond:
            break
        found.append(slot)
    return found
