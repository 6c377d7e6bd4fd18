"""A schedule that is saved knows when it runs next."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from jobs.models import JobSchedule
from jobs.scheduling.tick import run_once
from tests.jobs.scheduling.making import at, make_schedule

NOON = at("2026-03-01 12:00")
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


def in_database(schedule: JobSchedule) -> JobSchedule:
    return JobSchedule.objects.get(pk=schedule.pk)


def test_a_new_schedule_is_planned_from_the_databases_now() -> None:
    schedule = make_schedule(cron="0 * * * *")
    now = timezone.now()
    assert schedule.next_run_at is not None
    assert now < schedule.next_run_at <= now + HOUR


def test_a_new_interval_runs_first_one_interval_after_its_creation() -> None:
    schedule = make_schedule(kind="interval", every=HOUR)
    stored = in_database(schedule)
    assert stored.next_run_at == stored.created_at.replace(microsecond=0) + HOUR


def test_a_schedule_that_is_not_enabled_has_no_next_run() -> None:
    assert make_schedule(enabled=False).next_run_at is None


def test_another_rule_gets_another_plan() -> None:
    schedule = make_schedule(next_run_at=NOON)
    schedule.cron = "0 0 1 1 *"
    schedule.save()
    stored = in_database(schedule)
    assert stored.next_run_at is not None
    assert (stored.next_run_at.month, stored.next_run_at.day) == (1, 1)
    assert stored.next_run_at > timezone.now()


def test_a_save_that_names_its_fields_plans_too() -> None:
    schedule = make_schedule(next_run_at=NOON)
    schedule.enabled = False
    schedule.save(update_fields=["enabled"])
    assert in_database(schedule).next_run_at is None

    schedule.enabled = True
    schedule.cron = "not written, so it does not count"
    schedule.notes = "and neither does this"
    schedule.save(update_fields=["notes"])
    stored = in_database(schedule)
    assert (stored.notes, stored.enabled) == ("and neither does this", False)
    assert stored.next_run_at is None


def test_another_note_leaves_the_plan_alone_even_if_the_clock_has_moved_on_meanwhile() -> None:
    schedule = make_schedule(next_run_at=NOON)
    run_once(NOON)
    schedule.notes = "written by somebody who has read it before the tick"
    schedule.save()
    stored = in_database(schedule)
    assert stored.next_run_at == NOON + dt.timedelta(minutes=1)
    assert stored.last_slot_at == NOON


def test_a_rule_that_is_not_valid_is_refused_and_nothing_is_saved() -> None:
    schedule = make_schedule(next_run_at=NOON)
    schedule.cron = "61 * * * *"
    with pytest.raises(ValidationError) as caught:
        schedule.save()
    assert "61" in caught.value.message_dict["cron"][0]
    assert in_database(schedule).cron == "* * * * *"
    with pytest.raises(ValidationError):
        make_schedule("new", timezone="Nowhere")
    assert not JobSchedule.objects.filter(name="new").exists()


def test_enabled_again_it_runs_from_now_on() -> None:
    schedule = make_schedule(enabled=False, cron="0 * * * *")
    schedule.enabled = True
    schedule.save()
    stored = in_database(schedule)
    assert stored.next_run_at is not None
    assert stored.next_run_at > timezone.now()
