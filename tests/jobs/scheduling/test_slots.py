"""The tick: what is due is enqueued, each time once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.models import Job, JobSchedule, JobState, ScheduleSlot, SlotOutcome
from jobs.scheduling import tick
from jobs.scheduling.decisions import jitter_of
from jobs.scheduling.tick import SlotReport, next_due, run_once
from tests.jobs.scheduling.making import at, make_schedule, slots_of

NOON = at("2026-03-01 12:00")
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


def test_a_due_time_enqueues_the_job_with_its_arguments_queue_priority_and_time() -> None:
    schedule = make_schedule(next_run_at=NOON, queue="analytics", priority=7)

    assert run_once(NOON + SECOND) == SlotReport(enqueued=1)

    job = Job.objects.get()
    assert (job.definition, job.queue, job.priority) == (schedule.definition, "analytics", 7)
    assert job.arguments == {"args": [1, 2], "kwargs": {}}
    assert (job.schedule_id, job.slot_at) == (schedule.pk, NOON)
    assert (job.state, job.due_at) == (JobState.READY, None)
    slot = ScheduleSlot.objects.get()
    assert (slot.slot_at, slot.outcome, slot.job_id) == (NOON, SlotOutcome.ENQUEUED, job.pk)
    schedule.refresh_from_db()
    assert (schedule.last_slot_at, schedule.next_run_at) == (NOON, NOON + MINUTE)


def test_a_job_without_queue_and_priority_takes_those_of_its_definition() -> None:
    make_schedule(next_run_at=NOON)
    run_once(NOON)
    job = Job.objects.get()
    assert (job.queue, job.priority) == ("default", 0)


def test_the_clock_is_the_databases_unless_told_otherwise() -> None:
    make_schedule("due", cron="0 0 1 7 *", next_run_at=at("2000-07-01 00:00"))
    make_schedule("not due", next_run_at=at("2100-01-01 00:00"))
    assert run_once().enqueued == 1


def test_a_time_that_is_not_due_or_whose_schedule_is_disabled_enqueues_nothing() -> None:
    make_schedule("later", next_run_at=NOON + SECOND)
    make_schedule("off", enabled=False, next_run_at=NOON)
    assert not run_once(NOON)
    assert not Job.objects.exists()


def test_a_tick_again_at_the_same_moment_enqueues_nothing_more() -> None:
    make_schedule(next_run_at=NOON)
    assert run_once(NOON).enqueued == 1
    assert not run_once(NOON)


def test_a_time_that_somebody_has_recorded_is_not_enqueued_again() -> None:
    schedule = make_schedule(next_run_at=NOON)
    run_once(NOON)
    JobSchedule.objects.filter(pk=schedule.pk).update(next_run_at=NOON)

    assert not run_once(NOON)

    assert Job.objects.count() == 1
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOON + MINUTE


def test_a_tick_with_nothing_due_is_one_query_that_uses_the_index() -> None:
    for number in range(30):
        make_schedule(f"later {number}", next_run_at=at("2100-01-01 00:00"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert not run_once()
    assert len(queries) == 1
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = str(cursor.fetchall())
    assert "jobs_schedule_due" in plan


def test_many_schedules_of_one_minute_cost_a_few_queries_for_each_hundred() -> None:
    for number in range(100):
        make_schedule(f"{number:03}", next_run_at=NOON)
    with CaptureQueriesContext(connection) as queries:
        assert run_once(NOON).enqueued == 100
    assert len(queries) <= 15


def test_next_due_is_the_earliest_time_of_the_enabled_schedules() -> None:
    assert next_due() is None
    make_schedule("b", next_run_at=NOON + MINUTE)
    make_schedule("a", next_run_at=NOON)
    make_schedule("off", enabled=False, next_run_at=NOON - HOUR)
    assert next_due() == NOON


def test_a_schedule_that_was_left_without_a_plan_gets_one() -> None:
    schedule = make_schedule()
    JobSchedule.objects.update(next_run_at=None)
    assert not run_once(NOON + SECOND)
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOON + MINUTE


class TestMissedRuns:
    @pytest.mark.parametrize(
        ("missed", "expected", "skipped"),
        [
            ("skip", [], [8, 9, 10, 11]),
            ("once", [11], [8, 9, 10]),
            ("all", [9, 10, 11], [8]),
        ],
    )
    def test_times_later_than_the_grace_follow_the_policy(
        self, missed: str, expected: list[int], skipped: list[int]
    ) -> None:
        schedule = make_schedule(
            cron="0 * * * *", missed=missed, missed_limit=3, next_run_at=NOON - 4 * HOUR
        )

        report = run_once(NOON - 30 * MINUTE)

        assert report == SlotReport(enqueued=len(expected), missed=len(skipped))
        assert [moment.hour for moment in slots_of(schedule)] == expected
        assert [moment.hour for moment in slots_of(schedule, SlotOutcome.MISSED)] == skipped
        schedule.refresh_from_db()
        assert schedule.next_run_at == NOON
        assert schedule.last_slot_at == NOON - HOUR

    def test_a_time_within_the_grace_was_not_missed(self) -> None:
        make_schedule(cron="0 * * * *", missed="skip", grace=MINUTE, next_run_at=NOON)
        assert run_once(NOON + MINUTE) == SlotReport(enqueued=1)

    def test_a_day_of_missed_seconds_is_counted_and_its_latest_are_recorded(self) -> None:
        schedule = make_schedule(
            cron="* * * * * *", missed="once", next_run_at=NOON - dt.timedelta(days=1)
        )
        report = run_once(NOON)
        assert report.missed == 86_400 - 61
        # The latest missed one, and the sixty-one that are within the grace of a minute.
        assert report.enqueued == 62
        assert len(slots_of(schedule, SlotOutcome.MISSED)) == 100


class TestNoOverlap:
    def test_a_run_is_skipped_while_the_previous_job_has_not_ended(self) -> None:
        schedule = make_schedule(no_overlap=True, next_run_at=NOON)
        run_once(NOON)
        for state in (JobState.READY, JobState.SCHEDULED, JobState.RUNNING, JobState.BLOCKED):
            Job.objects.update(state=state)
            schedule.refresh_from_db()
            assert run_once(schedule.next_run_at) == SlotReport(overlapped=1), state
        Job.objects.update(state=JobState.FAILED)
        schedule.refresh_from_db()
        assert run_once(schedule.next_run_at) == SlotReport(enqueued=1)
        assert len(slots_of(schedule, SlotOutcome.OVERLAP)) == 4

    def test_of_several_runs_that_are_due_at_once_only_the_latest_is_enqueued(self) -> None:
        schedule = make_schedule(
            no_overlap=True, cron="0 * * * *", missed="all", next_run_at=NOON - 3 * HOUR
        )
        assert run_once(NOON) == SlotReport(enqueued=1, overlapped=3)
        assert slots_of(schedule) == [NOON]

    def test_jobs_of_other_schedules_do_not_count(self) -> None:
        make_schedule("other", next_run_at=NOON)
        run_once(NOON)
        JobSchedule.objects.update(next_run_at=NOON + HOUR)
        make_schedule("mine", no_overlap=True, next_run_at=NOON)
        assert run_once(NOON) == SlotReport(enqueued=1)


class TestJitter:
    def test_the_job_is_due_after_a_delay_below_the_jitter(self) -> None:
        noon = at("2090-03-01 12:00")
        schedule = make_schedule(cron="0 * * * *", jitter=30 * MINUTE, next_run_at=noon)
        run_once(noon)
        job = Job.objects.get()
        assert job.slot_at == noon
        assert job.due_at == noon + jitter_of(schedule, noon)
        assert job.state == JobState.SCHEDULED

    def test_a_delay_that_has_passed_already_makes_the_job_ready(self) -> None:
        make_schedule(cron="0 * * * *", jitter=MINUTE, grace=HOUR, next_run_at=NOON)
        run_once(NOON + 2 * MINUTE)
        assert Job.objects.get().state == JobState.READY

    @settings(max_examples=50)
    @given(
        key=st.integers(1, 10**6),
        seconds=st.integers(0, 10**8),
        jitter=st.timedeltas(dt.timedelta(0), dt.timedelta(days=2)),
    )
    def test_it_is_the_same_for_the_same_run_in_every_process_and_zone(
        self, key: int, seconds: int, jitter: dt.timedelta
    ) -> None:
        slot_at = NOON + dt.timedelta(seconds=seconds)
        schedule = JobSchedule(pk=key, jitter=jitter)
        delay = jitter_of(schedule, slot_at)
        elsewhere = slot_at.astimezone(dt.timezone(dt.timedelta(hours=5)))
        assert delay == jitter_of(JobSchedule(pk=key, jitter=jitter), elsewhere)
        assert dt.timedelta(0) <= delay <= jitter

    def test_it_spreads_the_runs(self) -> None:
        schedule = JobSchedule(pk=1, jitter=HOUR)
        delays = [jitter_of(schedule, NOON + number * HOUR) / HOUR for number in range(200)]
        assert min(delays) < 0.1
        assert max(delays) > 0.9
        assert 0.4 < sum(delays) / 200 < 0.6


class TestTheEndOfASchedule:
    def test_a_schedule_that_runs_once_disables_itself_after_its_run(self) -> None:
        run_at = at("2090-01-01 00:00")
        schedule = make_schedule(kind="once", run_at=run_at)
        assert schedule.next_run_at == run_at
        assert run_once(run_at) == SlotReport(enqueued=1)
        schedule.refresh_from_db()
        assert (schedule.enabled, schedule.next_run_at, schedule.last_slot_at) == (
            False, None, run_at,
        )  # fmt: skip
        assert not run_once(run_at + HOUR)

    def test_a_single_run_that_was_missed_follows_the_policy_and_is_over(self) -> None:
        run_at = at("2090-01-01 00:00")
        schedule = make_schedule(kind="once", run_at=run_at, missed="skip")
        assert run_once(run_at + HOUR) == SlotReport(missed=1)
        schedule.refresh_from_db()
        assert not schedule.enabled

    def test_no_run_lies_outside_the_period_and_its_ends_belong_to_it(self) -> None:
        day = at("2090-01-01 00:00")
        schedule = make_schedule(
            cron="0 * * * *", missed="all", starts_at=day + 2 * HOUR, ends_at=day + 4 * HOUR
        )
        assert schedule.next_run_at == day + 2 * HOUR
        assert run_once(day + 9 * HOUR).enqueued == 3
        assert [moment.hour for moment in slots_of(schedule)] == [2, 3, 4]
        schedule.refresh_from_db()
        assert not schedule.enabled


def test_a_time_in_the_gap_and_in_the_overlap_runs_as_the_schedule_says() -> None:
    rome = {"cron": "30 2 * * *", "timezone": "Europe/Rome", "missed": "all"}
    once = make_schedule("once", **rome, next_run_at=at("2026-03-28 01:30"))
    twice = make_schedule(
        "twice", **rome, dst_gap="skip", dst_overlap="twice", next_run_at=at("2026-03-28 01:30")
    )
    for moment in ("2026-03-30 12:00", "2026-10-24 00:20"):
        run_once(at(moment))
    JobSchedule.objects.update(next_run_at=at("2026-10-24 00:30"))
    run_once(at("2026-10-26 12:00"))

    def told(schedule: JobSchedule) -> set[str]:
        return {f"{moment:%m-%d %H:%M}" for moment in slots_of(schedule)}

    spring = {"03-28 01:30", "03-30 00:30"}
    autumn = {"10-24 00:30", "10-25 00:30", "10-26 01:30"}
    assert told(once) >= spring | autumn | {"03-29 01:00"}
    assert "10-25 01:30" not in told(once)
    assert told(twice) >= spring | autumn | {"10-25 01:30"}
    assert not any(moment.startswith("03-29") for moment in told(twice))


def test_a_report_of_nothing_is_false() -> None:
    assert not SlotReport()
    assert SlotReport(1, 2) + SlotReport(3, 4, 5, 6) == SlotReport(4, 6, 5, 6)
    assert tick.BATCH == 100
