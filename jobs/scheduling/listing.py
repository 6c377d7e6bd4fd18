"""The schedules as a list shows them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from jobs.conf import settings as conf
from jobs.models import Job, JobSchedule

from .binding import rule_of
from .rules import RuleError
from .words import describe


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """One schedule: its rule in words, its next run, and the time and the state of its last job.

    `error` says why its rule cannot be read, or why its latest time could not be enqueued.
    """

    name: str
    definition: str
    words: str
    timezone: str
    enabled: bool
    next_run_at: dt.datetime | None
    last_run_at: dt.datetime | None
    last_job: str | None
    last_state: str | None
    error: str


def with_last_job(schedules: QuerySet[JobSchedule]) -> QuerySet[JobSchedule]:
    """Add `last_job_id`, `last_job_at` and `last_job_state` of the latest run that still has a
    job; one step into an index for each schedule."""
    latest = Job.objects.filter(schedule=OuterRef("pk"), slot_at__isnull=False).order_by("-slot_at")
    return schedules.annotate(
        last_job_id=Subquery(latest.values("pk")[:1]),
        last_job_at=Subquery(latest.values("slot_at")[:1]),
        last_job_state=Subquery(latest.values("state")[:1]),
    )


def listed() -> list[ListedSchedule]:
    """All schedules, sorted by name."""
    schedules = with_last_job(JobSchedule.objects.using(conf.DATABASE)).order_by("name")
    return [_listed(schedule) for schedule in schedules]


def _listed(schedule: JobSchedule) -> ListedSchedule:
    words, error = "", schedule.last_error
    try:
        words = describe(rule_of(schedule), show_zone=False)
    except RuleError as refused:
        error = error or str(refused)
    # The annotations of with_last_job.
    facts = vars(schedule)
    return ListedSchedule(
        name=schedule.name,
        definition=schedule.definition,
        words=words,
        timezone=schedule.timezone,
        enabled=schedule.enabled,
        next_run_at=schedule.next_run_at,
        last_run_at=facts["last_job_at"] or schedule.last_slot_at,
        last_job=str(facts["last_job_id"]) if facts["last_job_id"] else None,
        last_state=facts["last_job_state"],
        error=error,
    )
