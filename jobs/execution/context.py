"""What a running job may know and do: `current_job()`."""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

from django.db import Error
from django.utils import timezone

from jobs.arguments import encode_result
from jobs.conf import settings
from jobs.exceptions import InvalidOption, JobFailedForGood, JobLost, JobReleased, JobSkipped
from jobs.execution import snoozing
from jobs.execution.apart import run_apart
from jobs.execution.backoff import LONGEST as LONGEST_WAIT
from jobs.ledger.outcome import ClaimedJob, LogLine
from jobs.ledger.rows import storable
from jobs.privacy.scrubbing import Scrubber

if TYPE_CHECKING:
    from jobs.execution.policy import Policy
    from jobs.execution.steps import Steps
    from jobs.workflows.handles import WorkflowHandle

T = TypeVar("T")

REPORT_EVERY = 1.0
"""Seconds between two writes of a job's progress, and between two looks for a cancellation."""
MOST_LOG_LINES = 1000
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

logger = logging.getLogger("jobs")


class CurrentJob:
    """The job that runs here."""

    def __init__(
        self, claimed: ClaimedJob, policy: Policy, stopping: Callable[[], bool] | None = None
    ) -> None:
        self._claimed = claimed
        self._policy = policy
        self._stopping = stopping
        self._reported = -REPORT_EVERY
        self._looked = monotonic()
        self._cancelled = claimed.cancel_requested
        self._progress: dict[str, Any] | None = None
        self.lines: list[LogLine] = []
        self.call: tuple[Sequence[Any], Mapping[str, Any]] = ((), {})
        """The positional and the keyword arguments that the function gets, for middleware."""
        self.scrub: Scrubber | None = None
        """Takes the values of sensitive arguments out of a text; None where there are none."""
        self.steps: Steps | None = None
        """What is done of its work, once it has asked for that: see `jobs.steps`."""

    @property
    def id(self) -> UUID:
        return self._claimed.id

    @property
    def definition(self) -> str:
        """The dotted path of the definition."""
        return self._claimed.definition

    @property
    def queue(self) -> str:
        return self._claimed.queue

    @property
    def priority(self) -> int:
        return self._claimed.priority

    @property
    def arguments(self) -> dict[str, Any]:
        """`{"args": […], "kwargs": {…}}`, as stored: sensitive ones are encrypted."""
        return self._claimed.arguments

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._claimed.attempts

    @property
    def fence(self) -> int:
        """The claim that this attempt writes with; a rescued job has a newer one."""
        return self._claimed.fence

    @property
    def max_attempts(self) -> int | None:
        return self._policy.max_attempts

    @property
    def enqueued_at(self) -> dt.datetime:
        return self._claimed.enqueued_at

    @property
    def slot_at(self) -> dt.datetime | None:
        """The time of the schedule for which this job runs, if a schedule enqueued it."""
        return self._claimed.slot_at

    @property
    def batch(self) -> WorkflowHandle | None:
        """The batch that this job belongs to, be it through a chain or workflow inside of it; to
        add jobs to it, for example. None if there is no such batch."""
        return self._nearest("batch")

    @property
    def chain(self) -> WorkflowHandle | None:
        """The chain that this job belongs to, as `batch`: to append and prepend links."""
        return self._nearest("chain")

    @property
    def workflow(self) -> WorkflowHandle | None:
        """The workflow of named steps that this job belongs to, as `batch`: to extend it."""
        return self._nearest("workflow")

    def _nearest(self, kind: str) -> WorkflowHandle | None:
        from jobs.models import WorkflowKind
        from jobs.workflows.handles import nearest

        chain = self._claimed.chain
        return nearest(chain, WorkflowKind(kind), self.id) if chain is not None else None

    def release(self, seconds: float | dt.timedelta = 0) -> NoReturn:
        """End this attempt and run the job again after so long.

        Spends an attempt of `max_attempts`, none of `max_exceptions`; where its worker is stopping
        neither, if the job may start again after a crash too. Raises InvalidOption for a negative
        time, and for one of more than a year.
        """
        wait = seconds.total_seconds() if isinstance(seconds, dt.timedelta) else seconds
        if (
            isinstance(wait, bool)
            or not isinstance(wait, int | float)
            or not 0 <= wait <= LONGEST_WAIT
        ):
            raise InvalidOption(
                "seconds", seconds, f"must be a number between 0 and {LONGEST_WAIT:.0f}"
            )
        raise JobReleased(float(wait))

    def fail(self, cause: BaseException | str) -> NoReturn:
        """End this job as failed for good, whatever attempts are left."""
        raise JobFailedForGood(cause if isinstance(cause, BaseException) else RuntimeError(cause))

    def skip(self, reason: str, *, result: Any = None) -> NoReturn:
        """End this attempt as succeeded although its work is not done: it need not be.

        The attempt says why; `result` becomes the job's. Raises TypeError for one that is not JSON.
        """
        raise JobSkipped(reason, encode_result(result))

    def snooze_queue(
        self, seconds: float | dt.timedelta, reason: str, *, queue: str | None = None
    ) -> None:
        """Let no more jobs of this queue, or of another, start for so long, because of `reason`:
        what a service is down for that all of them need. It is shown beside the queue. A longer
        pause stays.

        Raises InvalidOption for a time that is not positive, and UnknownQueue.
        """
        snooze = partial(snoozing.snooze_queue, queue or self.queue, self.definition)
        self.apart(partial(snooze, snoozing.checked_wait(seconds), reason))

    def snooze_tag(self, tag: str, seconds: float | dt.timedelta, reason: str) -> None:
        """Let no more jobs with this tag start for so long, because of `reason`, on whatever queue.
        A longer pause stays.

        Raises InvalidOption for a time that is not positive, and for what is no tag.
        """
        snooze = partial(snoozing.snooze_tag, tag, self.definition)
        self.apart(partial(snooze, snoozing.checked_wait(seconds), reason))

    def spend(self, limit: str, cost: float, *, key: str | int = "") -> None:
        """Count what was used against a limit on starts, such as the tokens of a call.

        Where more is spent than there was, jobs that need this limit wait until that is made up
        for. Raises InvalidOption for a cost that is not a positive number, and InvalidDefinition
        for a limit that does not exist.
        """
        from jobs.limits.declared import checked_key
        from jobs.limits.known import row_of

        if not _is_finite(cost) or not cost > 0:
            raise InvalidOption("cost", cost, "must be a positive number")
        row_of(limit, None)
        self.apart(partial(_spend, limit, checked_key(limit, key), cost))

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far the job is. Written at most once a second, and the last word always.

        Raises InvalidOption if `done` or `total` is not a finite number.
        """
        for name, value in (("done", done), ("total", total)):
            if not ((value is None and name == "total") or _is_finite(value)):
                raise InvalidOption(name, value, "must be a finite number")
        self._progress = {"done": done, "total": total, "message": storable(self._told(message))}
        if monotonic() - self._reported >= REPORT_EVERY:
            self._report()

    def log(self, message: object, *, level: str = "info") -> None:
        """Keep a line, the text of `message`, with this attempt.

        Lines are written when the attempt ends; of more than 1,000 the rest are dropped, which the
        last line says. Raises InvalidOption for a level that is not one of LOG_LEVELS.
        """
        if level not in LOG_LEVELS:
            raise InvalidOption("level", level, f"must be one of {', '.join(LOG_LEVELS)}")
        if len(self.lines) < MOST_LOG_LINES:
            self.lines.append(LogLine(timezone.now(), level, self._told(message)))
        elif len(self.lines) == MOST_LOG_LINES:
            note = f"more than {MOST_LOG_LINES} lines; the rest was dropped"
            self.lines.append(LogLine(timezone.now(), "warning", note))

    def protect(self, value: Any) -> None:
        """Keep this value, and the texts in it, out of all that is stored of this attempt: lines,
        progress, result, message and traceback."""
        if self.scrub is None:
            self.scrub = Scrubber()
        self.scrub.add(value)

    def _told(self, message: object) -> str:
        text = str(message)
        return text if self.scrub is None else self.scrub.text(text)

    def should_stop(self) -> bool:
        """Whether the job had better end soon: it was cancelled, or its worker is stopping.

        Looks into the ledger at most once a second.
        """
        if self.worker_stops():
            return True
        if not self._cancelled and monotonic() - self._looked >= REPORT_EVERY:
            self._looked = monotonic()
            self._cancelled = self.apart(self._is_cancel_requested)
        return self._cancelled

    def worker_stops(self) -> bool:
        """Whether its worker takes no further job and waits for this one to end."""
        return self._stopping is not None and self._stopping()

    def flush(self) -> None:
        """Write progress that has not been written yet."""
        if self._progress is not None:
            self._report()

    def conclude(self) -> None:
        """Write what has not been written yet, however the attempt has ended."""
        if self._progress is None and self.steps is None:
            return
        try:
            self.flush()
            if self.steps is not None:
                self.steps.save()
        except (Error, InvalidOption, JobLost):
            # The attempt has its end already, which is not this.
            logger.warning("the last words of job %s are not kept", self.id, exc_info=True)

    def load_steps(self) -> list[dict[str, Any]]:
        """What earlier attempts have done; see `jobs.execution.steps`."""
        from jobs.execution import steps

        return self.apart(partial(steps.load, self.id))

    def save_steps(self, kept: list[dict[str, Any]]) -> None:
        """Keep what was done, for the next attempt."""
        from jobs.execution import steps

        self.apart(partial(steps.save, self.id, self.fence, kept))

    def _report(self) -> None:
        self._reported = monotonic()
        self.apart(self._write_progress)
        self._progress = None

    def _write_progress(self) -> None:
        self._row().update(progress=self._progress)

    def _is_cancel_requested(self) -> bool:
        return bool(self._row().filter(cancel_requested=True).exists())

    def apart(self, query: Callable[[], T]) -> T:
        """Run a query that is not the job's own, as middleware does; see `run_apart`."""
        return run_apart(query, on_worker=bool(self._claimed.worker_id))

    def _row(self) -> Any:
        from jobs.models import Job

        # The fence: a job that was rescued meanwhile belongs to another attempt.
        return Job.objects.using(settings.DATABASE).filter(
            pk=self._claimed.id, fence=self._claimed.fence, state="running"
        )


def _spend(limit: str, key: str, cost: float) -> None:
    from jobs.ledger import ledger

    ledger().spend(limit, key, cost)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_current: ContextVar[CurrentJob | None] = ContextVar("current_job", default=None)


class as_current:
    """Make this the current job inside the block. A class, as a generator takes twice the time."""

    def __init__(self, job: CurrentJob) -> None:
        self._job = job

    def __enter__(self) -> CurrentJob:
        self._token = _current.set(self._job)
        return self._job

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)


def current_job() -> CurrentJob | None:
    """The job that runs here, or None outside of one."""
    return _current.get()
