"""What holds for every rule of any kind: order, resumption, counting, and the minute walk."""

from __future__ import annotations

import pickle
import timeit
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduling.rules import (
    CalendarIntervalRule,
    CronRule,
    DstGap,
    DstOverlap,
    IntervalRule,
    OnceRule,
    Rule,
    RuleError,
    next_slot,
    slots_between,
    upcoming,
)
from tests.jobs.scheduling.minute_walk import Walk, clock_changes

ZONES = st.sampled_from(sorted(available_timezones()))
GAPS, OVERLAPS = st.sampled_from(DstGap), st.sampled_from(DstOverlap)
ANYWHERE = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 1), timezones=st.just(UTC))
NEAR_A_CHANGE = st.builds(
    lambda change, minutes: (change.zone, change.at + timedelta(minutes=minutes)),
    st.deferred(lambda: st.sampled_from(clock_changes())),
    st.integers(-26 * 60, 26 * 60),
)
PLACES = st.one_of(NEAR_A_CHANGE, st.tuples(ZONES, ANYWHERE))
EXPRESSIONS = st.sampled_from(
    """30 2 * * *|0 0 * * *|*/10 * * * *|* * * * *|0 */6 * * *|0,30 0-4 * * *|0 0 L * *
    |15,45 1,2,23 * * 0,6|0 3 * * SUN#1|@hourly|@monthly|30 30 2 * * *|*/7 * * * * *|0 0 1-7 * 1
    |* 2 * * *""".replace("\n    ", "").split("|")
)


@st.composite
def rules_and_moments(draw: st.DrawFn) -> tuple[Rule, datetime]:
    zone, moment = draw(PLACES)
    gap, overlap = draw(GAPS), draw(OVERLAPS)
    anchor = moment - draw(st.timedeltas(timedelta(days=-3), timedelta(days=800)))
    rule = draw(
        st.one_of(
            st.builds(CronRule, EXPRESSIONS, st.just(zone), st.just(gap), st.just(overlap)),
            st.builds(
                IntervalRule,
                st.one_of(
                    st.timedeltas(timedelta(seconds=1), timedelta(days=3)),
                    st.integers(1, 40).map(lambda days: timedelta(days=days)),
                ),
                st.just(anchor),
                st.just(zone),
                st.just(gap),
                st.just(overlap),
            ),
            st.builds(
                CalendarIntervalRule,
                st.integers(1, 14),
                st.just(anchor),
                st.just(zone),
                st.just(gap),
                st.just(overlap),
            ),
            st.builds(OnceRule, st.just(anchor), st.just(zone)),
        )
    )
    return rule, moment


@settings(deadline=None)
@given(rules_and_moments())
def test_slots_come_in_strict_order_after_the_moment(place: tuple[Rule, datetime]) -> None:
    rule, moment = place
    slots = upcoming(rule, moment, 100)
    assert all(earlier.at < later.at for earlier, later in pairwise(slots))
    assert all(slot.at > moment and slot.at.tzinfo is UTC for slot in slots)
    assert all(slot.local.tzinfo is None for slot in slots)


@settings(deadline=None)
@given(rules_and_moments())
def test_going_on_after_any_slot_gives_the_slots_that_follow_it(
    place: tuple[Rule, datetime],
) -> None:
    rule, moment = place
    slots = upcoming(rule, moment, 40)
    for position, slot in enumerate(slots[:-1]):
        following = slots[position + 1 : position + 4]
        assert upcoming(rule, slot.at, len(following)) == following
        just_before = slot.at - timedelta(microseconds=1)
        assert next_slot(rule, just_before) == slot


@settings(deadline=None)
@given(rules_and_moments(), st.timedeltas(timedelta(0), timedelta(days=60)))
def test_counting_agrees_with_listing(place: tuple[Rule, datetime], length: timedelta) -> None:
    rule, moment = place
    slots = slots_between(rule, moment, moment + length, limit=2000)
    end = slots[-1].at if len(slots) == 2000 else moment + length
    assert rule.count_between(moment, end) == len(slots)


@settings(deadline=None)
@given(rules_and_moments())
def test_a_slot_runs_at_the_local_time_it_names_unless_that_does_not_exist(
    place: tuple[Rule, datetime],
) -> None:
    rule, moment = place
    zone = ZoneInfo(rule.timezone)
    for slot in upcoming(rule, moment, 50):
        shown = slot.at.astimezone(zone)
        if slot.dst == "gap":
            assert slot.local < shown.replace(tzinfo=None)
        else:
            assert slot.local == shown.replace(tzinfo=None, fold=0)
            assert (slot.dst == "overlap_second") == bool(shown.fold)


@settings(max_examples=40, deadline=None)
@given(
    place=PLACES,
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    hours=st.none() | st.sets(st.integers(0, 23), min_size=1, max_size=5),
    weekdays=st.none() | st.sets(st.integers(0, 6), min_size=1, max_size=6),
    gap=GAPS,
    overlap=OVERLAPS,
)
def test_a_random_cron_rule_at_a_random_time_does_what_the_minute_walk_says(
    place: tuple[str, datetime],
    minutes: set[int],
    hours: set[int] | None,
    weekdays: set[int] | None,
    gap: DstGap,
    overlap: DstOverlap,
) -> None:
    zone, moment = place
    start = moment.replace(second=0, microsecond=0)
    walk = Walk(ZoneInfo(zone), start - timedelta(hours=6), start + timedelta(hours=30))
    fields = [
        "*" if values is None else ",".join(map(str, sorted(values)))
        for values in (minutes, hours, weekdays)
    ]
    rule = CronRule(f"{fields[0]} {fields[1]} * * {fields[2]}", zone, gap, overlap)
    expected = walk.runs(
        [time(hour, minute) for hour in (hours or range(24)) for minute in minutes],
        gap=gap,
        overlap=overlap,
        follows_clock=hours is None,
        on=lambda day: weekdays is None or day.isoweekday() % 7 in weekdays,
    )
    found = [slot.at for slot in slots_between(rule, start, walk.end, limit=5000)]
    assert found == [at for at in expected if at > start]


@pytest.mark.parametrize(
    "expression",
    ["* * * * * *", "*/5 * * * *", "0 2 * * *", "0 3 * * 0", "0 0 1 1 *", "0 0 29 2 *"],
)
def test_the_next_slot_is_found_within_a_millisecond(expression: str) -> None:
    rule = CronRule(expression, "Europe/Rome")
    moment = datetime(2026, 6, 1, 10, 3, tzinfo=UTC)
    assert next_slot(rule, moment) is not None
    assert min(timeit.repeat(lambda: next_slot(rule, moment), number=10, repeat=5)) / 10 < 0.001


def test_rules_and_their_errors_survive_pickling() -> None:
    rule = CronRule("30 2 * * *", "Europe/Rome")
    assert pickle.loads(pickle.dumps(rule)) == rule
    error = RuleError("cron", "61 * * * *", "minute 61 is wrong")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_slots_between_takes_the_end_in_and_the_start_out_and_stops_at_the_limit() -> None:
    rule = CronRule("0 * * * *")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert [slot.at for slot in slots_between(rule, start, start + 2 * hour, limit=10)] == [
        start + hour,
        start + 2 * hour,
    ]
    assert len(slots_between(rule, start, start + 100 * hour, limit=7)) == 7
    assert slots_between(rule, start, start - hour, limit=7) == []
