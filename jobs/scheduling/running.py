"""What an operator does to a schedule: run it now, pause it, resume it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from jobs import audit, dispatch
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.models import JobSchedule
from jobs.models.schedule import JobScheduleQuerySet

from .binding import job_of
from .planning import plan
from .rules import RuleError


def run_now(schedule: JobSchedule, actor: Actor, reason: str = "") -> UUID:
    """Enqueue the schedule's job now, beside its times, and return its id.

    Also while the schedule is paused, and without regard to no-overlap; the next time of a
    schedule without overlap does wait for this job. Its `slot_at` is now.

    Raises UnknownDefinition, InvalidArguments or InvalidOption, having enqueued nothing.
    """
    with transaction.atomic(using=conf.DATABASE):
        job = job_of(schedule, slot_at=ledger().now())
        (job_id,) = dispatch.insert([job])
        audit.record(
            actor, "run schedule", schedule.name, after={"job": str(job_id)}, reason=reason
        )
    return job_id


def pause(schedules: JobSchedule | Iterable[JobSchedule], actor: Actor, reason: str = "") -> int:
    """Stop schedules from running until they are resumed; return how many were running.

    Their waiting jobs are not touched. One audit entry, unless nothing changed.
    """
    with transaction.atomic(using=conf.DATABASE):
        rows = _rows(schedules).enabled().select_for_update()
        names = sorted(rows.values_list("name", flat=True))
        _rows(schedules).filter(name__in=names).update(
            enabled=False, next_run_at=None, retry_at=None
        )
        _record(actor, "pause schedules", names, reason)
    return len(names)


def resume(schedules: JobSchedule | Iterable[JobSchedule], actor: Actor, reason: str = "") -> int:
    """Let paused schedules run again from now on; return how many were paused.

    Times that passed meanwhile are not missed runs: nobody has waited for them. All or none:
    raises ValidationError, naming the schedule, for one that has no run left or whose rule is not
    valid. One audit entry, unless nothing changed.
    """
    with transaction.atomic(using=conf.DATABASE):
        paused = list(_rows(schedules).filter(enabled=False).select_for_update())
        now = ledger().now()
        for schedule in paused:
            schedule.enabled = True
            try:
                plan(schedule, now)
            except RuleError as error:
                raise ValidationError(f"{schedule.name} cannot be resumed: {error}") from error
        _schedules().bulk_update(paused, ("enabled", "next_run_at", "retry_at", "last_error"))
        _record(actor, "resume schedules", sorted(item.name for item in paused), reason)
    return len(paused)


def _rows(schedules: JobSchedule | Iterable[JobSchedule]) -> JobScheduleQuerySet:
    given = [schedules] if isinstance(schedules, JobSchedule) else schedules
    return _schedules().filter(pk__in=[schedule.pk for schedule in given])


def _schedules() -> JobScheduleQuerySet:
    return JobSchedule.objects.using(conf.DATABASE)


def _record(actor: Actor, action: str, names: list[str], reason: str) -> None:
    if names:
        audit.record(actor, action, ", ".join(names), len(names), reason=reason)
