"""The locks of unique jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connections
from django.db.models import Exists, OuterRef, Q, QuerySet

from jobs.conf import settings as conf
from jobs.exceptions import DuplicateJob
from jobs.ledger import ledger
from jobs.models import UNFINISHED_STATES, WAITING_STATES, Job, JobState, UniqueLock
from jobs.models.job import JobQuerySet

if TYPE_CHECKING:
    from jobs.dispatch import NewJob


def settle(jobs: Sequence[NewJob]) -> dict[UUID, UUID]:
    """Take the locks of these new jobs; return the jobs to which some of them give way, by id.

    In a transaction in which the others are inserted. Raises DuplicateJob where a definition says
    so; then nothing is to be enqueued.
    """
    instead: dict[UUID, UUID] = {}
    taken: dict[str, NewJob] = {}
    for job in sorted(jobs, key=lambda job: (job.unique.key if job.unique else "", job.id)):
        assert job.unique is not None
        if first := taken.get(job.unique.key):
            instead[job.id] = _give_way_to_new(job, first)
        elif (holder := _take(job)) is not None:
            instead[job.id] = holder
        else:
            taken[job.unique.key] = job
    return instead


def _take(job: NewJob) -> UUID | None:
    """Take the lock; None, or the job that has it and stays as it is or was changed."""
    unique = job.unique
    assert unique is not None
    now = ledger().now()
    lock = UniqueLock(
        key=unique.key,
        label=unique.shown[:300],
        job_id=job.id,
        taken_at=now,
        expires_at=now + unique.period if unique.period is not None else None,
        until_start=unique.until_start,
    )
    rows = UniqueLock.objects.using(conf.DATABASE)
    _wait_for_writers()
    while True:
        # Who is second waits here for the first one's commit, and reads what that has done.
        rows.bulk_create([lock], ignore_conflicts=True)
        found = rows.select_for_update().filter(pk=lock.pk).first()
        if found is None:
            # It was removed between the two statements.
            continue
        if found.job_id == job.id:
            return None
        holder = _active(found, now)
        if holder is None:
            rows.filter(pk=lock.pk).update(
                job_id=job.id,
                taken_at=lock.taken_at,
                expires_at=lock.expires_at,
                until_start=lock.until_start,
            )
            return None
        return _give_way(job, holder, now)


def _active(lock: UniqueLock, now: dt.datetime) -> UUID | None:
    """The job for which the lock still counts; None if it is free."""
    states = WAITING_STATES if lock.until_start else UNFINISHED_STATES
    rows = Job.objects.using(conf.DATABASE).filter(pk=lock.job_id)
    if lock.expires_at is not None and lock.expires_at > now:
        return lock.job_id
    return lock.job_id if rows.in_state(*states).exists() else None


def _give_way(job: NewJob, holder: UUID, now: dt.datetime) -> UUID:
    unique = job.unique
    assert unique is not None
    if unique.on_conflict == "raise":
        raise DuplicateJob(job.definition, unique.shown, holder)
    rows = Job.objects.using(conf.DATABASE).filter(pk=holder)
    waiting = rows.in_state(JobState.SCHEDULED, JobState.READY)
    if unique.wait is not None:
        _put_off(waiting, job, now)
    elif unique.on_conflict == "replace":
        waiting.update(arguments=job.arguments)
    elif unique.on_conflict == "reschedule":
        due = job.due_at or (now + job.delay if job.delay else now)
        state = JobState.SCHEDULED if due > now else JobState.READY
        waiting.filter(attempts=0).update(due_at=due, state=state)
    return holder


def _give_way_to_new(job: NewJob, first: NewJob) -> UUID:
    """The same where the other is about to be inserted with this one."""
    assert job.unique is not None
    if job.unique.on_conflict == "raise":
        raise DuplicateJob(job.definition, job.unique.shown, first.id)
    if job.unique.on_conflict == "replace":
        first.arguments = job.arguments
    elif job.unique.on_conflict == "reschedule":
        first.due_at, first.delay = job.due_at, job.delay
    return first.id


def _put_off(waiting: JobQuerySet, job: NewJob, now: dt.datetime) -> None:
    """The last call wins, and the job waits on, but not for ever."""
    unique = job.unique
    assert unique is not None
    assert unique.wait is not None
    for row in waiting.filter(attempts=0).only("enqueued_at"):
        due = now + unique.wait
        if unique.longest is not None:
            due = min(due, row.enqueued_at + unique.longest)
        state = JobState.SCHEDULED if due > now else JobState.READY
        waiting.filter(attempts=0).update(arguments=job.arguments, due_at=due, state=state)


def _wait_for_writers() -> None:
    """Take SQLite's write lock before the first read: what is read then is the newest."""
    if connections[conf.DATABASE].vendor == "sqlite":
        UniqueLock.objects.using(conf.DATABASE).filter(pk="").update(label="")


def free_locks(now: dt.datetime) -> QuerySet[UniqueLock]:
    """Locks that nothing keeps any more, for retention: the oldest first."""
    jobs = Job.objects.using(conf.DATABASE).filter(pk=OuterRef("job_id"))
    active = Exists(jobs.in_state(*UNFINISHED_STATES))
    rows = UniqueLock.objects.using(conf.DATABASE).filter(taken_at__lt=now - dt.timedelta(hours=1))
    rows = rows.filter(Q(expires_at__isnull=True) | Q(expires_at__lt=now))
    return rows.filter(~active).order_by("taken_at")
