"""Running one claimed job: from its row to the outcome of the attempt."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync

from jobs import arguments, events, registry
from jobs.conf import Pool
from jobs.exceptions import (
    InvalidArguments,
    JobFailedForGood,
    JobReleased,
    JobTimeout,
    MissingObject,
    RetriesExpired,
    UnknownDefinition,
)
from jobs.execution import framework_events, retrying
from jobs.execution.context import CurrentJob, as_current
from jobs.execution.description import describe
from jobs.execution.policy import Policy
from jobs.execution.timeouts import TimeLimit, time_limit
from jobs.failures.fingerprint import fingerprint
from jobs.ledger.moments import moment
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models.states import AttemptOutcome, FailureReason, JobState

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition


def run(
    claimed: ClaimedJob,
    *,
    pool: Pool | None,
    policy: Policy | None = None,
    limit: TimeLimit = time_limit,
    should_stop: Callable[[], bool] | None = None,
    interruptible: bool = False,
) -> Outcome:
    """Run a job in this process and return how it ended; write nothing.

    `policy` is that of the job in this pool, if the caller has it already; `limit` is how the soft
    timeout is kept.

    Whatever the job raises, SystemExit included, becomes an outcome. Where a person may press
    Ctrl-C (`interruptible`), KeyboardInterrupt interrupts the attempt at no cost, and is in the
    outcome's `error` for the caller to raise.
    """
    started = claimed.now()
    if claimed.cancel_requested:
        return _cancelled(claimed, started)
    definition = registry.find(claimed.definition)
    policy = policy or Policy.of(definition, claimed.options, pool)
    job = CurrentJob(claimed, policy, should_stop)
    with as_current(job):
        outcome = _attempt(claimed, policy, definition, job, started, limit)
    if interruptible and isinstance(outcome.error, KeyboardInterrupt) and policy.may_repeat:
        outcome = Outcome(
            job=claimed,
            outcome=AttemptOutcome.INTERRUPTED,
            state=JobState.READY,
            started=started,
            finished=outcome.finished,
            refund=True,
            error=outcome.error,
        )
    outcome.logs = job.lines
    return outcome


def _attempt(
    claimed: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    job: CurrentJob,
    started: int,
    limit: TimeLimit,
) -> Outcome:
    try:
        if definition is None:
            raise UnknownDefinition(claimed.definition)
        _refuse_late_start(claimed, started)
        events.emit(
            events.job_started,
            claimed.definition,
            job_id=claimed.id,
            queue=claimed.queue,
            attempt=claimed.attempts,
            worker_id=claimed.worker_id,
        )
        framework_events.started(definition, claimed)
        args, kwargs = arguments.decode(claimed.arguments)
        value = _call(definition, claimed, policy, limit, args, kwargs)
        result = arguments.encode_result(value)
        job.flush()
        return Outcome(
            job=claimed,
            outcome=AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            result=result,
            started=started,
            finished=claimed.now(),
        )
    except JobReleased as release:
        if job.worker_stops() and policy.may_repeat:
            return _interrupted(claimed, release, started)
        return _released(claimed, policy, definition, release, started)
    except BaseException as error:
        return _raised(claimed, policy, definition, error, started)


def _refuse_late_start(claimed: ClaimedJob, now: int) -> None:
    if claimed.retry_until is not None and moment(now) > claimed.retry_until:
        raise RetriesExpired(f"retry_until was {claimed.retry_until.isoformat()}")


def _call(
    definition: JobDefinition,
    claimed: ClaimedJob,
    policy: Policy,
    limit: TimeLimit,
    args: list[Any],
    kwargs: dict[str, Any],
) -> Any:
    given = args
    if definition.takes_context:
        args = [framework_events.context_of(definition, claimed), *args]
    try:
        if _is_coroutine(definition.func):
            return async_to_sync(_awaited)(definition.func, policy.timeout, args, kwargs)
        with limit(policy.timeout):
            return definition.func(*args, **kwargs)
    except TypeError as error:
        # Of the call itself, or of something inside the function?
        if not _fit(definition, given, kwargs):
            label = f"{definition.label}{definition.signature}"
            raise InvalidArguments(
                definition.path, "arguments", f"{error}; the signature is now {label}"
            ) from None
        raise


# Asked for every job there is, and not quickly answered.
_is_coroutine = lru_cache(maxsize=None)(iscoroutinefunction)


async def _awaited(
    function: Callable[..., Any], timeout: float | None, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """Await a coroutine job, cancelled when its time is up: a signal would only reach the thread
    that waits for it."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await function(*args, **kwargs)
    except TimeoutError:
        if limit.expired() and timeout is not None:
            raise JobTimeout(timeout) from None
        raise


def _fit(definition: JobDefinition, args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether these arguments fit the signature as it is now."""
    try:
        definition.signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _cancelled(claimed: ClaimedJob, started: int) -> Outcome:
    """Of a job that somebody cancelled while another worker had claimed, but not started it."""
    return Outcome(
        job=claimed,
        outcome=AttemptOutcome.CANCELLED,
        state=JobState.CANCELLED,
        detail="cancelled before it was started",
        started=started,
        finished=claimed.now(),
        refund=True,
    )


def _interrupted(claimed: ClaimedJob, release: JobReleased, started: int) -> Outcome:
    """A release because the worker stops: as if the job had been interrupted, at no cost."""
    again = retrying.again(release.seconds)
    return Outcome(
        job=claimed,
        outcome=AttemptOutcome.INTERRUPTED,
        state=again.state,
        delay=again.delay,
        detail=f"released for {release.seconds:g} s as its worker stops",
        started=started,
        finished=claimed.now(),
        refund=True,
    )


def _released(
    claimed: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    release: JobReleased,
    started: int,
) -> Outcome:
    now = claimed.now()
    decision = retrying.after_release(claimed, policy, release.seconds, moment(now))
    outcome = Outcome(
        job=claimed,
        outcome=AttemptOutcome.RELEASED,
        state=decision.state,
        delay=decision.delay,
        detail=f"released for {release.seconds:g} s",
        started=started,
        finished=now,
    )
    if decision.reason is not None:
        message = f"The job released itself, but its attempts ({claimed.attempts}) are spent"
        if decision.reason == "expired":
            message = "The job released itself beyond its retry_until"
        outcome.message, outcome.exception_class = message, "jobs.exceptions.RetriesExpired"
        _fail(outcome, definition, decision.reason)
    return outcome


def _raised(
    claimed: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    error: BaseException,
    started: int,
) -> Outcome:
    now = claimed.now()
    decision, error = _decide(claimed, policy, definition, error, moment(now))
    if isinstance(error, JobFailedForGood):
        error = error.cause
    described = describe(error)
    kind = AttemptOutcome.TIMED_OUT if isinstance(error, JobTimeout) else AttemptOutcome.FAILED
    if decision is retrying.DISCARD:
        kind = AttemptOutcome.DISCARDED
    outcome = Outcome(
        job=claimed,
        outcome=kind,
        state=decision.state,
        delay=decision.delay,
        started=started,
        finished=now,
        exception_class=described.exception_class,
        message=described.message,
        traceback=described.traceback,
        is_exception=True,
        error=error,
    )
    if decision.reason is not None:
        _fail(outcome, definition, decision.reason)
    return outcome


def _decide(
    claimed: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    error: BaseException,
    now: dt.datetime,
) -> tuple[retrying.Decision, BaseException]:
    """The decision, and the error to record: that of a broken policy takes the job's as its
    context."""
    if isinstance(error, MissingObject) and policy.discard_when_missing:
        return retrying.DISCARD, error
    if isinstance(error, RetriesExpired):
        return retrying.failed(FailureReason.EXPIRED), error
    # Neither the code nor the arguments get better by waiting.
    if isinstance(error, InvalidArguments | UnknownDefinition):
        return retrying.failed(FailureReason.EXCEPTION), error
    try:
        return retrying.after_exception(claimed, policy, definition, error, now), error
    except Exception as broken:
        broken.__context__ = error
        return retrying.failed(FailureReason.EXCEPTION), broken


def unwritable(outcome: Outcome, error: Exception) -> Outcome:
    """What takes the place of an outcome that the ledger refuses: the job has failed for good, as
    running it again would only end so again."""
    described = describe(error)
    instead = Outcome(
        job=outcome.job,
        outcome=AttemptOutcome.FAILED,
        state=JobState.FAILED,
        started=outcome.started,
        finished=outcome.finished,
        exception_class=described.exception_class,
        message=f"The attempt ended ({outcome.outcome}), but that cannot be written: "
        f"{described.message}",
        traceback=described.traceback,
        is_exception=True,
        error=error,
    )
    _fail(instead, registry.find(outcome.job.definition), FailureReason.EXCEPTION)
    return instead


def _fail(outcome: Outcome, definition: JobDefinition | None, reason: str) -> None:
    outcome.failure = Failure(
        reason=reason,
        fingerprint=fingerprint(outcome.exception_class, outcome.message, outcome.traceback),
    )
    outcome.has_callback = definition is not None and definition.on_failure is not None
