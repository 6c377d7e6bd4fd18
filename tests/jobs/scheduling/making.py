"""Schedules for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jobs.models import JobSchedule, ScheduleSlot, SlotOutcome

ADD = "tests.jobs.sample_jobs.add"


def at(text: str) -> dt.datetime:
    """A moment in UTC: `at("2026-03-01 12:00")`."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def make_schedule(name: str = "nightly", **fields: Any) -> JobSchedule:
    """A saved schedule of `add(1, 2)`, by default at every full minute.

    `next_run_at`, if given, is stored as it is: the schedule is due from then on.
    """
    next_run_at = fields.pop("next_run_at", None)
    values = {
        "definition": ADD,
        "arguments": {"args": [1, 2], "kwargs": {}},
        "cron": "" if fields.get("kind", "cron") != "cron" else "* * * * *",
        **fields,
    }
    schedule = JobSchedule.objects.create(name=name, **values)
    if next_run_at is not None:
        JobSchedule.objects.filter(pk=schedule.pk).update(next_run_at=next_run_at)
        schedule.refresh_from_db()
    return schedule


def slots_of(schedule: JobSchedule, outcome: str = SlotOutcome.ENQUEUED) -> list[dt.datetime]:
    """The recorded times with this outcome, in order."""
    slots = ScheduleSlot.objects.filter(schedule=schedule, outcome=outcome)
    return list(slots.order_by("slot_at").values_list("slot_at", flat=True))
