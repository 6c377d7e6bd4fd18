"""What becomes of a job after an attempt that did not succeed: one decision, no side effects."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.exceptions import JobFailedForGood, JobTimeout
from jobs.execution.backoff import wait_before_retry
from jobs.models.states import FailureReason, JobState

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.execution.policy import Policy
    from jobs.ledger.outcome import ClaimedJob


@dataclass(frozen=True, slots=True)
class Decision:
    """`delay` in seconds where the job runs again; `reason` where it failed for good."""

    state: JobState
    delay: float = 0.0
    reason: FailureReason | None = None


DISCARD = Decision(JobState.CANCELLED)


def again(delay: float) -> Decision:
    """Run again after so many seconds."""
    return Decision(JobState.SCHEDULED if delay > 0 else JobState.READY, delay)


def failed(reason: FailureReason) -> Decision:
    return Decision(JobState.FAILED, reason=reason)


def after_exception(
    job: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    error: BaseException,
    now: dt.datetime,
) -> Decision:
    """Decide after an attempt that raised `error`.

    `max_attempts`, `max_exceptions` and `retry_until` all bound the job; whichever ends first
    wins. Raises what `should_retry` or `backoff` of the definition raise.
    """
    reason = FailureReason.TIMED_OUT if isinstance(error, JobTimeout) else FailureReason.EXCEPTION
    if isinstance(error, JobFailedForGood):
        return failed(FailureReason.EXCEPTION)
    if definition is not None:
        if definition.discard_on and isinstance(error, definition.discard_on):
            return DISCARD
        if definition.retry_on and not isinstance(error, definition.retry_on):
            return failed(reason)
    if isinstance(error, JobTimeout) and policy.fail_on_timeout:
        return failed(reason)
    if policy.delivery == "at_most_once" or not _attempts_left(job, policy, exceptions=1):
        return failed(reason)
    if (
        definition is not None
        and definition.should_retry is not None
        and not definition.should_retry(error)
    ):
        return failed(reason)
    delay = wait_before_retry(policy.backoff, job.attempts, error)
    if _expires(job, now, delay):
        return failed(FailureReason.EXPIRED)
    return again(delay)


def after_release(job: ClaimedJob, policy: Policy, seconds: float, now: dt.datetime) -> Decision:
    """Decide after a release: it spends an attempt, but is no exception."""
    if not _attempts_left(job, policy, exceptions=0):
        return failed(FailureReason.EXCEPTION)
    if _expires(job, now, seconds):
        return failed(FailureReason.EXPIRED)
    return again(seconds)


def after_crash(job: ClaimedJob, policy: Policy, now: dt.datetime) -> Decision:
    """Decide after the death of the worker, other than by a hard timeout, which is an exception.

    A crash is not the job's exception: with `on_crash="retry"` the job runs again even after its
    last attempt, until it has taken `max_crashes` workers with it.
    """
    if not policy.may_repeat:
        return failed(FailureReason.LOST)
    if job.crashes + 1 >= policy.max_crashes:
        return failed(FailureReason.QUARANTINED)
    return failed(FailureReason.EXPIRED) if _expires(job, now, 0) else again(0)


def _attempts_left(job: ClaimedJob, policy: Policy, *, exceptions: int) -> bool:
    if policy.max_attempts is not None and job.attempts - job.crashes >= policy.max_attempts:
        return False
    return policy.max_exceptions is None or job.exceptions + exceptions < policy.max_exceptions


def _expires(job: ClaimedJob, now: dt.datetime, delay: float) -> bool:
    return job.retry_until is not None and now + dt.timedelta(seconds=delay) > job.retry_until
