"""The tick: what is due is enqueued, each time once."""

from __future__ import annotations

import datetime as dt
import threading
from unittest import mock

import pytest
from django.db import IntegrityError, connection, connections
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import dispatch
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


class TestBrokenSchedules:
    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("definition", "tests.jobs.sample_jobs.gone", "gone"),
            ("definition", "os.system", "os.system"),
            ("arguments", {"args": ["one"], "kwargs": {}}, "a:"),
            ("arguments", {"kwargs": {"a": 1, "c": 1}}, "'c'"),
            ("arguments", "not a call", "arguments"),
            ("cron", "61 * * * *", "61"),
            ("timezone", "Europe/Roma", "Europe/Rome"),
        ],
    )
    def test_a_broken_one_shows_why_and_does_not_stop_the_others(
        self, field: str, value: object, told: str
    ) -> None:
        broken = make_schedule("broken", next_run_at=NOON)
        JobSchedule.objects.filter(pk=broken.pk).update(**{field: value})
        good = [make_schedule(name, next_run_at=NOON) for name in ("a", "z")]

        assert run_once(NOON) == SlotReport(enqueued=2, broken=1)

        broken.refresh_from_db()
        assert told in broken.last_error
        assert (broken.enabled, broken.next_run_at) == (True, NOON)
        assert broken.retry_at == NOON + 10 * SECOND
        assert set(Job.objects.values_list("schedule", flat=True)) == {one.pk for one in good}

    def test_it_is_tried_again_ever_more_rarely(self) -> None:
        broken = make_schedule("broken", cron="0 * * * *", next_run_at=NOON)
        JobSchedule.objects.update(definition="tests.jobs.sample_jobs.gone")
        waits, moment = [], NOON
        for _ in range(9):
            assert run_once(moment).broken == 1
            broken.refresh_from_db()
            assert broken.retry_at is not None
            assert not run_once(broken.retry_at - SECOND)
            waits.append((broken.retry_at - moment).total_seconds())
            moment = broken.retry_at
        assert waits == [10, 10, 20, 40, 80, 160, 320, 600, 600]

    def test_once_mended_its_time_is_not_lost_and_the_error_goes(self) -> None:
        broken = make_schedule("broken", cron="0 * * * *", next_run_at=NOON)
        JobSchedule.objects.update(definition="tests.jobs.sample_jobs.gone")
        run_once(NOON)
        broken.refresh_from_db()

        broken.definition = "tests.jobs.sample_jobs.add"
        broken.save()

        assert broken.retry_at is None
        assert run_once(NOON + 5 * SECOND) == SlotReport(enqueued=1)
        broken.refresh_from_db()
        assert slots_of(broken) == [NOON]
        assert (broken.last_error, broken.retry_at) == ("", None)

    def test_one_that_the_database_refuses_does_not_stop_the_others(self) -> None:
        for name in ("a", "bad", "z"):
            make_schedule(name, next_run_at=NOON)
        bad = JobSchedule.objects.get(name="bad")
        insert = dispatch.insert

        def refuse(jobs: list[dispatch.NewJob]) -> object:
            if any(job.schedule_id == bad.pk for job in jobs):
                raise IntegrityError("this row breaks a rule")
            return insert(jobs)

        with mock.patch.object(dispatch, "insert", refuse):
            assert run_once(NOON) == SlotReport(enqueued=2, broken=1)
        bad.refresh_from_db()
        assert bad.last_error == "IntegrityError: this row breaks a rule"
        assert slots_of(bad) == []

    def test_a_schedule_in_error_does_not_hide_when_the_next_one_is_due(self) -> None:
        make_schedule("broken", next_run_at=NOON)
        JobSchedule.objects.update(definition="gone")
        run_once(NOON)
        make_schedule("good", next_run_at=NOON + HOUR)
        assert next_due() == NOON + HOUR


@pytest.mark.django_db(transaction=True)
class TestSeveralClusters:
    def test_each_time_is_enqueued_by_one_of_them_for_two_minutes_with_one_dying(self) -> None:
        start = at("2090-01-01 00:00")
        schedule = make_schedule(cron="* * * * * *", next_run_at=start)
        errors: list[BaseException] = []
        together = threading.Barrier(2)

        def cluster(dies_after: int) -> None:
            try:
                for second in range(120):
                    if second == 60:
                        together.wait(60)
                    if second >= dies_after:
                        return
                    run_once(start + second * SECOND)
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=cluster, args=(limit,)) for limit in (61, 120)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

        assert not errors
        expected = [start + second * SECOND for second in range(120)]
        assert slots_of(schedule) == expected
        jobs = Job.objects.filter(schedule=schedule).order_by("slot_at")
        assert list(jobs.values_list("slot_at", flat=True)) == expected

    def test_a_tick_that_dies_in_the_middle_leaves_its_times_to_the_next(self) -> None:
        make_schedule(next_run_at=NOON)

        class Killed(BaseException):
            pass

        with mock.patch.object(dispatch, "insert", side_effect=Killed), pytest.raises(Killed):
            run_once(NOON)
        assert not ScheduleSlot.objects.exists()
        assert run_once(NOON) == SlotReport(enqueued=1)

    @pytest.mark.postgresql
    def test_a_schedule_that_another_holds_is_left_to_it(self) -> None:
        held = make_schedule("held", next_run_at=NOON)
        make_schedule("free", next_run_at=NOON)
        holds, done = threading.Event(), threading.Event()

        def hold() -> None:
            from django.db import transaction

            with transaction.atomic():
                JobSchedule.objects.select_for_update().get(pk=held.pk)
                holds.set()
                done.wait(30)
            connections.close_all()

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(30)
        try:
            assert run_once(NOON) == SlotReport(enqueued=1)
        finally:
            done.set()
            thread.join(30)
        assert run_once(NOON) == SlotReport(enqueued=1)


def test_a_report_of_nothing_is_false() -> None:
    assert not SlotReport()
    assert SlotReport(1, 2) + SlotReport(3, 4, 5, 6) == SlotReport(4, 6, 5, 6)
    assert tick.BATCH == 100
