from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from .slots import RuleError

LAST_YEAR = 9998
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# A clock change repeats or removes local times up to this far away from it (Samoa dropped a whole
# day).
REACH = 2 * DAY


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of this name; RuleError with the nearest known name when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise RuleError("timezone", name, f"is not an IANA time zone{_suggestion(name)}") from error


def _suggestion(name: object) -> str:
    known = {zone.lower(): zone for zone in available_timezones()}
    known |= {zone.rpartition("/")[2].lower(): zone for zone in sorted(known.values())} | known
    near = difflib.get_close_matches(str(name).lower().replace(" ", "_"), known, n=1, cutoff=0.7)
    return f"; did you mean {known[near[0]]}?" if near else ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time within which a zone's offset from UTC does not change.

    ``start <= instant < end`` are UTC without tzinfo; wall-clock time is ``instant + offset``. The
    rest says what the clock changes at both ends do to the wall-clock times, where they do
    anything: those from ``gap_from`` up to the start of the segment do not exist; those of this
    segment before ``repeated_until`` were there already in the one before; those from
    ``repeats_from`` come again in the next.
    """

    start: datetime
    end: datetime
    offset: timedelta
    gap_from: datetime | None = None
    repeated_until: datetime | None = None
    repeats_from: datetime | None = None


def segments_from(zone: str, instant: datetime) -> Iterator[Segment]:
    """The segments of ``zone`` from the one that holds ``instant`` (UTC without tzinfo), in order.

    Segments end with the year at the latest, so that each year's can be remembered.
    """
    for year in range(instant.year, LAST_YEAR + 1):
        for segment in segments_of_year(zone, year):
            if segment.end > instant:
                yield segment


@lru_cache(maxsize=4096)
def segments_of_year(zone: str, year: int) -> tuple[Segment, ...]:
    """The segments of ``zone`` within a UTC year.

    Python's zoneinfo does not tell its transitions, so they are found by comparing the offsets of
    neighbouring days. Two changes within a day that cancel each other would be missed; the IANA
    database holds none for the years in which a schedule can run.
    """
    first, last = datetime(year, 1, 1), datetime(year + 1, 1, 1)
    changes = _changes(zone_named(zone), first - REACH, last + REACH)
    segments = []
    for (start, before, offset), (end, _, after) in pairwise(changes):
        if start < last and end > first:
            segments.append(
                Segment(
                    start=max(start, first),
                    end=min(end, last),
                    offset=offset,
                    gap_from=start + before if offset > before and start >= first else None,
                    repeated_until=start + before if offset < before else None,
                    repeats_from=end + after if after < offset else None,
                )
            )
    return tuple(segments)


def _changes(
    zone: ZoneInfo, first: datetime, last: datetime
) -> list[tuple[datetime, timedelta, timedelta]]:
    """(instant, offset before, offset from then on) for both ends and each change between them."""

    def offset_at(instant: datetime) -> timedelta:
        offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        assert offset is not None
        return offset

    offset = offset_at(first)
    found = [(first, offset, offset)]
    day = first
    while day < last:
        following = min(day + DAY, last)
        if offset_at(following) != offset:
            low, high = day, following
            while high - low > SECOND:
                middle = low + (high - low) // SECOND // 2 * SECOND
                if offset_at(middle) == offset:
                    low = middle
                else:
                    high = middle
            changed = offset_at(high)
            found.append((high, offset, changed))
            offset = changed
        day = following
    found.append((last, offset, offset))
    return found
