"""Endings: how an attempt ends, as the outcome that the ledger takes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from jobs import registry
from jobs.exceptions import (
    InvalidArguments,
    JobFailedForGood,
    JobReleased,
    JobSkipped,
    JobTimeout,
    MissingObject,
    RetriesExpired,
    Undecryptable,
    UnknownDefinition,
)
from jobs.execution import retrying
from jobs.execution.description import describe
from jobs.execution.policy import Policy
from jobs.execution.recover import recovery_of
from jobs.failures.fingerprint import fingerprint
from jobs.ledger.moments import moment
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models.states import AttemptOutcome, FailureReason, JobState

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.privacy.scrubbing import Scrubber


def skipped(claimed: ClaimedJob, skip: JobSkipped, started: int, scrub: Scrubber | None) -> Outcome:
    """Of a job that need not run."""
    told = f"skipped: {skip.reason}"
    return Outcome(
        job=claimed,
        outcome=AttemptOutcome.SUCCEEDED,
        state=JobState.SUCCEEDED,
        result=skip.result if scrub is None else scrub.json(skip.result),
        detail=told if scrub is None else scrub.text(told),
        started=started,
        finished=claimed.now(),
    )


def interrupted_by_hand(outcome: Outcome) -> Outcome:
    """The same attempt as one that Ctrl-C has interrupted, at no cost."""
    return Outcome(
        job=outcome.job,
        outcome=AttemptOutcome.INTERRUPTED,
        state=JobState.READY,
        started=outcome.started,
        finished=outcome.finished,
        refund=True,
        error=outcome.error,
    )


def cancelled(claimed: ClaimedJob, started: int) -> Outcome:
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


def interrupted(claimed: ClaimedJob, release: JobReleased, started: int) -> Outcome:
    """Of a release because the worker stops: as if the job had been interrupted, at no cost."""
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


def released(
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


def raised(
    claimed: ClaimedJob,
    policy: Policy,
    definition: JobDefinition | None,
    error: BaseException,
    started: int,
    scrub: Scrubber | None,
) -> Outcome:
    now = claimed.now()
    decision, error = _decide(claimed, policy, definition, error, moment(now))
    if isinstance(error, JobFailedForGood):
        error = error.cause
    described = describe(error, scrub)
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
        error=error if scrub is None else scrub.stand_in(error),
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
    # Neither the code nor the arguments nor the keys get better by waiting.
    if isinstance(error, InvalidArguments | UnknownDefinition | Undecryptable):
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
        gated=outcome.gated,
        error=error,
    )
    _fail(instead, registry.find(outcome.job.definition), FailureReason.EXCEPTION)
    return instead


def _fail(outcome: Outcome, definition: JobDefinition | None, reason: str) -> None:
    # Without an exception the attempts or the time of a job that released itself had run out.
    error = RetriesExpired if outcome.error is None else type(outcome.error)
    recovery = recovery_of(definition, outcome.job.options, reason, error)
    outcome.failure = Failure(
        reason=reason,
        fingerprint=fingerprint(outcome.exception_class, outcome.message, outcome.traceback),
        recoveries=recovery.count,
        recover_after=recovery.after,
    )
    outcome.has_callback = definition is not None and definition.on_failure is not None
