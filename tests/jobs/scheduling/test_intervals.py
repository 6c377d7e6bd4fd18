from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.scheduling.rules import (
    CalendarIntervalRule,
    IntervalRule,
    OnceRule,
    Rule,
    RuleError,
    next_slot,
    slots_between,
    upcoming,
)

ROME = ZoneInfo("Europe/Rome")


def local(rule: Rule, after: datetime, count: int) -> list[str]:
    return [f"{slot.local:%Y-%m-%d %H:%M}" for slot in upcoming(rule, after, count)]


def test_a_monthly_rule_from_the_31st_comes_back_to_the_31st() -> None:
    rule = CalendarIntervalRule(1, datetime(2026, 1, 31, 4, tzinfo=ROME), "Europe/Rome")
    assert local(rule, datetime(2026, 1, 1, tzinfo=UTC), 5) == [
        "2026-01-31 04:00",
        "2026-02-28 04:00",
        "2026-03-31 04:00",
        "2026-04-30 04:00",
        "2026-05-31 04:00",
    ]


def test_a_quarterly_rule_comes_back_to_its_day() -> None:
    rule = CalendarIntervalRule(3, datetime(2025, 11, 30, 4, tzinfo=ROME), "Europe/Rome")
    assert local(rule, datetime(2025, 11, 30, 12, tzinfo=UTC), 3) == [
        "2026-02-28 04:00",
        "2026-05-30 04:00",
        "2026-08-30 04:00",
    ]


def test_a_yearly_rule_from_29_february_comes_back_to_it() -> None:
    rule = CalendarIntervalRule(12, datetime(2024, 2, 29, 4, tzinfo=ROME), "Europe/Rome")
    assert local(rule, datetime(2026, 12, 1, tzinfo=UTC), 3) == [
        "2027-02-28 04:00",
        "2028-02-29 04:00",
        "2029-02-28 04:00",
    ]


def test_a_daily_interval_keeps_its_wall_clock_time_through_the_year() -> None:
    rule = IntervalRule(timedelta(days=1), datetime(2026, 1, 1, 2, 30, tzinfo=ROME), "Europe/Rome")
    slots = slots_between(rule, rule.anchor, datetime(2027, 1, 1, tzinfo=ROME), limit=1000)
    assert {f"{slot.local:%H:%M}" for slot in slots} == {"02:30"}
    assert len(slots) == 364


def test_the_anchor_is_the_first_slot() -> None:
    anchor = datetime(2026, 1, 5, 2, 30, tzinfo=ROME)
    long_before = datetime(2020, 1, 1, tzinfo=UTC)
    for rule in (
        IntervalRule(timedelta(minutes=7), anchor, "Europe/Rome"),
        IntervalRule(timedelta(days=2), anchor, "Europe/Rome"),
        CalendarIntervalRule(1, anchor, "Europe/Rome"),
        OnceRule(anchor),
    ):
        first = next_slot(rule, long_before)
        assert first is not None
        assert first.at == anchor
        assert rule.count_between(long_before, anchor - timedelta(seconds=1)) == 0


def test_an_interval_is_counted_from_the_anchor_and_not_from_the_last_look() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    rule = IntervalRule(timedelta(minutes=7), anchor)
    slot = next_slot(rule, anchor + timedelta(minutes=20, seconds=13))
    assert slot is not None
    assert slot.at == anchor + timedelta(minutes=21)


def test_an_interval_with_a_fraction_of_a_second_does_not_drift() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    rule = IntervalRule(timedelta(seconds=1.5), anchor)
    slot = next_slot(rule, anchor + timedelta(days=365))
    assert slot is not None
    assert slot.at == anchor + timedelta(days=365, seconds=1.5)


def test_a_rule_for_one_date_runs_once() -> None:
    rule = OnceRule(datetime(2027, 5, 3, 14, tzinfo=ROME))
    (slot,) = upcoming(rule, datetime(2026, 1, 1, tzinfo=UTC), 20)
    assert slot.at == datetime(2027, 5, 3, 12, tzinfo=UTC)
    assert slot.local == datetime(2027, 5, 3, 14)
    assert next_slot(rule, slot.at) is None


def test_rules_of_equal_fields_are_equal_and_can_be_keys() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({IntervalRule(timedelta(hours=1), anchor) for _ in range(2)}) == 1
    assert len({OnceRule(anchor), CalendarIntervalRule(1, anchor), OnceRule(anchor)}) == 2


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-5), timedelta(seconds=0.5)])
def test_an_interval_shorter_than_a_second_is_refused(every: timedelta) -> None:
    with pytest.raises(
        RuleError, match=r"is not between one second and a hundred years"
    ) as refused:
        IntervalRule(every, datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.field == "every"


@pytest.mark.parametrize("months", [0, -1, 1201])
def test_a_number_of_months_out_of_range_is_refused(months: int) -> None:
    with pytest.raises(RuleError, match=r"months: ") as refused:
        CalendarIntervalRule(months, datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.value == months


def test_an_anchor_or_a_date_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(RuleError, match=r"anchor: .*needs a time zone"):
        IntervalRule(timedelta(hours=1), naive)
    with pytest.raises(RuleError, match=r"anchor: .*needs a time zone"):
        CalendarIntervalRule(1, naive)
    with pytest.raises(RuleError, match=r"at: .*needs a time zone"):
        OnceRule(naive)


def test_an_anchor_in_another_zone_means_the_same_instant() -> None:
    in_rome = datetime(2026, 7, 1, 2, 30, tzinfo=ROME)
    long_before = datetime(2020, 1, 1, tzinfo=UTC)
    for anchor in (in_rome, in_rome.astimezone(UTC), in_rome.astimezone(ZoneInfo("Asia/Tokyo"))):
        rule = IntervalRule(timedelta(days=1), anchor, "Europe/Rome")
        assert local(rule, long_before, 1) == ["2026-07-01 02:30"]
