from __future__ import annotations

import calendar
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from .local_time import LocalSlots
from .slots import (
    DstGap,
    DstMark,
    DstOverlap,
    RuleError,
    Slot,
    as_utc,
    checked_gap,
    checked_overlap,
    span,
)
from .zones import zone_named

DAY = timedelta(days=1)
SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=36_525)
LONGEST_MONTHS = 1200


@dataclass(frozen=True, slots=True)
class IntervalRule:
    """Runs at the anchor and then again every so often; never before the anchor.

    Whole days keep the wall-clock time of the anchor in the zone, so "every day" stays at 02:30
    through summer and winter, and ``gap`` and ``overlap`` decide about the days on which that time
    is missing or double (there the anchor's own fold does not count). Anything else is elapsed
    time from the anchor, which no clock change touches. ``every`` is at least a second and at most
    a hundred years.
    """

    every: timedelta
    anchor: datetime
    timezone: str = "UTC"
    gap: DstGap = DstGap.NEXT_VALID
    overlap: DstOverlap = DstOverlap.ONCE

    def __post_init__(self) -> None:
        if not SHORTEST <= self.every <= LONGEST:
            raise RuleError("every", self.every, "is not between one second and a hundred years")
        as_utc("anchor", self.anchor)
        zone_named(self.timezone)
        checked_gap(self.gap)
        checked_overlap(self.overlap)

    @property
    def keeps_wall_clock(self) -> bool:
        """Whether the interval is whole days, and so follows the wall clock, not elapsed time."""
        return not self.every % DAY

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        if self.keeps_wall_clock:
            yield from self._by_wall_clock().after(moment)
            return
        anchor = as_utc("anchor", self.anchor)
        first = max(0, (as_utc("moment", moment) - anchor) // self.every + 1)
        zone = zone_named(self.timezone)
        for step in count(first):
            try:
                at = anchor + step * self.every
                local = at.astimezone(zone)
            except OverflowError:
                return
            yield Slot(at, local.replace(tzinfo=None, fold=0), _overlap_mark(local))

    def count_between(self, start: datetime, end: datetime) -> int:
        if self.keeps_wall_clock:
            return self._by_wall_clock().count(start, end)
        anchor = as_utc("anchor", self.anchor)
        until_start, until_end = (
            max(0, (as_utc(name, moment) - anchor) // self.every + 1)
            for name, moment in (("start", start), ("end", end))
        )
        return max(0, until_end - until_start)

    def _by_wall_clock(self) -> LocalSlots:
        wall = self.anchor.astimezone(zone_named(self.timezone)).replace(tzinfo=None, fold=0)
        return LocalSlots(DaySteps(wall, self.every // DAY), self.timezone, self.gap, self.overlap)


@dataclass(frozen=True, slots=True)
class CalendarIntervalRule:
    """Runs at the anchor and then every so many months, at its wall-clock time and day of the
    month.

    A month that is too short runs on its last day, and the next long one is back on the anchor's
    day: 31 January, 28 February, 31 March. ``months`` is 1 for monthly, 3 for quarterly, 12 for
    yearly.
    """

    months: int
    anchor: datetime
    timezone: str = "UTC"
    gap: DstGap = DstGap.NEXT_VALID
    overlap: DstOverlap = DstOverlap.ONCE

    def __post_init__(self) -> None:
        if not 1 <= self.months <= LONGEST_MONTHS:
            raise RuleError("months", self.months, f"is not in {span(1, LONGEST_MONTHS)}")
        as_utc("anchor", self.anchor)
        zone_named(self.timezone)
        checked_gap(self.gap)
        checked_overlap(self.overlap)

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        return self._by_wall_clock().after(moment)

    def count_between(self, start: datetime, end: datetime) -> int:
        return self._by_wall_clock().count(start, end)

    def _by_wall_clock(self) -> LocalSlots:
        wall = self.anchor.astimezone(zone_named(self.timezone)).replace(tzinfo=None, fold=0)
        return LocalSlots(MonthSteps(wall, self.months), self.timezone, self.gap, self.overlap)


@dataclass(frozen=True, slots=True)
class Steps(ABC):
    """Wall-clock times that can be numbered from an anchor, which is number 0."""

    anchor: datetime
    every: int

    @abstractmethod
    def wall(self, step: int) -> datetime:
        """The wall-clock time of this number. Raises OverflowError after the year 9999."""

    @abstractmethod
    def steps_before(self, moment: datetime) -> int:
        """How many of the times lie before ``moment``."""

    def walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The wall-clock times with ``start <= wall < end``, in order."""
        for step in range(self.steps_before(start), self.steps_before(end)):
            yield self.wall(step)

    def count(self, start: datetime, end: datetime) -> int:
        """How many wall-clock times there are with ``start <= wall < end``."""
        return max(0, self.steps_before(end) - self.steps_before(start))


@dataclass(frozen=True, slots=True)
class DaySteps(Steps):
    """The same time of day every so many days."""

    def wall(self, step: int) -> datetime:
        return self.anchor + step * self.every * DAY

    def steps_before(self, moment: datetime) -> int:
        return max(0, -((self.anchor - moment) // (self.every * DAY)))


@dataclass(frozen=True, slots=True)
class MonthSteps(Steps):
    """The same day of the month and time of day every so many months, or the month's last day."""

    def wall(self, step: int) -> datetime:
        years, month = divmod(self.anchor.month - 1 + step * self.every, 12)
        year = self.anchor.year + years
        day = min(self.anchor.day, calendar.monthrange(year, month + 1)[1])
        return self.anchor.replace(year=year, month=month + 1, day=day)

    def steps_before(self, moment: datetime) -> int:
        months = (moment.year - self.anchor.year) * 12 + moment.month - self.anchor.month
        # The step in the month of `moment`, or the last one before that month.
        step = months // self.every
        return max(0, step + (step >= 0 and self.wall(step) < moment))


def _overlap_mark(local: datetime) -> DstMark:
    if local.fold:
        return "overlap_second"
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        return "overlap_first"
    return ""
