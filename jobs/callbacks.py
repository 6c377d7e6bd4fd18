"""The job that calls `on_failure`: durable as any job, inserted with the failure itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from jobs.definitions import job
from jobs.exceptions import JobLost
from jobs.execution.context import CurrentJob, as_current
from jobs.execution.policy import Policy
from jobs.ledger.outcome import ClaimedJob

if TYPE_CHECKING:
    from jobs.models import FailedJob


@job(internal=True)
def call_on_failure(job_id: str) -> None:
    """Call `on_failure` of a failed job's definition with its exception.

    Inserted once, in the transaction that failed the job. If the callback raises, this job fails
    and can be retried as any other.
    """
    from jobs import registry
    from jobs.models import FailedJob

    failure = FailedJob.everything.select_related("job").filter(job_id=job_id).first()
    if failure is None:
        raise JobLost(f"The failed job {job_id} was removed before its on_failure was called")
    definition = registry.get(failure.definition)
    if definition.on_failure is not None:
        with as_current(_failed_job(failure)):
            definition.on_failure(exception_of(failure))


def exception_of(failure: FailedJob) -> BaseException:
    """The exception of a failed job, made anew from its class and message.

    Where the class cannot be imported, or does not take a message alone, it is a JobLost that says
    both.
    """
    try:
        kind: Any = import_string(failure.exception_class)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            error = kind.__new__(kind, failure.message)
            error.args = (failure.message,)
            return error
    except (ImportError, TypeError):
        pass
    return JobLost(f"{failure.exception_class}: {failure.message}")


def _failed_job(failure: FailedJob) -> CurrentJob:
    """The failed job as the current one, so that its callback can read its arguments."""
    claimed = ClaimedJob(
        id=failure.job_id,
        definition=failure.definition,
        queue=failure.queue,
        arguments=failure.arguments,
        options=failure.options,
        attempts=failure.attempts,
        exceptions=failure.attempts,
        crashes=0,
        fence=0,
        priority=failure.priority,
        worker_id=failure.worker_id or 0,
        enqueued_at=failure.enqueued_at,
        started_at=failure.failed_at,
        retry_until=None,
        chain=None,
        schedule_id=None,
        slot_at=None,
        cancel_requested=False,
    )
    return CurrentJob(claimed, Policy.of(None, failure.options, None))
