"""When django-q2 schedules run: without drift, through short months and clock changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django_q.models import Schedule
from hypothesis import given
from hypothesis import strategies as st

from jobs.django_q2 import schedule_times
from jobs.django_q2.schedule_arguments import MalformedSchedule

ROME = ZoneInfo("Europe/Rome")


@pytest.fixture(autouse=True)
def _rome(q_conf: Callable[..., None]) -> None:
    q_conf(TIME_ZONE="Europe/Rome", CATCH_UP=True)


def runs_of(
    kind: str, first: dt.datetime, *, cron: str = "", minutes: int | None = None
) -> Iterator[dt.datetime]:
    """The local times of a schedule's runs, one after the other."""
    schedule = Schedule(
        schedule_type=kind, next_run=first.astimezone(dt.UTC), cron=cron, minutes=minutes
    )
    while True:
        yield schedule.next_run.astimezone(ROME)
        # For cron the present counts: pretend that each run is on time.
        schedule.next_run = schedule_times.run_after(schedule, first, schedule.next_run)


def local(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=ROME)


def next_runs(count: int, *args: object, **kwargs: object) -> list[str]:
    runs = runs_of(*args, **kwargs)  # type: ignore[arg-type]
    return [f"{next(runs):%Y-%m-%d %H:%M %z}" for _ in range(count)]


def test_a_monthly_schedule_comes_back_to_the_31st() -> None:
    assert next_runs(5, Schedule.MONTHLY, local(2026, 1, 31, 9)) == [
        "2026-01-31 09:00 +0100",
        "2026-02-28 09:00 +0100",
        "2026-03-31 09:00 +0200",
        "2026-04-30 09:00 +0200",
        "2026-05-31 09:00 +0200",
    ]


def test_two_months_a_quarter_and_a_year_keep_their_day() -> None:
    assert next_runs(3, Schedule.BIMONTHLY, local(2025, 12, 31, 9))[1:] == [
        "2026-02-28 09:00 +0100",
        "2026-04-30 09:00 +0200",
    ]
    assert next_runs(3, Schedule.QUARTERLY, local(2025, 11, 30, 9))[1:] == [
        "2026-02-28 09:00 +0100",
        "2026-05-30 09:00 +0200",
    ]
    assert next_runs(5, Schedule.YEARLY, local(2024, 2, 29, 9))[1:] == [
        "2025-02-28 09:00 +0100",
        "2026-02-28 09:00 +0100",
        "2027-02-28 09:00 +0100",
        "2028-02-29 09:00 +0100",
    ]


def test_a_daily_schedule_comes_back_to_its_hour_after_the_night_without_it() -> None:
    assert next_runs(4, Schedule.DAILY, local(2026, 3, 28, 2, 30)) == [
        "2026-03-28 02:30 +0100",
        "2026-03-29 03:00 +0200",
        "2026-03-30 02:30 +0200",
        "2026-03-31 02:30 +0200",
    ]


def test_a_daily_schedule_runs_once_in_the_night_with_its_hour_twice() -> None:
    assert next_runs(3, Schedule.DAILY, local(2026, 10, 24, 2, 30)) == [
        "2026-10-24 02:30 +0200",
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]


def test_a_cron_schedule_runs_once_in_the_night_with_its_hour_twice() -> None:
    first = local(2026, 10, 24, 2, 30)
    assert next_runs(3, Schedule.CRON, first, cron="30 2 * * *") == [
        "2026-10-24 02:30 +0200",
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]


def test_the_seconds_of_a_cron_schedule_come_last_as_in_django_q2() -> None:
    runs = runs_of(Schedule.CRON, local(2026, 5, 1, 9), cron="0 9 * * * 30")
    next(runs)

    assert f"{next(runs):%d %H:%M:%S}" == "01 09:00:30"
    assert f"{next(runs):%d %H:%M:%S}" == "02 09:00:30"


@pytest.mark.parametrize("minutes", [1, 90, 1440])
def test_minutes_are_elapsed_time_through_a_clock_change(minutes: int) -> None:
    runs = runs_of(Schedule.MINUTES, local(2026, 3, 28, 23), minutes=minutes)

    for before, after in pairwise(next(runs).astimezone(dt.UTC) for _ in range(5)):
        assert after - before == dt.timedelta(minutes=minutes)


def test_weeks_keep_their_weekday_and_hour() -> None:
    assert next_runs(2, Schedule.WEEKLY, local(2026, 3, 25, 8))[1] == "2026-04-01 08:00 +0200"
    assert next_runs(2, Schedule.BIWEEKLY, local(2026, 3, 25, 8))[1] == "2026-04-08 08:00 +0200"


def test_without_catch_up_the_next_run_is_still_to_come(q_conf: Callable[..., None]) -> None:
    q_conf(CATCH_UP=False)
    first = local(2026, 1, 31, 9)
    schedule = Schedule(schedule_type=Schedule.MONTHLY, next_run=first)

    assert schedule_times.run_after(schedule, first, local(2026, 6, 15)) == local(2026, 6, 30, 9)


@pytest.mark.parametrize("cron", ["", "61 * * * *", "0 9 * *", "0 0 30 2 *"])
def test_a_cron_that_cannot_be_is_said_so(cron: str) -> None:
    schedule = Schedule(schedule_type=Schedule.CRON, next_run=local(2026, 1, 1), cron=cron)

    with pytest.raises(MalformedSchedule) as refusal:
        schedule_times.run_after(schedule, schedule.next_run, schedule.next_run)

    assert refusal.value.field == "cron"


@given(
    first=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2034, 12, 31)),
    kind=st.sampled_from([Schedule.MONTHLY, Schedule.BIMONTHLY, Schedule.QUARTERLY]),
)
def test_every_month_runs_on_the_day_it_started_on_or_on_its_last(
    first: dt.datetime, kind: str
) -> None:
    start = first.replace(tzinfo=ROME, hour=12)
    runs = runs_of(kind, start)

    for run in (next(runs) for _ in range(14)):
        tomorrow = run + dt.timedelta(days=1)
        assert run.day == first.day or (run.day < first.day and tomorrow.day == 1)
        assert (run.hour, run.minute) == (12, first.minute)
