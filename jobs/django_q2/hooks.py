"""Hooks: the function that an old call names to be told of its end, as a job of its own."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django_q.models import Task

from jobs import dispatch
from jobs.conf import settings
from jobs.definitions import job
from jobs.django_q2 import functions
from jobs.django_q2.calls import OldCall, id_tag
from jobs.django_q2.rows import error_text
from jobs.exceptions import JobsError
from jobs.execution.context import current_job
from jobs.models import Job


class TaskIsGone(JobsError):
    """Neither django-q2's row nor the job of the task exists any more."""


def enqueue(call: OldCall, job_id: UUID, queue: str) -> UUID | None:
    """Enqueue the hook of a call that ended in this job, if it has one; once for each job.

    Call it in the transaction that writes the result. Returns the id of the hook's job.
    """
    if not call.options.hook:
        return None
    hook_id = _id_after(job_id)
    if Job.objects.using(settings.DATABASE).filter(pk=hook_id).exists():
        return None
    definition = run_hook.using(queue_name=queue, tags=(id_tag(call.options.id),))
    new = dispatch.new_job(
        definition,
        (),
        {"hook": call.options.hook, "task_id": call.options.id, "job_id": str(job_id)},
    )
    new.id = hook_id
    dispatch.insert([new])
    return hook_id


@job(internal=True, max_attempts=None, max_exceptions=1)
def run_hook(hook: str, task_id: str, job_id: str) -> None:
    """Call a hook with django-q2's `Task` of the call that ended.

    A hook that raises fails this job, and nothing else. Where the task keeps no row the `Task` is
    made from the ledger and is not saved.
    """
    functions.load(hook)(_task(task_id, UUID(job_id)))


def _task(task_id: str, job_id: UUID) -> Task:
    saved = Task.objects.filter(pk=task_id).first()
    if saved is not None:
        return saved
    ended = Job.objects.using(settings.DATABASE).filter(pk=job_id).first()
    if ended is None:
        raise TaskIsGone(f"Task {task_id} and its job {job_id} no longer exist")
    if not ended.is_finished and (current := current_job()) is not None:
        # Its result is written a moment after the hook was enqueued.
        current.release(1)
    call = OldCall.stored(**ended.arguments["kwargs"])
    options = call.options
    failure = getattr(ended, "failure", None)
    return Task(
        id=options.id,
        name=options.name,
        func=call.func,
        hook=options.hook,
        args=tuple(call.args),
        kwargs=call.kwargs,
        group=options.group,
        cluster=options.cluster,
        started=ended.started_at,
        stopped=ended.finished_at,
        result=ended.result if failure is None else error_text(failure),
        success=failure is None,
        attempt_count=ended.attempts,
    )


def _id_after(job_id: UUID) -> UUID:
    """An id that only this job's hook can have, and which sorts beside it by time (RFC 9562: the
    first 64 bits of a version 7 hold the time, the others are free but for the variant)."""
    free = int.from_bytes(hashlib.blake2b(job_id.bytes + b"hook", digest_size=8).digest())
    return UUID(int=job_id.int >> 64 << 64 | 2 << 62 | free & (1 << 62) - 1)
