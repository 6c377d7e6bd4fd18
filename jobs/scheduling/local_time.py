from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .slots import DstGap, DstMark, DstOverlap, Slot, as_utc
from .zones import Segment, segments_from

TICK = timedelta(microseconds=1)


class WallTimes(Protocol):
    """Wall-clock times without a zone, as a rule asks for them: no day has a gap or overlap yet."""

    def walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The wall-clock times with ``start <= wall < end``, in order."""

    def count(self, start: datetime, end: datetime) -> int:
        """How many of them there are."""


@dataclass(frozen=True, slots=True)
class LocalSlots:
    """Turns wall-clock times into slots on the time line, through the clock changes of a zone.

    Goes from one stretch of unchanging offset to the next, so slots come in strictly increasing
    order and never twice at one instant. ``follows_clock`` takes the clock as it comes and ignores
    ``gap`` and ``overlap``: what does not exist does not run, what exists twice runs twice.
    Otherwise the slots of a gap run together at its end, as one, and not at all where that instant
    has a slot of its own or ``gap`` is SKIP.
    """

    times: WallTimes
    timezone: str
    gap: DstGap
    overlap: DstOverlap
    follows_clock: bool = False

    def after(self, moment: datetime) -> Iterator[Slot]:
        """Slots strictly after the aware ``moment``, until the end of the calendar."""
        start = as_utc("moment", moment).replace(tzinfo=None) + TICK
        for segment in segments_from(self.timezone, start):
            if start <= segment.start:
                moved = self._moved_out_of_gap(segment)
                if moved is not None:
                    yield moved
            lower, upper = self._span(segment, start)
            for wall in self.times.walls(lower, upper):
                yield Slot((wall - segment.offset).replace(tzinfo=UTC), wall, _mark(segment, wall))

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots there are with ``start < at <= end``."""
        first = as_utc("start", start).replace(tzinfo=None) + TICK
        beyond = as_utc("end", end).replace(tzinfo=None) + TICK
        total = 0
        for segment in segments_from(self.timezone, first):
            if segment.start >= beyond:
                break
            if first <= segment.start and self._moved_out_of_gap(segment) is not None:
                total += 1
            lower, upper = self._span(segment, first)
            upper = min(upper, beyond + segment.offset)
            if lower < upper:
                total += self.times.count(lower, upper)
        return total

    def _span(self, segment: Segment, start: datetime) -> tuple[datetime, datetime]:
        lower = max(start, segment.start) + segment.offset
        if (
            segment.repeated_until is not None
            and not self.follows_clock
            and self.overlap == DstOverlap.ONCE
        ):
            lower = max(lower, segment.repeated_until)
        return lower, segment.end + segment.offset

    def _moved_out_of_gap(self, segment: Segment) -> Slot | None:
        if segment.gap_from is None or self.follows_clock or self.gap == DstGap.SKIP:
            return None
        gap_ends = segment.start + segment.offset
        asked = next(self.times.walls(segment.gap_from, gap_ends), None)
        if asked is None or self.times.count(gap_ends, gap_ends + TICK):
            return None
        return Slot(segment.start.replace(tzinfo=UTC), asked, "gap")


def _mark(segment: Segment, wall: datetime) -> DstMark:
    if segment.repeated_until is not None and wall < segment.repeated_until:
        return "overlap_second"
    if segment.repeats_from is not None and wall >= segment.repeats_from:
        return "overlap_first"
    return ""
