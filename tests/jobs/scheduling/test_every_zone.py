"""Every clock change from 2020 to 2035 in every IANA zone, against a walk through real time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from jobs.scheduling.rules import (
    CalendarIntervalRule,
    CronRule,
    DstGap,
    DstOverlap,
    IntervalRule,
    Rule,
    slots_between,
)
from tests.jobs.scheduling.minute_walk import DAY, HOUR, MINUTE, ClockChange, Walk, clock_changes

CHOICES = list(product(DstGap, DstOverlap))
ALL_DAY = [time(hour, minute) for hour in range(24) for minute in range(60)]
FIXED = {
    "30 2 * * *": [time(2, 30)],
    "0 0 * * *": [time(0)],
    "0,10,20,30,40,50 0-3 * * *": [
        time(hour, minute) for hour in range(4) for minute in range(0, 60, 10)
    ],
}
FOLLOWING_THE_CLOCK = {
    "* * * * *": ALL_DAY,
    "*/15 * * * *": [at for at in ALL_DAY if at.minute % 15 == 0],
    "30 * * * *": [at for at in ALL_DAY if at.minute == 30],
    "0 */6 * * *": [at for at in ALL_DAY if at.minute == 0 and at.hour % 6 == 0],
    "*/20 2 * * *": [time(2, 0), time(2, 20), time(2, 40)],
}


@pytest.fixture(scope="module")
def walks() -> list[tuple[ClockChange, Walk]]:
    return [
        (change, Walk(ZoneInfo(change.zone), change.at - 12 * HOUR, change.at + 12 * HOUR))
        for change in clock_changes()
    ]


def check(rule: Rule, walk: Walk, expected: list[datetime]) -> None:
    """The rule runs at the expected instants; the walk's first hours only show what repeats."""
    start = walk.start + 6 * HOUR
    found = [slot.at for slot in slots_between(rule, start, walk.end, limit=5000)]
    expected = [at for at in expected if at > start]
    assert found == expected, f"{rule} from {start}"
    assert rule.count_between(start, walk.end) == len(expected), f"count of {rule} from {start}"


def test_the_zones_hold_the_changes_that_are_hard(walks: list[tuple[ClockChange, Walk]]) -> None:
    shifts = {abs(change.wall_after - change.wall_before) for change, _ in walks}
    assert {30 * MINUTE, HOUR, 2 * HOUR} <= shifts
    assert any(change.wall_before.time() == time(0) for change, _ in walks)
    assert any(change.wall_after.time() == time(23) for change, _ in walks)
    assert len({change.zone for change, _ in walks}) > 40


def test_a_cron_rule_with_fixed_times_does_what_its_gap_and_overlap_say(
    walks: list[tuple[ClockChange, Walk]],
) -> None:
    for change, walk in walks:
        affected = {
            f"{wall.minute} {wall.hour} * * *": [wall.time()] for wall in change.affected_walls()
        }
        for (expression, times), (gap, overlap) in product((FIXED | affected).items(), CHOICES):
            check(
                CronRule(expression, change.zone, gap, overlap),
                walk,
                walk.runs(times, gap=gap, overlap=overlap),
            )


def test_a_cron_rule_with_a_wildcard_follows_the_clock_whatever_its_gap_and_overlap_say(
    walks: list[tuple[ClockChange, Walk]],
) -> None:
    for number, (change, walk) in enumerate(walks):
        gap, overlap = CHOICES[number % len(CHOICES)]
        for expression, times in FOLLOWING_THE_CLOCK.items():
            check(
                CronRule(expression, change.zone, gap, overlap),
                walk,
                walk.runs(times, gap=gap, overlap=overlap, follows_clock=True),
            )


def test_an_interval_of_whole_days_keeps_its_wall_clock_time(
    walks: list[tuple[ClockChange, Walk]],
) -> None:
    for change, walk in walks:
        zone = ZoneInfo(change.zone)
        for wall, days in zip(change.affected_walls(), (1, 2, 7, 1, 5), strict=True):
            anchor = wall - 4 * days * DAY

            def is_due(day: date, first: datetime = anchor, days: int = days) -> bool:
                return (day - first.date()).days % days == 0

            for gap, overlap in CHOICES:
                check(
                    IntervalRule(
                        days * DAY, anchor.replace(tzinfo=zone), change.zone, gap, overlap
                    ),
                    walk,
                    walk.runs([wall.time()], gap=gap, overlap=overlap, on=is_due),
                )


def test_a_shorter_interval_is_elapsed_time_that_no_clock_change_touches(
    walks: list[tuple[ClockChange, Walk]],
) -> None:
    def every(minutes: int, first: datetime, walk: Walk) -> Iterator[datetime]:
        instant = first
        while instant <= walk.end:
            if instant >= walk.start:
                yield instant
            instant += minutes * MINUTE

    for change, walk in walks:
        anchor = (change.at - timedelta(days=2, minutes=7)).astimezone(ZoneInfo(change.zone))
        for minutes in (15, 60, 100, 36 * 60):
            rule = IntervalRule(minutes * MINUTE, anchor, change.zone)
            check(rule, walk, list(every(minutes, anchor.astimezone(UTC), walk)))


def test_a_monthly_interval_keeps_its_day_and_its_wall_clock_time(
    walks: list[tuple[ClockChange, Walk]],
) -> None:
    for change, walk in walks:
        zone = ZoneInfo(change.zone)
        for wall, months in zip(change.affected_walls(), (1, 3, 12, 1, 6), strict=True):
            anchor = wall.replace(year=wall.year - 4, tzinfo=zone)

            def is_due(day: date, wall: datetime = wall) -> bool:
                return day == wall.date()

            for gap, overlap in CHOICES:
                check(
                    CalendarIntervalRule(months, anchor, change.zone, gap, overlap),
                    walk,
                    walk.runs([wall.time()], gap=gap, overlap=overlap, on=is_due),
                )
