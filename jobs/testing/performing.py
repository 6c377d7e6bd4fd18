"""Performing a job: one attempt in this process, without the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async

from jobs import dispatch, registry
from jobs.compat import Task
from jobs.definitions import JobDefinition
from jobs.dispatch import NewJob
from jobs.exceptions import InvalidOption
from jobs.ledger.outcome import ClaimedJob
from jobs.testing.clock import present
from jobs.testing.performed import Performed
from jobs.testing.watching import refuse_event_loop, watch
from jobs.transports.sync import WORKER_ID


def perform(
    definition: Task,
    /,
    *args: Any,
    attempt: int = 1,
    after: Performed | None = None,
    **kwargs: Any,
) -> Performed:
    """Make one attempt of a job in this process, and return how it ended.

    Everything is as on a worker: arguments are checked, go through JSON and are fetched anew, the
    policy with what `.using()` changes decides, timeouts hold in the main thread, coroutines are
    awaited. Only the ledger knows nothing of it: nothing is retried, no failed job is kept, and
    `on_failure` is not called. An exception of the job is in the result's `error`.

    `attempt` is the number of this attempt, as if all before had raised; `after` is an earlier one,
    whose `jobs.steps()` this one need not do again. A parameter of the job that has one of these
    names can be given by position.

    Raises InvalidArguments and InvalidOption, as `enqueue()` does.
    """
    refuse_event_loop("perform")
    if isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise InvalidOption("attempt", attempt, "must be a whole number of at least 1")
    job = dispatch.new_job(_job_definition(definition), args, kwargs)
    earlier_steps: Callable[[], list[dict[str, Any]]] = (
        list if after is None else partial(list, after.steps)
    )
    outcome, watched = watch(_as_claimed(job, attempt), earlier_steps=earlier_steps)
    if isinstance(outcome.error, KeyboardInterrupt):
        raise outcome.error
    return Performed(outcome, watched)


async def aperform(
    definition: Task,
    /,
    *args: Any,
    attempt: int = 1,
    after: Performed | None = None,
    **kwargs: Any,
) -> Performed:
    """`perform` for a test that is a coroutine itself."""
    return await sync_to_async(perform)(definition, *args, attempt=attempt, after=after, **kwargs)


def _job_definition(task: Task) -> JobDefinition:
    if isinstance(task, JobDefinition):
        return task
    if not isinstance(task, Task):  # type: ignore[misc]
        raise InvalidOption("definition", task, "must be made by @job or @task")
    return registry.adopt(task).using(priority=task.priority, queue_name=task.queue_name)


def _as_claimed(job: NewJob, attempt: int) -> ClaimedJob:
    """The job as if a worker had claimed it from the ledger."""
    now = present()
    return ClaimedJob(
        id=job.id,
        definition=job.definition,
        queue=job.queue,
        arguments=job.arguments,
        options=job.options,
        attempts=attempt,
        exceptions=attempt - 1,
        crashes=0,
        fence=attempt,
        priority=job.priority,
        worker_id=WORKER_ID,
        enqueued_at=now,
        started_at=now,
        retry_until=job.retry_until,
        chain=None,
        schedule_id=None,
        slot_at=None,
        cancel_requested=False,
        stored=False,
    )
