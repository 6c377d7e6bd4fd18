"""Running one claimed job: from its row to the outcome of the attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync

from jobs import arguments, events, registry
from jobs.conf import Pool
from jobs.exceptions import (
    InvalidArguments,
    JobReleased,
    JobsError,
    JobSkipped,
    JobTimeout,
    RetriesExpired,
    UnknownDefinition,
)
from jobs.execution import endings, framework_events
from jobs.execution.context import CurrentJob, as_current
from jobs.execution.middleware.contract import wrapped
from jobs.execution.policy import Policy
from jobs.execution.timeouts import TimeLimit, time_limit
from jobs.ledger.moments import moment
from jobs.ledger.outcome import ClaimedJob, Outcome
from jobs.models.states import AttemptOutcome, JobState
from jobs.privacy.coverage import coverage_of

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
    refusal: Exception | None = None,
    current: Callable[..., CurrentJob] = CurrentJob,
) -> Outcome:
    """Run a job in this process and return how it ended; write nothing.

    `policy` is that of the job in this pool, if the caller has it already; `limit` is how the soft
    timeout is kept. `refusal` is what a gate of the job has raised: the attempt ends with it.
    `current` makes what `current_job()` gives.

    Whatever the job raises, SystemExit included, becomes an outcome. Where a person may press
    Ctrl-C (`interruptible`), KeyboardInterrupt interrupts the attempt at no cost, and is in the
    outcome's `error` for the caller to raise.
    """
    started = claimed.now()
    if claimed.cancel_requested:
        return endings.cancelled(claimed, started)
    definition = registry.find(claimed.definition)
    policy = policy or Policy.of(definition, claimed.options, pool)
    job = current(claimed, policy, should_stop)
    with as_current(job):
        if refusal is None:
            outcome = _attempt(claimed, policy, definition, job, started, limit)
        else:
            _protect_all(claimed, definition, job)
            outcome = endings.raised(claimed, policy, definition, refusal, started, job.scrub)
        job.conclude()
    if interruptible and isinstance(outcome.error, KeyboardInterrupt) and policy.may_repeat:
        outcome = endings.interrupted_by_hand(outcome)
    outcome.logs = job.lines
    outcome.gated = policy.gated
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
        args, kwargs = arguments.decode(claimed.arguments, job)
        if definition.sensitive:
            # Those too that were stored before their parameter was called sensitive.
            for value in coverage_of(definition).values(args, kwargs):
                job.protect(value)
        value = _call(definition, claimed, policy, job, limit, args, kwargs)
        result = arguments.encode_result(value)
        if job.scrub is not None:
            result = job.scrub.json(result)
        job.flush()
        return Outcome(
            job=claimed,
            outcome=AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            result=result,
            started=started,
            finished=claimed.now(),
        )
    except JobSkipped as skipped:
        return endings.skipped(claimed, skipped, started, job.scrub)
    except JobReleased as release:
        if job.worker_stops() and policy.may_repeat:
            return endings.interrupted(claimed, release, started)
        return endings.released(claimed, policy, definition, release, started)
    except BaseException as error:
        return endings.raised(claimed, policy, definition, error, started, job.scrub)


def _protect_all(claimed: ClaimedJob, definition: JobDefinition | None, job: CurrentJob) -> None:
    """Keep the sensitive arguments of a job that is not started out of what is told of it."""
    if definition is not None and definition.sensitive:
        # What cannot be decrypted, or fetched, is in no text either.
        with suppress(JobsError):
            arguments.decode(claimed.arguments, job)


def _refuse_late_start(claimed: ClaimedJob, now: int) -> None:
    if claimed.retry_until is not None and moment(now) > claimed.retry_until:
        raise RetriesExpired(f"retry_until was {claimed.retry_until.isoformat()}")


def _call(
    definition: JobDefinition,
    claimed: ClaimedJob,
    policy: Policy,
    job: CurrentJob,
    limit: TimeLimit,
    args: list[Any],
    kwargs: dict[str, Any],
) -> Any:
    given = args
    if definition.middleware:
        job.call = (args, kwargs)
    if definition.takes_context:
        args = [framework_events.context_of(definition, claimed), *args]
    try:
        if _is_coroutine(definition.func):
            return _around(
                definition,
                job,
                async_to_sync(_awaited),
                definition.func,
                policy.timeout,
                args,
                kwargs,
            )
        with limit(policy.timeout):
            if definition.middleware:
                return _around(definition, job, definition.func, *args, **kwargs)
            return definition.func(*args, **kwargs)
    except TypeError as error:
        # Of the call itself, or of something inside the function?
        if not _fit(definition, given, kwargs):
            label = f"{definition.label}{definition.signature}"
            raise InvalidArguments(
                definition.path, "arguments", f"{error}; the signature is now {label}"
            ) from None
        raise


def _around(
    definition: JobDefinition,
    job: CurrentJob,
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call the function with the definition's middleware around it."""
    if not definition.middleware:
        return function(*args, **kwargs)
    return wrapped(definition, job, partial(function, *args, **kwargs))()


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
