"""The Tasks framework's own signals and context, at no cost where nobody looks at them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from jobs import registry
from jobs.compat import FRAMEWORK, TaskContext, TaskResult, task_finished, task_started
from jobs.exceptions import JobLost
from jobs.ledger.outcome import ClaimedJob, Outcome
from jobs.models.states import FINISHED_STATES, JobState

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

_logger = logging.getLogger(FRAMEWORK)


def started(definition: JobDefinition, claimed: ClaimedJob) -> None:
    """Send `task_started`."""
    if _is_heard(task_started, logging.INFO):
        _send(task_started, definition, running_result(definition, claimed))


def finished(outcome: Outcome) -> None:
    """Send `task_finished`, if the job will not run again."""
    if outcome.state not in FINISHED_STATES:
        return
    error = outcome.error
    if error is None and outcome.state == JobState.FAILED:
        # Its worker died: there is none but this.
        error = JobLost(outcome.message)
    level = logging.INFO if error is None else logging.ERROR
    if not _is_heard(task_finished, level):
        return
    definition = registry.find(outcome.job.definition)
    if definition is None:
        return
    from jobs.results import result_of

    result = result_of(outcome.job.id)
    if error is None:
        _send(task_finished, definition, result)
        return
    try:
        raise error
    except BaseException:
        _send(task_finished, definition, result)


def context_of(definition: JobDefinition, claimed: ClaimedJob) -> TaskContext:
    """The `context` of a task that takes one."""
    return TaskContext(task_result=running_result(definition, claimed))


def running_result(definition: JobDefinition, claimed: ClaimedJob) -> TaskResult[Any]:
    """The result of a job that runs here, without a query at its first attempt."""
    from jobs.results import running_result as build

    return build(definition, claimed)


def _is_heard(signal: Signal, level: int) -> bool:
    """Whether anyone but the framework's own logging listens, or that would be written."""
    return len(signal.receivers) > 1 or _logger.isEnabledFor(level)


def _send(signal: Signal, definition: JobDefinition, result: TaskResult[Any]) -> None:
    # Robust: a receiver must not change how the job ended.
    signal.send_robust(type(definition.get_backend()), task_result=result)
