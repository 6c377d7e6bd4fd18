from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.models import Period
from analytics.periods import UnknownPeriod, closed_span, day_named, period_named, span_of

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("period", "now", "first_day"),
    [
        (Period.DAILY, datetime(2025, 3, 24, 1, 0, tzinfo=UTC), date(2025, 3, 23)),
        (Period.DAILY, datetime(2025, 1, 1, 0, 0, tzinfo=UTC), date(2024, 12, 31)),
        (Period.WEEKLY, datetime(2025, 3, 24, 0, 0, tzinfo=UTC), date(2025, 3, 17)),
        (Period.WEEKLY, datetime(2025, 3, 23, 3, 0, tzinfo=UTC), date(2025, 3, 10)),
        (Period.MONTHLY, datetime(2025, 3, 1, 4, 0, tzinfo=UTC), date(2025, 2, 1)),
        (Period.MONTHLY, datetime(2025, 3, 31, 23, 59, tzinfo=UTC), date(2025, 2, 1)),
        (Period.MONTHLY, datetime(2025, 1, 15, tzinfo=UTC), date(2024, 12, 1)),
    ],
)
def test_the_period_just_closed_is_over(period: Period, now: datetime, first_day: date) -> None:
    span = closed_span(period, now)

    assert span.first_day == first_day
    assert span.end <= now


def test_a_day_begins_at_the_sites_midnight(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Rome"

    span = span_of(Period.DAILY, date(2025, 7, 1))

    assert span.start == datetime(2025, 6, 30, 22, tzinfo=UTC)
    assert span.end - span.start == timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 5, 1), 24)]
)
def test_a_day_of_a_clock_change_is_shorter_or_longer(settings: Any, day: date, hours: int) -> None:
    settings.TIME_ZONE = "Europe/Rome"

    span = span_of(Period.DAILY, day)

    length = span.end.astimezone(UTC) - span.start.astimezone(UTC)
    assert length == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_it_begins(settings: Any) -> None:
    settings.TIME_ZONE = "America/Santiago"

    before, span = (span_of(Period.DAILY, date(2025, 9, day)) for day in (6, 7))

    assert span.start.astimezone(UTC) == datetime(2025, 9, 7, 4, tzinfo=UTC)
    assert before.end == span.start


def test_yesterday_is_the_sites_yesterday(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"

    span = closed_span(Period.DAILY, datetime(2025, 6, 1, 13, 0, tzinfo=UTC))

    assert span.first_day == date(2025, 6, 1)


@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 31)), period=st.sampled_from(list(Period)))
def test_periods_follow_one_another_without_gap_or_overlap(day: date, period: Period) -> None:
    span = span_of(period, day)
    following = span_of(period, span.end.date())

    assert span.start.date() <= day < span.end.date()
    assert span.end == following.start
    assert span_of(period, span.first_day) == span


@given(now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))
def test_no_day_is_left_out_or_taken_twice_by_a_daily_run(now: datetime) -> None:
    today, tomorrow = closed_span(Period.DAILY, now), closed_span(Period.DAILY, now + DAY)

    assert today.end == tomorrow.start


DAY = timedelta(days=1)


def test_an_unknown_period_is_refused_by_name() -> None:
    with pytest.raises(UnknownPeriod, match="one of daily, weekly, monthly, not 'hourly'"):
        period_named("hourly")


@pytest.mark.parametrize("text", ["24.03.2025", "2025-02-30", "", None])
def test_what_is_no_date_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="date: must be a date like 2025-03-24"):
        day_named(text)
