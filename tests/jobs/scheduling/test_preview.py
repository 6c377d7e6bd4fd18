from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from jobs.scheduling.preview import clock_change, preview
from jobs.scheduling.rules import CronRule, DstOverlap, OnceRule

ROME = ZoneInfo("Europe/Rome")
HOUR = timedelta(hours=1)


def test_a_run_that_is_moved_out_of_the_gap_says_so() -> None:
    before, moved, after = preview(
        CronRule("30 2 * * *", "Europe/Rome"), datetime(2026, 3, 27, 12, tzinfo=UTC), 3
    )
    assert (before.note, after.note) == ("", "")
    assert moved.note == "02:30 does not exist on this day: runs at 03:00"
    assert moved.local == datetime(2026, 3, 29, 3, tzinfo=ROME)
    assert moved.local.utcoffset() == 2 * HOUR
    assert [run.clock_change for run in (before, moved, after)] == [0 * HOUR, HOUR, 0 * HOUR]


def test_the_two_runs_of_a_time_that_exists_twice_are_told_apart() -> None:
    rule = CronRule("30 2 * * *", "Europe/Rome", overlap=DstOverlap.TWICE)
    first, second = preview(rule, datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert first.note == "the first of the two 02:30 of this day"
    assert second.note == "the second of the two 02:30 of this day"
    assert second.local - first.local == timedelta(0)
    assert second.slot.at - first.slot.at == HOUR


def test_other_runs_of_a_day_with_a_clock_change_are_marked() -> None:
    rule = CronRule("0 12 * * *", "Europe/Rome")
    spring, *_ = preview(rule, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    autumn, *_ = preview(rule, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)
    assert spring.note == "the clocks go forward by 1 h on this day"
    assert autumn.note == "the clocks go back by 1 h on this day"


def test_half_an_hour_is_told_in_minutes() -> None:
    rule = CronRule("0 12 * * *", "Australia/Lord_Howe")
    (run,) = preview(rule, datetime(2026, 10, 3, 12, tzinfo=UTC), 1)
    assert run.note == "the clocks go forward by 30 min on this day"


def test_a_change_at_midnight_belongs_to_the_day_it_shortens_or_lengthens() -> None:
    santiago = ZoneInfo("America/Santiago")
    changes = [
        clock_change(santiago, datetime(2026, month, day, 12, tzinfo=santiago))
        for month, day in ((9, 5), (9, 6), (9, 7), (4, 3), (4, 4), (4, 5))
    ]
    assert changes == [0 * HOUR, HOUR, 0 * HOUR, 0 * HOUR, -HOUR, 0 * HOUR]


def test_a_preview_shows_twenty_runs_or_as_many_as_there_are() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert len(preview(CronRule("0 12 * * *"), now)) == 20
    assert len(preview(OnceRule(now + HOUR), now)) == 1
    assert preview(OnceRule(now), now) == []
