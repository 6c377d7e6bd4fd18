"""What happened to a job, in order, in the words of its life cycle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils import timezone

from jobs.models import Attempt, AttemptOutcome, Job, JobState

ENDS = {
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "dead",
    JobState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One moment. `since` is the time from the step before it; `word` also chooses the colour."""

    at: dt.datetime
    word: str
    note: str = ""
    since: dt.timedelta | None = None


def timeline_of(job: Job, attempts: Sequence[Attempt]) -> list[Step]:
    """The steps of a job, oldest first; the last one may lie ahead.

    Attempts of a job that was given back before it started leave no step: they never began.
    """
    steps = [Step(job.enqueued_at, "dispatched", _how(job))]
    for attempt in attempts:
        steps.append(Step(attempt.started_at, "processing", f"attempt {attempt.number}"))
        if not (attempt.outcome == AttemptOutcome.SUCCEEDED and job.state == JobState.SUCCEEDED):
            # The end of the job tells it in a better word.
            steps.append(Step(attempt.finished_at, _word(attempt), _why(attempt)))
    if not attempts and job.started_at and job.is_finished:
        steps.append(Step(job.started_at, "processing", f"attempt {job.attempts}"))
    steps += _now(job)
    return _with_distances(steps)


def _how(job: Job) -> str:
    if job.retry_of_id:
        return "as a retry of a failed job"
    if job.schedule_id:
        return "by its schedule"
    return "waits for another job" if job.state == JobState.BLOCKED else ""


def _word(attempt: Attempt) -> str:
    label: str = attempt.get_outcome_display()
    return label.lower()


def _why(attempt: Attempt) -> str:
    return attempt.detail or attempt.exception_class.rpartition(".")[2]


def _now(job: Job) -> Iterable[Step]:
    if job.state == JobState.RUNNING and job.started_at:
        yield Step(job.started_at, "processing", f"attempt {job.attempts}")
    elif job.state == JobState.SCHEDULED and job.due_at:
        yield Step(job.due_at, job.life_cycle, "due")
    elif job.state == JobState.READY:
        yield Step(timezone.now(), "queued", "waits for a worker")
    elif job.finished_at and job.state in ENDS:
        yield Step(job.finished_at, ENDS[JobState(job.state)])


def _with_distances(steps: Sequence[Step]) -> list[Step]:
    told = [steps[0]]
    for earlier, step in pairwise(steps):
        since = max(step.at - earlier.at, dt.timedelta(0))
        told.append(Step(step.at, step.word, step.note, since))
    return told
