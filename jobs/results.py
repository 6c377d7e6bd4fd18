"""Jobs as results of the Tasks framework."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from jobs.compat import TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus
from jobs.conf import settings
from jobs.definitions import JobDefinition
from jobs.execution.policy import restore
from jobs.ledger.outcome import ClaimedJob
from jobs.models import Attempt, Job, JobState
from jobs.models.states import AttemptOutcome
from jobs.privacy.masking import masked

STATUSES = {
    JobState.BLOCKED: TaskResultStatus.READY,
    JobState.SCHEDULED: TaskResultStatus.READY,
    JobState.READY: TaskResultStatus.READY,
    JobState.RUNNING: TaskResultStatus.RUNNING,
    JobState.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    JobState.FAILED: TaskResultStatus.FAILED,
    JobState.CANCELLED: TaskResultStatus.FAILED,
}


def result_of(job_id: str | UUID) -> TaskResult[Any]:
    """The result of a job, by its id.

    Raises TaskResultDoesNotExist for an unknown or malformed id, and UnknownDefinition if the
    job's definition is no longer registered.
    """
    try:
        job = Job.objects.using(settings.DATABASE).get(pk=job_id)
    except (Job.DoesNotExist, ValidationError, ValueError):
        raise TaskResultDoesNotExist(job_id) from None
    attempts = list(
        Attempt.objects.using(settings.DATABASE)
        .filter(job=job)
        .exclude(outcome=AttemptOutcome.INTERRUPTED)
        .order_by("fence")
    )
    definition = restore(job.definition, job.options, queue=job.queue, priority=job.priority)
    starts = [attempt.started_at for attempt in attempts]
    workers = [str(attempt.worker_id) for attempt in attempts]
    if job.state == JobState.RUNNING and job.started_at is not None:
        starts.append(job.started_at)
        workers.append(str(job.worker_id))
    return _result(
        definition,
        job.id,
        STATUSES[JobState(job.state)],
        arguments=job.arguments,
        enqueued_at=job.enqueued_at,
        started_at=starts[0] if starts else None,
        last_attempted_at=starts[-1] if starts else None,
        finished_at=job.finished_at,
        errors=[
            TaskError(exception_class_path=item.exception_class, traceback=item.traceback)
            for item in attempts
            if item.exception_class
        ],
        worker_ids=workers,
        value=job.result,
    )


def enqueued_result(
    definition: JobDefinition, job_id: UUID, arguments: dict[str, Any], enqueued_at: Any
) -> TaskResult[Any]:
    """The result of a job that was just enqueued, without a query."""
    return _result(
        definition,
        job_id,
        TaskResultStatus.READY,
        arguments=arguments,
        enqueued_at=enqueued_at,
    )


def running_result(definition: JobDefinition, claimed: ClaimedJob) -> TaskResult[Any]:
    """The result of a job that runs in this process; a query only from its second attempt on."""
    if claimed.attempts > 1 and claimed.stored:
        return result_of(claimed.id)
    restored = restore(
        definition.path, claimed.options, queue=claimed.queue, priority=claimed.priority
    )
    return _result(
        restored,
        claimed.id,
        TaskResultStatus.RUNNING,
        arguments=claimed.arguments,
        enqueued_at=claimed.enqueued_at,
        started_at=claimed.started_at,
        last_attempted_at=claimed.started_at,
        worker_ids=[str(claimed.worker_id)] * claimed.attempts,
    )


def _result(
    definition: JobDefinition,
    job_id: UUID,
    status: TaskResultStatus,
    *,
    arguments: dict[str, Any],
    value: Any = None,
    errors: list[TaskError] | None = None,
    worker_ids: list[str] | None = None,
    **times: Any,
) -> TaskResult[Any]:
    if definition.sensitive:
        arguments = masked(definition, arguments)
    moments = dict.fromkeys(("enqueued_at", "started_at", "finished_at", "last_attempted_at"))
    result: TaskResult[Any] = TaskResult(
        task=definition,
        id=job_id.hex,
        status=status,
        args=arguments.get("args", []),
        kwargs=arguments.get("kwargs", {}),
        backend=definition.backend,
        errors=errors or [],
        worker_ids=worker_ids or [],
        **{**moments, **times},
    )
    # The framework keeps it out of the constructor; frozen, so it is set as the framework does.
    object.__setattr__(result, "_return_value", value)
    return result
