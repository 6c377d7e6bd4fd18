"""Run now, pause, resume."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from jobs.audit import Actor
from jobs.exceptions import UnknownDefinition
from jobs.models import AuditEntry, Job, JobSchedule, ScheduleSlot
from jobs.scheduling.running import pause, resume, run_now
from jobs.scheduling.tick import SlotReport, run_once
from tests.jobs.scheduling.making import at, make_schedule

NOON = at("2026-03-01 12:00")
ACTOR = Actor.of_code("a test")

pytestmark = pytest.mark.django_db


def test_run_now_enqueues_the_job_beside_the_times_of_the_schedule() -> None:
    schedule = make_schedule(next_run_at=NOON, queue="low", priority=3)
    before = timezone.now() - dt.timedelta(seconds=5)

    job = Job.objects.get(pk=run_now(schedule, ACTOR, "to see it"))

    assert (job.schedule_id, job.queue, job.priority) == (schedule.pk, "low", 3)
    assert job.slot_at is not None
    assert before < job.slot_at < timezone.now() + dt.timedelta(seconds=5)
    assert not ScheduleSlot.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.reason) == ("run schedule", "nightly", "to see it")
    assert entry.after == {"job": str(job.pk)}
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOON


def test_a_paused_schedule_can_be_run_too() -> None:
    assert run_now(make_schedule(enabled=False), ACTOR)


def test_a_schedule_without_overlap_waits_for_a_job_that_was_run_by_hand() -> None:
    schedule = make_schedule(no_overlap=True, next_run_at=NOON)
    run_now(schedule, ACTOR)
    assert run_once(NOON) == SlotReport(overlapped=1)


def test_one_that_cannot_run_says_why_and_leaves_no_trace() -> None:
    schedule = make_schedule()
    schedule.definition = "tests.jobs.sample_jobs.gone"
    with pytest.raises(UnknownDefinition):
        run_now(schedule, ACTOR)
    assert not Job.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_paused_schedule_does_not_run_and_keeps_its_waiting_jobs() -> None:
    schedule = make_schedule(next_run_at=NOON)
    run_once(NOON)
    assert pause(schedule, ACTOR, "holiday") == 1
    assert not run_once(NOON + dt.timedelta(hours=1))
    assert Job.objects.count() == 1
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.count) == ("pause schedules", "nightly", 1)


def test_pausing_twice_changes_and_tells_nothing_more() -> None:
    schedule = make_schedule()
    pause(schedule, ACTOR)
    assert pause(schedule, ACTOR) == 0
    assert AuditEntry.objects.count() == 1


def test_a_resumed_schedule_runs_from_now_on_and_makes_up_for_nothing() -> None:
    schedule = make_schedule(missed="all", next_run_at=NOON)
    pause(schedule, ACTOR)
    JobSchedule.objects.update(last_error="an old one")

    assert resume(schedule, ACTOR, "back") == 1
    assert resume(schedule, ACTOR) == 0

    assert not run_once()
    schedule.refresh_from_db()
    assert schedule.next_run_at is not None
    assert schedule.next_run_at > timezone.now() - dt.timedelta(seconds=5)
    assert (schedule.enabled, schedule.last_error) == (True, "")
    assert AuditEntry.objects.filter(action="resume schedules", reason="back").count() == 1


def test_many_are_paused_and_resumed_with_one_entry() -> None:
    for name in ("a", "b", "c"):
        make_schedule(name)
    assert pause(JobSchedule.objects.all(), ACTOR) == 3
    assert resume(JobSchedule.objects.exclude(name="a"), ACTOR) == 2
    counts = AuditEntry.objects.order_by("id").values_list("target", "count")
    assert list(counts) == [("a, b, c", 3), ("b, c", 2)]


def test_one_that_has_no_run_left_is_not_resumed_and_neither_are_the_others() -> None:
    make_schedule("fine", enabled=False)
    make_schedule("over", kind="once", run_at=NOON, enabled=False)
    with pytest.raises(ValidationError, match="over cannot be resumed"):
        resume(JobSchedule.objects.all(), ACTOR)
    assert not JobSchedule.objects.enabled().exists()
    assert not AuditEntry.objects.exists()
