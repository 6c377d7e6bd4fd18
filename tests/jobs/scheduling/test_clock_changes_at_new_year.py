"""Offsets are kept year by year, so a change beside the turn of the year is a special case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import pytest

from jobs.scheduling import zones
from jobs.scheduling.rules import CronRule, DstOverlap, slots_between

HOUR = timedelta(hours=1)
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


class HourBack(tzinfo):
    """A zone one hour ahead of UTC until ``at``, and equal to it from then on."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def fromutc(self, dt: datetime) -> datetime:
        ahead = dt.replace(tzinfo=UTC) < self.at
        in_second_pass = self.at <= dt.replace(tzinfo=UTC) < self.at + HOUR
        return (dt + HOUR if ahead else dt).replace(fold=int(in_second_pass))

    def utcoffset(self, dt: datetime | None) -> timedelta:
        assert dt is not None
        wall = dt.replace(tzinfo=UTC)
        repeated = self.at <= wall < self.at + HOUR
        return HOUR if wall < self.at or (repeated and not dt.fold) else timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "test"


@pytest.mark.parametrize("minutes", [-40, -20, 0, 20, 40])
def test_an_hour_that_repeats_across_the_turn_of_the_year_is_known_on_both_sides(
    minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = NEW_YEAR + timedelta(minutes=minutes)
    monkeypatch.setattr(zones, "zone_named", lambda name: HourBack(change))
    monkeypatch.setattr(zones, "segments_of_year", lru_cache(zones.segments_of_year.__wrapped__))
    # The middle of the hour that repeats: half an hour before the change, and half an hour after.
    first, second = change - HOUR / 2, change + HOUR / 2
    expression = f"{second.minute} {second.hour} {second.day} {second.month} *"
    marks = {}
    for overlap in DstOverlap:
        rule = CronRule(expression, "UTC", overlap=overlap)
        slots = slots_between(rule, change - 2 * HOUR, change + 2 * HOUR, limit=10)
        marks[overlap] = [(slot.at, slot.dst) for slot in slots]
        assert rule.count_between(change - 2 * HOUR, change + 2 * HOUR) == len(slots)
    assert marks == {
        DstOverlap.ONCE: [(first, "overlap_first")],
        DstOverlap.TWICE: [(first, "overlap_first"), (second, "overlap_second")],
    }


def test_a_gap_shortly_before_the_turn_of_the_year_is_filled_once() -> None:
    rule = CronRule("0 12 30 12 *", "Pacific/Apia")
    start, end = datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 2, 1, tzinfo=UTC)
    assert [slot.at for slot in slots_between(rule, start, end, limit=10)] == [
        datetime(2011, 12, 30, 10, tzinfo=UTC)
    ]
    assert rule.count_between(start, end) == 1
