"""What becomes of the jobs of dead workers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from jobs import registry
from jobs.conf import settings
from jobs.exceptions import JobLost, JobTimeout
from jobs.execution import finishing, retrying
from jobs.execution.description import class_path, describe
from jobs.execution.policy import Policy
from jobs.execution.recover import recovery_of
from jobs.failures.fingerprint import fingerprint
from jobs.ledger.contract import Ledger
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models.states import AttemptOutcome, FailureReason, JobState


@dataclass(frozen=True, slots=True)
class RescueReport:
    """How many jobs of dead workers go on, and how many ended."""

    requeued: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.requeued + self.failed + self.cancelled


def rescue(
    book: Ledger,
    worker_ids: Sequence[int],
    *,
    detail: str,
    timed_out: bool = False,
    interrupted: bool = False,
) -> RescueReport:
    """End the attempts that these workers can no longer end, and decide what follows.

    `detail` says how the worker ended, such as "signal 9". With `timed_out` it was killed past its
    job's hard timeout; with `interrupted` by a shutdown, which spends no attempt of a job that may
    start again. Safe to repeat, and by several at once: the fence lets each attempt end once.
    """
    held = book.held_by(worker_ids)
    if not held:
        return RescueReport()
    now = book.now()
    outcomes = [_outcome(job, now, detail, timed_out, interrupted) for job in held]
    accepted = finishing.finish(book, outcomes)
    states = [outcome.state for outcome in accepted]
    return RescueReport(
        requeued=sum(state in (JobState.READY, JobState.SCHEDULED) for state in states),
        failed=states.count(JobState.FAILED),
        cancelled=states.count(JobState.CANCELLED),
    )


def _outcome(
    job: ClaimedJob, now: dt.datetime, detail: str, timed_out: bool, interrupted: bool
) -> Outcome:
    definition = registry.find(job.definition)
    pool = next(iter(settings.POOLS.values()))
    policy = Policy.of(definition, job.options, pool)
    goes_on = interrupted and policy.may_repeat
    broken: Exception | None = None
    if goes_on:
        decision, kind = retrying.again(0), AttemptOutcome.INTERRUPTED
    elif timed_out:
        kind = AttemptOutcome.TIMED_OUT
        timeout = JobTimeout(policy.timeout or 0.0)
        try:
            decision = retrying.after_exception(job, policy, definition, timeout, now)
        except Exception as raised:
            # A policy that raises must not keep this job, and those after it, from their rescue.
            broken = raised
            decision = retrying.failed(FailureReason.TIMED_OUT)
        if decision is retrying.DISCARD:
            kind = AttemptOutcome.DISCARDED
    else:
        decision, kind = retrying.after_crash(job, policy, now), AttemptOutcome.LOST
    name = class_path(JobTimeout) if timed_out else class_path(JobLost)
    outcome = Outcome(
        job=job,
        outcome=kind,
        state=decision.state,
        delay=decision.delay,
        started=microseconds(job.started_at),
        finished=microseconds(max(now, job.started_at)),
        detail=detail,
        exception_class="" if goes_on else name,
        message="" if goes_on else f"The worker that ran the job ended: {detail}",
        is_exception=timed_out,
        is_crash=not timed_out and not goes_on,
        refund=goes_on,
        # One that is unknown here may have gates all the same.
        gated=policy.gated or definition is None,
    )
    if broken is not None:
        described = describe(broken)
        outcome.message += f"; its policy raised {described.exception_class}: {described.message}"
        outcome.traceback = described.traceback
    if decision.reason is not None:
        error = JobTimeout if timed_out else JobLost
        recovery = recovery_of(definition, job.options, decision.reason, error)
        outcome.failure = Failure(
            reason=decision.reason,
            # A dead worker leaves no traceback: jobs of one definition that die alike are alike.
            fingerprint=fingerprint(name, f"{job.definition} {detail}", ""),
            recoveries=recovery.count,
            recover_after=recovery.after,
        )
        outcome.has_callback = definition is not None and definition.on_failure is not None
    return outcome
