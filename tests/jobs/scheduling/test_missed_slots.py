from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduling.missed import DueSlots, MissedPolicy, due_slots
from jobs.scheduling.rules import (
    CalendarIntervalRule,
    CronRule,
    IntervalRule,
    OnceRule,
    Rule,
    RuleError,
    slots_between,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOURLY = CronRule("0 * * * *")


def due(
    rule: Rule = HOURLY,
    *,
    last: datetime | None,
    now: datetime = NOON,
    policy: MissedPolicy = MissedPolicy.SKIP,
    grace: timedelta = MINUTE,
    limit: int = 3,
) -> DueSlots:
    return due_slots(rule, last=last, now=now, policy=policy, grace=grace, limit=limit)


def hours(result: DueSlots) -> list[int]:
    return [slot.at.hour for slot in result.run]


@pytest.mark.parametrize("policy", MissedPolicy)
def test_a_slot_that_is_late_within_the_grace_runs_whatever_the_policy(
    policy: MissedPolicy,
) -> None:
    for late in (timedelta(0), timedelta(seconds=1), MINUTE):
        result = due(last=NOON - HOUR, now=NOON + late, policy=policy)
        assert hours(result) == [12]
        assert (result.skipped, result.skipped_count) == ((), 0)
        assert result.handled_until == NOON


def test_a_slot_beyond_the_grace_was_missed() -> None:
    result = due(last=NOON - HOUR, now=NOON + MINUTE + timedelta(microseconds=1))
    assert result.run == ()
    assert [slot.at for slot in result.skipped] == [NOON]
    assert result.handled_until == NOON


def test_nothing_is_due_before_the_next_slot() -> None:
    result = due(last=NOON, now=NOON + 30 * MINUTE)
    assert (result.run, result.skipped_count) == ((), 0)
    assert result.next is not None
    assert result.next.at == NOON + HOUR
    assert result.handled_until == NOON


@pytest.mark.parametrize(
    ("policy", "run", "skipped"),
    [
        (MissedPolicy.SKIP, [12], [7, 8, 9, 10, 11]),
        (MissedPolicy.ONCE, [11, 12], [7, 8, 9, 10]),
        (MissedPolicy.ALL, [9, 10, 11, 12], [7, 8]),
    ],
)
def test_after_a_downtime_the_policy_decides_about_the_slots_that_were_missed(
    policy: MissedPolicy, run: list[int], skipped: list[int]
) -> None:
    result = due(last=NOON - 6 * HOUR, policy=policy)
    assert hours(result) == run
    assert [slot.at.hour for slot in result.skipped] == skipped
    assert result.skipped_count == len(skipped)
    assert result.next is not None
    assert result.next.at == NOON + HOUR


def test_all_runs_every_missed_slot_when_the_limit_is_not_reached() -> None:
    assert hours(due(last=NOON - 3 * HOUR, policy=MissedPolicy.ALL)) == [10, 11, 12]


def test_the_limit_is_for_missed_slots_and_not_for_those_that_are_due() -> None:
    rule = CronRule("* * * * * *")
    now = NOON + timedelta(seconds=5)
    result = due(rule, last=NOON, now=now, policy=MissedPolicy.ALL, limit=1)
    assert len(result.run) == 5


def test_a_new_schedule_has_missed_nothing() -> None:
    result = due(last=None, now=NOON + 10 * MINUTE, policy=MissedPolicy.ALL)
    assert (result.run, result.skipped_count, result.handled_until) == ((), 0, None)
    assert hours(due(last=None, now=NOON + MINUTE)) == [12]


def test_a_clock_that_was_set_back_runs_nothing_again() -> None:
    result = due(last=NOON + HOUR, now=NOON)
    assert result.run == ()
    assert result.next is not None
    assert result.next.at == NOON + 2 * HOUR
    assert result.handled_until == NOON + HOUR


def test_a_date_that_was_missed_follows_the_policy_and_then_there_is_no_next() -> None:
    rule = OnceRule(NOON - HOUR)
    once = due(rule, last=NOON - 2 * HOUR, policy=MissedPolicy.ONCE)
    assert (hours(once), once.next) == ([11], None)
    skip = due(rule, last=NOON - 2 * HOUR, policy=MissedPolicy.SKIP)
    assert (hours(skip), skip.skipped_count, skip.next) == ([], 1, None)


def test_more_due_slots_than_one_call_returns_are_left_for_the_next() -> None:
    rule = CronRule("* * * * * *")
    last, ran = NOON - 2500 * timedelta(seconds=1), []
    for expected in (1000, 1000, 500, 0):
        result = due(rule, last=last, grace=HOUR)
        assert len(result.run) == expected
        ran += [slot.at for slot in result.run]
        assert result.next is not None
        if expected == 1000:
            assert result.next.at == result.run[-1].at + timedelta(seconds=1)
        assert result.handled_until is not None
        last = result.handled_until
    assert ran == [NOON - n * timedelta(seconds=1) for n in reversed(range(2500))]


@pytest.mark.parametrize("policy", MissedPolicy)
@pytest.mark.parametrize(
    "rule",
    [
        CronRule("* * * * * *", "Europe/Rome"),
        IntervalRule(timedelta(seconds=1), datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_year_of_downtime_of_an_every_second_rule_costs_milliseconds(
    rule: Rule, policy: MissedPolicy
) -> None:
    def measured() -> float:
        start = time.perf_counter()
        result = due(rule, last=NOON - timedelta(days=365), policy=policy)
        assert result.skipped_count + len(result.run) == 365 * 86_400
        assert len(result.skipped) == 100
        return time.perf_counter() - start

    assert min(measured() for _ in range(3)) < 0.1


def test_the_latest_missed_slots_are_found_though_the_rule_rests_most_of_the_year() -> None:
    rule = CronRule("* * * 1 *")
    result = due(rule, last=NOON - timedelta(days=800), policy=MissedPolicy.ALL, limit=2)
    assert [slot.at for slot in result.run] == [
        datetime(2026, 1, 31, 23, 58, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 59, tzinfo=UTC),
    ]
    assert result.skipped[-1].at == datetime(2026, 1, 31, 23, 57, tzinfo=UTC)
    assert result.skipped_count == 2 * 31 * 1440 - 2


def test_bad_grace_limit_and_times_are_refused() -> None:
    with pytest.raises(RuleError, match=r"grace: "):
        due(last=NOON, grace=timedelta(seconds=-1))
    with pytest.raises(RuleError, match=r"limit: "):
        due(last=NOON, limit=-1)
    with pytest.raises(RuleError, match=r"last: .*needs a time zone"):
        due(last=datetime(2026, 1, 1))
    with pytest.raises(RuleError, match=r"now: .*needs a time zone"):
        due(last=None, now=datetime(2026, 1, 1))


ROME = ZoneInfo("Europe/Rome")
START = datetime(2026, 10, 20, tzinfo=UTC)
RULES = st.sampled_from(
    [
        CronRule("*/30 * * * *", "Europe/Rome"),
        CronRule("15,45 1-3 * * *", "Europe/Rome"),
        IntervalRule(timedelta(minutes=37), datetime(2026, 1, 1, tzinfo=UTC), "Europe/Rome"),
        IntervalRule(timedelta(days=1), datetime(2026, 1, 1, 2, 30, tzinfo=ROME), "Europe/Rome"),
        CalendarIntervalRule(1, datetime(2026, 1, 25, 2, 30, tzinfo=ROME), "Europe/Rome"),
    ]
)


@settings(deadline=None)
@given(
    rule=RULES,
    policy=st.sampled_from(MissedPolicy),
    grace=st.timedeltas(timedelta(0), 3 * HOUR),
    limit=st.integers(0, 5),
    pauses=st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=4)), max_size=12),
)
def test_every_slot_is_run_or_skipped_exactly_once_however_the_clock_is_interrupted(
    rule: Rule,
    policy: MissedPolicy,
    grace: timedelta,
    limit: int,
    pauses: list[timedelta],
) -> None:
    last, now = START, START
    run, skipped_count = [], 0
    for pause in pauses:
        now += pause
        result = due(rule, last=last, now=now, policy=policy, grace=grace, limit=limit)
        run += [slot.at for slot in result.run]
        skipped_count += result.skipped_count
        assert result.handled_until is not None
        last = result.handled_until
    slots = [slot.at for slot in slots_between(rule, START, now, limit=5000)]
    assert run == sorted(set(run))
    assert set(run) <= set(slots)
    assert len(run) + skipped_count == len(slots)
