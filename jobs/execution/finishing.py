"""Writing outcomes to the ledger, and telling of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from django.db import InterfaceError, OperationalError
from django.dispatch import Signal

from jobs import events, transports
from jobs.execution import endings, framework_events
from jobs.ledger.contract import Ledger
from jobs.ledger.outcome import Outcome
from jobs.models.states import AttemptOutcome, JobState

logger = logging.getLogger("jobs.execution")


def finish(book: Ledger, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write how attempts ended, then send the events of those that were written; return these.

    May be repeated when its connection was lost: what the first call wrote is not written again,
    but told of. What is in the ledger neither way came from a late finisher: the job was rescued
    meanwhile, and another attempt decides. Its outcome is logged and dropped.
    """
    completion = book.complete(outcomes)
    written = completion.accepted
    if len(written) < len(outcomes):
        written = [*written, *_written_before(book, outcomes, written)]
    woken = completion.woken | completion.enqueued_in
    for outcome in written:
        if outcome.outcome != AttemptOutcome.SUCCEEDED or events.job_succeeded.receivers:
            _tell(outcome)
        framework_events.finished(outcome)
        if outcome.state == JobState.READY or outcome.job.chain or outcome.has_callback:
            woken.add(outcome.job.queue)
    for link in completion.cancelled:
        events.emit(
            events.job_cancelled,
            link.definition,
            job_id=link.id,
            queue=link.queue,
            attempt=link.attempts,
            detail=link.detail,
        )
    if woken:
        transports.current().wake(woken)
    return written


def finish_each(
    write: Callable[[Sequence[Outcome]], object], outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """Write outcomes together; if the ledger refuses that, those that it takes, and for each of
    the others that its job has failed. Returns what was written.

    Otherwise a worker would die of it, or try for ever, and the job would only end so again.
    Raises what `write` raises where the connection is lost.
    """
    try:
        write(outcomes)
        return list(outcomes)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(outcomes) == 1:
            logger.exception("the ledger refuses how job %s ended", outcomes[0].job.id)
            instead = endings.unwritable(outcomes[0], error)
            write([instead])
            return [instead]
    half = len(outcomes) // 2
    return finish_each(write, outcomes[:half]) + finish_each(write, outcomes[half:])


def _written_before(
    book: Ledger, outcomes: Sequence[Outcome], accepted: Sequence[Outcome]
) -> list[Outcome]:
    """Those of the refused outcomes that were written before; the others are logged."""
    known = {id(outcome) for outcome in accepted}
    refused = [outcome for outcome in outcomes if id(outcome) not in known]
    before = book.were_written(refused)
    known = {id(outcome) for outcome in before}
    for outcome in refused:
        if id(outcome) not in known:
            logger.warning(
                "attempt %s of %s %s ended (%s) after the job was taken from it",
                outcome.job.attempts,
                outcome.job.definition,
                outcome.job.id,
                outcome.outcome,
            )
    return before


def _tell(outcome: Outcome) -> None:
    if outcome.outcome == AttemptOutcome.LOST:
        _emit(events.job_lost, outcome, detail=outcome.detail)
    if outcome.state == JobState.SUCCEEDED:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        _emit(events.job_succeeded, outcome, run_time=seconds)
    elif outcome.state == JobState.FAILED:
        _emit(
            events.job_failed,
            outcome,
            reason=outcome.failure.reason if outcome.failure else "",
            exception_class=outcome.exception_class,
            message=outcome.message,
        )
    elif outcome.state == JobState.CANCELLED:
        _emit(events.job_cancelled, outcome, detail=_why_cancelled(outcome))
    elif outcome.outcome == AttemptOutcome.RELEASED:
        _emit(events.job_released, outcome, delay=outcome.delay)
    elif outcome.outcome in (AttemptOutcome.FAILED, AttemptOutcome.TIMED_OUT):
        _emit(
            events.job_retrying,
            outcome,
            delay=outcome.delay,
            exception_class=outcome.exception_class,
            message=outcome.message,
        )


def _why_cancelled(outcome: Outcome) -> str:
    if outcome.outcome == AttemptOutcome.DISCARDED:
        return f"discarded: {outcome.message}"
    if outcome.outcome == AttemptOutcome.CANCELLED:
        return outcome.detail
    return "cancelled on request while it ran"


def _emit(signal: Signal, outcome: Outcome, **payload: object) -> None:
    job = outcome.job
    events.emit(
        signal, job.definition, job_id=job.id, queue=job.queue, attempt=job.attempts, **payload
    )
