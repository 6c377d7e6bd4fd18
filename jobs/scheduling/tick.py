"""The tick: enqueue what the schedules have due, each of their times once."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs import dispatch
from jobs.conf import settings as conf
from jobs.exceptions import JobsError
from jobs.models import Job, JobSchedule, ScheduleSlot, SlotOutcome
from jobs.models.schedule import JobScheduleQuerySet

from .decisions import Decision, decide, put_off
from .rules import RuleError

BATCH = 100
WRITTEN = ("enabled", "next_run_at", "last_slot_at", "last_error", "retry_at")

logger = logging.getLogger("jobs.scheduling")


@dataclass(frozen=True, slots=True)
class SlotReport:
    """What a tick did: times enqueued, missed ones skipped, ones skipped because the previous run
    had not ended, and schedules in error."""

    enqueued: int = 0
    missed: int = 0
    overlapped: int = 0
    broken: int = 0

    def __add__(self, other: SlotReport) -> SlotReport:
        return SlotReport(
            *(getattr(self, item.name) + getattr(other, item.name) for item in fields(self))
        )

    def __bool__(self) -> bool:
        return self != SlotReport()


def run_once(now: dt.datetime | None = None) -> SlotReport:
    """Enqueue the jobs of all times that are due at `now`, by default the database's clock.

    Safe to call from any number of processes at once: each (schedule, time) is enqueued by one of
    them, in the transaction that records it. A schedule that another process is working on is left
    to it. A schedule that cannot be enqueued keeps its time, shows the error in `last_error` and is
    tried again after 10 s, then at doubling intervals up to 10 min; it does not touch the others.
    With nothing due this is one indexed query.

    Raises OperationalError or InterfaceError if the database cannot be used; what was enqueued
    until then stays so.
    """
    found = list(_due(now).order_by("next_run_at").values_list("pk", Now()))
    report = SlotReport()
    for start in range(0, len(found), BATCH):
        keys = [key for key, _ in found[start : start + BATCH]]
        report += _run(keys, now or found[0][1])
    return report


def next_due() -> dt.datetime | None:
    """When the next time of an enabled schedule is due, those in error left out; None for never."""
    waiting = _schedules().enabled().filter(next_run_at__isnull=False, retry_at__isnull=True)
    return waiting.order_by("next_run_at").values_list("next_run_at", flat=True).first()


def _schedules() -> JobScheduleQuerySet:
    return JobSchedule.objects.using(conf.DATABASE)


def _due(now: dt.datetime | None) -> JobScheduleQuerySet:
    """Those with a time that is due, and those that were never planned."""
    moment = now or Now()
    return (
        _schedules()
        .enabled()
        .filter(
            Q(next_run_at__lte=moment) | Q(next_run_at__isnull=True),
            Q(retry_at__lte=moment) | Q(retry_at__isnull=True),
        )
    )


def _run(keys: Sequence[int], now: dt.datetime) -> SlotReport:
    """Run these schedules in one transaction; if the database refuses it, each in its own."""
    try:
        with transaction.atomic(using=conf.DATABASE):
            return _decide_and_write(keys, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(keys) == 1:
            return _put_off(keys[0], now, error)
        logger.warning("%d schedules are tried one by one: %s", len(keys), error)
    report = SlotReport()
    for key in keys:
        report += _run([key], now)
    return report


def _decide_and_write(keys: Sequence[int], now: dt.datetime) -> SlotReport:
    schedules = _locked(keys, now)
    busy = _busy([schedule.pk for schedule in schedules if schedule.no_overlap])
    decisions: list[Decision] = []
    broken: list[JobSchedule] = []
    for schedule in schedules:
        try:
            decisions.append(decide(schedule, now, busy=schedule.pk in busy))
        except Exception as error:
            _note(schedule, now, error)
            broken.append(schedule)
    written = [*(decision.schedule for decision in decisions), *broken]
    enqueued = _write(decisions)
    _store(written)
    return SlotReport(
        enqueued=enqueued,
        missed=sum(decision.missed for decision in decisions),
        overlapped=sum(
            slot.outcome == SlotOutcome.OVERLAP for decision in decisions for slot in decision.slots
        ),
        broken=len(broken),
    )


def _locked(keys: Sequence[int], now: dt.datetime) -> list[JobSchedule]:
    """Those of the schedules that are still due, held until the transaction ends."""
    rows = _due(now).filter(pk__in=keys)
    if connections[conf.DATABASE].features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    else:
        # A write comes first, so that a second process waits here and then reads what this one did.
        _schedules().filter(pk__in=keys).update(next_run_at=F("next_run_at"))
    return list(rows.order_by("next_run_at", "pk"))


def _busy(keys: Sequence[int]) -> set[int]:
    if not keys:
        return set()
    jobs = Job.objects.using(conf.DATABASE).unfinished().filter(schedule_id__in=keys)
    return set(jobs.values_list("schedule_id", flat=True).distinct())


def _write(decisions: Sequence[Decision]) -> int:
    """Record the times and enqueue the jobs of those that nobody has recorded before."""
    slots = [slot for decision in decisions for slot in decision.slots]
    jobs = {job.id: job for decision in decisions for job in decision.jobs}
    if slots:
        table = ScheduleSlot.objects.using(conf.DATABASE)
        table.bulk_create(slots, ignore_conflicts=True, batch_size=1000)
    if not jobs:
        return 0
    won = _won(slots, set(jobs))
    chosen = [jobs[key] for key in jobs if key in won]
    enqueued = 0
    for job, job_id in zip(chosen, dispatch.insert(chosen), strict=True):
        if job.id == job_id:
            enqueued += 1
        else:
            # A unique job that is there already is what this time stands for.
            ScheduleSlot.objects.using(conf.DATABASE).filter(job_id=job.id).update(job_id=job_id)
    return enqueued


def _won(slots: Sequence[ScheduleSlot], ids: set[UUID]) -> set[UUID]:
    """Which jobs their times were recorded with: all, unless somebody else has been faster."""
    recorded = ScheduleSlot.objects.using(conf.DATABASE).filter(
        schedule_id__in={slot.schedule_id for slot in slots},
        slot_at__in={slot.slot_at for slot in slots},
        job_id__isnull=False,
    )
    return ids.intersection(recorded.values_list("job_id", flat=True))


def _put_off(key: int, now: dt.datetime, error: Exception) -> SlotReport:
    with transaction.atomic(using=conf.DATABASE):
        schedules = _locked([key], now)
        for schedule in schedules:
            _note(schedule, now, error)
        _store(schedules)
    return SlotReport(broken=len(schedules))


def _store(schedules: Iterable[JobSchedule]) -> None:
    """Write what a tick changes: one statement for all that are in the same state afterwards, as
    those with one rule are."""
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for schedule in schedules:
        alike[tuple(getattr(schedule, field) for field in WRITTEN)].append(schedule.pk)
    for values, keys in alike.items():
        state = dict(zip(WRITTEN, values, strict=True))
        _schedules().filter(pk__in=keys).update(**state)


def _note(schedule: JobSchedule, now: dt.datetime, error: Exception) -> None:
    put_off(schedule, now, error)
    expected = isinstance(error, JobsError | RuleError)
    logger.error(
        "schedule %s is in error and is tried again at %s: %s",
        schedule.name,
        schedule.retry_at,
        schedule.last_error,
        exc_info=None if expected else error,
    )
