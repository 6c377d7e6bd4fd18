from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
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


def on(day: datetime, rule: Rule) -> list[str]:
    """The runs of a local day, as local time, offset and mark."""
    zone = ZoneInfo(rule.timezone)
    start, end = (
        midnight.replace(tzinfo=zone).astimezone(UTC) - timedelta(microseconds=1)
        for midnight in (day, day + timedelta(days=1))
    )
    slots = slots_between(rule, start, end, limit=2000)
    return [f"{slot.at.astimezone(zone):%d %H:%M %z} {slot.dst}".strip() for slot in slots]


FORWARD = datetime(2026, 3, 29)
BACK = datetime(2026, 10, 25)


def test_a_slot_that_falls_into_the_gap_runs_at_the_next_valid_minute() -> None:
    rule = CronRule("30 2 * * *", "Europe/Rome", gap=DstGap.NEXT_VALID)
    assert on(FORWARD, rule) == ["29 03:00 +0200 gap"]


def test_a_slot_that_falls_into_the_gap_can_be_skipped() -> None:
    assert on(FORWARD, CronRule("30 2 * * *", "Europe/Rome", gap=DstGap.SKIP)) == []


def test_the_day_after_a_gap_runs_at_its_usual_time_again() -> None:
    for rule in (
        CronRule("30 2 * * *", "Europe/Rome"),
        IntervalRule(
            timedelta(days=1),
            datetime(2026, 3, 1, 2, 30, tzinfo=ZoneInfo("Europe/Rome")),
            "Europe/Rome",
        ),
    ):
        assert on(datetime(2026, 3, 30), rule) == ["30 02:30 +0200"]


def test_many_slots_that_fall_into_one_gap_run_once() -> None:
    rule = CronRule("0,10,20,30,40,50 2 * * *", "Europe/Rome")
    assert on(FORWARD, rule) == ["29 03:00 +0200 gap"]


def test_a_slot_from_the_gap_joins_the_one_that_is_due_at_its_end() -> None:
    assert on(FORWARD, CronRule("0 2,3 * * *", "Europe/Rome")) == ["29 03:00 +0200"]


def test_a_time_that_exists_twice_runs_at_the_first() -> None:
    rule = CronRule("30 2 * * *", "Europe/Rome", overlap=DstOverlap.ONCE)
    assert on(BACK, rule) == ["25 02:30 +0200 overlap_first"]


def test_a_time_that_exists_twice_can_run_twice() -> None:
    rule = CronRule("30 2 * * *", "Europe/Rome", overlap=DstOverlap.TWICE)
    assert on(BACK, rule) == ["25 02:30 +0200 overlap_first", "25 02:30 +0100 overlap_second"]


@pytest.mark.parametrize("gap", DstGap)
@pytest.mark.parametrize("overlap", DstOverlap)
@pytest.mark.parametrize(("day", "hours"), [(FORWARD, 23), (BACK, 25)])
@pytest.mark.parametrize(("expression", "per_hour"), [("*/10 * * * *", 6), ("17 * * * *", 1)])
def test_every_n_minutes_and_every_hour_stay_even_in_elapsed_time(
    expression: str, per_hour: int, day: datetime, hours: int, gap: DstGap, overlap: DstOverlap
) -> None:
    rule = CronRule(expression, "Europe/Rome", gap, overlap)
    start = day.replace(tzinfo=ZoneInfo("Europe/Rome")) - timedelta(microseconds=1)
    end = start + timedelta(days=1)
    slots = slots_between(rule, start, end, limit=2000)
    steps = {later.at - slot.at for slot, later in pairwise(slots)}
    assert steps == {timedelta(hours=1) / per_hour}
    assert len(slots) == hours * per_hour


@pytest.mark.parametrize(
    ("zone", "expression", "day", "expected"),
    [
        # Half an hour: from 02:00 to 02:30 in October, from 02:00 back to 01:30 in April.
        ("Australia/Lord_Howe", "15 2 * * *", datetime(2026, 10, 4), ["04 02:30 +1100 gap"]),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            datetime(2026, 4, 5),
            ["05 01:45 +1100 overlap_first"],
        ),
        # Two hours at once.
        ("Antarctica/Troll", "30 1 * * *", datetime(2026, 3, 29), ["29 03:00 +0200 gap"]),
        (
            "Antarctica/Troll",
            "30 2 * * *",
            datetime(2026, 10, 25),
            ["25 02:30 +0200 overlap_first"],
        ),
        # Midnight itself does not exist.
        ("America/Santiago", "0 0 * * *", datetime(2026, 9, 6), ["06 01:00 -0300 gap"]),
        ("Asia/Beirut", "0 0 * * *", datetime(2026, 3, 29), ["29 01:00 +0300 gap"]),
        ("Africa/Cairo", "0 0 * * *", datetime(2026, 4, 24), ["24 01:00 +0300 gap"]),
        # The hour before midnight exists twice, midnight once.
        (
            "America/Santiago",
            "30 23 * * *",
            datetime(2026, 4, 4),
            ["04 23:30 -0300 overlap_first"],
        ),
        ("America/Santiago", "0 0 * * *", datetime(2026, 4, 5), ["05 00:00 -0400"]),
        # The database calls Irish winter time the exception; the wall clock moves as elsewhere.
        ("Europe/Dublin", "30 1 * * *", datetime(2026, 3, 29), ["29 02:00 +0100 gap"]),
        ("Europe/Dublin", "30 1 * * *", datetime(2026, 10, 25), ["25 01:30 +0100 overlap_first"]),
        # Samoa slept from the 29th to the 31st of December 2011.
        ("Pacific/Apia", "0 12 30 12 *", datetime(2011, 12, 31), ["31 00:00 +1400 gap"]),
        # A zone without changes.
        ("Asia/Kolkata", "30 2 * * *", datetime(2026, 3, 29), ["29 02:30 +0530"]),
    ],
)
def test_zones_with_unusual_changes(
    zone: str, expression: str, day: datetime, expected: list[str]
) -> None:
    assert on(day, CronRule(expression, zone)) == expected


def test_morocco_goes_back_for_ramadan_and_forward_after_it() -> None:
    rule = CronRule("30 2 * * *", "Africa/Casablanca")
    assert on(datetime(2026, 2, 15), rule) == ["15 02:30 +0100 overlap_first"]
    assert on(datetime(2026, 3, 22), rule) == ["22 03:00 +0100 gap"]


def test_a_monthly_interval_through_the_gap_runs_at_its_end_and_then_at_its_time_again() -> None:
    zone = ZoneInfo("Europe/Rome")
    rule = CalendarIntervalRule(1, datetime(2026, 1, 29, 2, 30, tzinfo=zone), "Europe/Rome")
    assert on(FORWARD, rule) == ["29 03:00 +0200 gap"]
    assert on(datetime(2026, 4, 29), rule) == ["29 02:30 +0200"]
