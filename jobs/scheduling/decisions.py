"""What one schedule has to do at a moment, worked out before any of it is written."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field

from jobs.dispatch import NewJob
from jobs.models import JobSchedule, ScheduleSlot, SlotOutcome

from .binding import job_of, rule_of
from .missed import MissedPolicy, due_slots
from .planning import plan

TICK = dt.timedelta(microseconds=1)
SHORTEST_BACKOFF = dt.timedelta(seconds=10)
LONGEST_BACKOFF = dt.timedelta(minutes=10)


@dataclass(slots=True)
class Decision:
    """The times that a schedule is done with, and the jobs for those that run.

    `schedule` is as it will be stored. `missed` counts all times that are skipped because they
    are too late; `slots` has rows for the latest of them only.
    """

    schedule: JobSchedule
    slots: list[ScheduleSlot] = field(default_factory=list)
    jobs: list[NewJob] = field(default_factory=list)
    missed: int = 0


def decide(schedule: JobSchedule, now: dt.datetime, *, busy: bool) -> Decision:
    """What the schedule has to do at `now`; `busy` says that a job of it has not ended.

    Of several runs that are due at once a schedule without overlap enqueues the latest. A
    schedule whose last run this is gets disabled. Raises RuleError or JobsError for a schedule
    that cannot run.
    """
    decision = Decision(schedule)
    if schedule.next_run_at is None:
        plan(schedule, now)
        return decision
    due = due_slots(
        rule_of(schedule),
        last=schedule.next_run_at - TICK,
        now=now,
        policy=MissedPolicy(schedule.missed),
        grace=schedule.grace,
        limit=schedule.missed_limit,
    )
    runs = [slot.at for slot in due.run]
    overlapping: list[dt.datetime] = []
    if schedule.no_overlap:
        overlapping, runs = (runs, []) if busy else (runs[:-1], runs[-1:])
    decision.slots = [
        *(_slot(schedule, slot.at, SlotOutcome.MISSED) for slot in due.skipped),
        *(_slot(schedule, slot_at, SlotOutcome.OVERLAP) for slot_at in overlapping),
    ]
    for slot_at in runs:
        due_at = slot_at + jitter_of(schedule, slot_at)
        # A job that is due already carries no time, so that it needs no promotion.
        job = job_of(schedule, slot_at, due_at if due_at > now else None)
        decision.jobs.append(job)
        decision.slots.append(_slot(schedule, slot_at, SlotOutcome.ENQUEUED, job))
    decision.missed = due.skipped_count
    schedule.next_run_at = due.next.at if due.next else None
    schedule.enabled = due.next is not None
    schedule.last_slot_at = max(
        [slot.slot_at for slot in decision.slots], default=schedule.last_slot_at
    )
    schedule.last_error = ""
    schedule.retry_at = None
    return decision


def put_off(schedule: JobSchedule, now: dt.datetime, error: Exception) -> None:
    """Keep the schedule's time, note the error, and wait as long again as it has been late:
    between 10 s and 10 min."""
    late = now - schedule.next_run_at if schedule.next_run_at else dt.timedelta(0)
    schedule.retry_at = now + min(max(late, SHORTEST_BACKOFF), LONGEST_BACKOFF)
    schedule.last_error = f"{type(error).__name__}: {error}"


def jitter_of(schedule: JobSchedule, slot_at: dt.datetime) -> dt.timedelta:
    """The random delay of one run, from 0 up to the schedule's `jitter`: always the same for the
    same run, so that it does not matter which process works it out."""
    seed = f"{schedule.pk} {slot_at.astimezone(dt.UTC).isoformat()}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) / 2**64
    return schedule.jitter * share


def _slot(
    schedule: JobSchedule, slot_at: dt.datetime, outcome: SlotOutcome, job: NewJob | None = None
) -> ScheduleSlot:
    return ScheduleSlot(
        schedule=schedule, slot_at=slot_at, outcome=outcome, job_id=job.id if job else None
    )
