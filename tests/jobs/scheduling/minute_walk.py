"""What a schedule must do, found by walking through real time minute by minute.

Shares nothing with the code under test: it asks zoneinfo for the wall clock at every minute and
looks up which wall-clock times were seen never, once or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from jobs.scheduling.rules import DstGap, DstOverlap

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 2020, 2035


@dataclass
class Walk:
    """Every minute of real time from ``start`` to ``end`` in a zone."""

    zone: ZoneInfo
    start: datetime
    end: datetime
    seen: dict[datetime, list[datetime]] = field(default_factory=dict)
    jumped_over: dict[datetime, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        previous = None
        instant = self.start
        while instant <= self.end:
            wall = instant.astimezone(self.zone).replace(tzinfo=None, fold=0)
            self.seen.setdefault(wall, []).append(instant)
            if previous is not None:
                missing = previous + MINUTE
                while missing < wall:
                    self.jumped_over[missing] = instant
                    missing += MINUTE
            previous = wall
            instant += MINUTE

    def runs(
        self,
        times: Iterable[time],
        *,
        gap: DstGap,
        overlap: DstOverlap,
        follows_clock: bool = False,
        on: Callable[[date], bool] = lambda day: True,
    ) -> list[datetime]:
        """The instants at which a schedule for these times on these days must run."""
        found = set()
        times = list(times)
        day = min(self.seen).date()
        while day <= max(self.seen).date():
            for moment in times if on(day) else ():
                wall = datetime.combine(day, moment)
                instants = self.seen.get(wall, [])
                if follows_clock or overlap == DstOverlap.TWICE:
                    found.update(instants)
                else:
                    found.update(instants[:1])
                if wall in self.jumped_over and not follows_clock and gap == DstGap.NEXT_VALID:
                    found.add(self.jumped_over[wall])
            day += DAY
        return sorted(found)


@dataclass(frozen=True)
class ClockChange:
    """A change of a zone's offset: the first instant after it, and the wall clock on both sides."""

    zone: str
    at: datetime
    wall_before: datetime
    wall_after: datetime

    def affected_walls(self) -> list[datetime]:
        """Times at the edges and in the middle of what the change removes or repeats."""
        low, high = sorted((self.wall_before, self.wall_after))
        middle = low + (high - low) // 2
        return [low - MINUTE, low, middle, high - MINUTE, high]


@cache
def clock_changes() -> tuple[ClockChange, ...]:
    """Every change from 2020 to 2035 in every IANA zone; zones with the same clock count once."""
    noons = [
        datetime(FIRST_YEAR, 1, 1, 12, tzinfo=UTC) + n * DAY
        for n in range((date(LAST_YEAR + 1, 1, 1) - date(FIRST_YEAR, 1, 1)).days)
    ]
    distinct: dict[tuple[tuple[datetime, datetime, datetime], ...], list[ClockChange]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
        found = [
            _change_after(name, noon)
            for noon, before, after in zip(noons, offsets, offsets[1:], strict=False)
            if before != after
        ]
        clock = tuple((change.at, change.wall_before, change.wall_after) for change in found)
        distinct.setdefault(clock, found)
    return tuple(change for found in distinct.values() for change in found)


def _change_after(name: str, instant: datetime) -> ClockChange:
    zone = ZoneInfo(name)
    before = instant.astimezone(zone).utcoffset()
    for step in (HOUR, MINUTE):
        while (instant + step).astimezone(zone).utcoffset() == before:
            instant += step
    instant += MINUTE
    assert before is not None
    return ClockChange(
        zone=name,
        at=instant,
        wall_before=(instant + before).replace(tzinfo=None),
        wall_after=instant.astimezone(zone).replace(tzinfo=None, fold=0),
    )
