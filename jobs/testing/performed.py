"""Performed: how one attempt of a job ended, and assertions about it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from jobs.exceptions import RetriesExpired
from jobs.ledger.outcome import LogLine, Outcome
from jobs.models.states import AttemptOutcome, JobState
from jobs.testing.watching import Progress, WatchedJob

ANYTHING: Any = object()
"""Stands for any value, None included."""


class Performed:
    """One attempt of a job, as it ended in this process."""

    def __init__(self, outcome: Outcome, watched: WatchedJob) -> None:
        self._outcome = outcome
        self.progress: list[Progress] = watched.reports
        """What the job reported by `current_job().progress()`, all of it."""
        self.steps: list[dict[str, Any]] = watched.kept or []
        """What is done of its `jobs.steps()`: `name`, and `done`, `result`, `cursor`, `count`."""

    @property
    def job_id(self) -> UUID:
        return self._outcome.job.id

    @property
    def definition(self) -> str:
        """The dotted path of the definition."""
        return self._outcome.job.definition

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self._outcome.job.attempts

    @property
    def succeeded(self) -> bool:
        return self._outcome.outcome == AttemptOutcome.SUCCEEDED

    @property
    def failed(self) -> bool:
        """Whether the attempt ended with an exception, a timeout included, or failed its job
        otherwise; the job may be tried again: see `failed_for_good` and `will_retry_in`."""
        return self.failed_for_good or self._outcome.outcome in (
            AttemptOutcome.FAILED,
            AttemptOutcome.TIMED_OUT,
        )

    @property
    def failed_for_good(self) -> bool:
        """Whether the job will not be tried again."""
        return self._outcome.state == JobState.FAILED

    @property
    def timed_out(self) -> bool:
        return self._outcome.outcome == AttemptOutcome.TIMED_OUT

    @property
    def released(self) -> bool:
        """Whether the job gave itself back to run again; with its attempts spent it fails
        instead."""
        return self._outcome.outcome == AttemptOutcome.RELEASED and not self.failed_for_good

    @property
    def discarded(self) -> bool:
        """Whether its own policy dropped the job: `discard_on`, or `discard_when_missing`."""
        return self._outcome.outcome == AttemptOutcome.DISCARDED

    @property
    def value(self) -> Any:
        """What the job returned, as JSON has it."""
        return self._outcome.result

    @property
    def error(self) -> BaseException | None:
        """The exception with which the attempt ended."""
        if self._outcome.error is None and self.failed_for_good:
            # Of a job that released itself, but may not run again.
            return RetriesExpired(self._outcome.message)
        return self._outcome.error

    @property
    def released_for(self) -> dt.timedelta | None:
        """How long the job wants to wait; None if it was not released."""
        return dt.timedelta(seconds=self._outcome.delay) if self.released else None

    @property
    def will_retry_in(self) -> dt.timedelta | None:
        """The wait before the next attempt of a job that failed; None if there is none."""
        waits = self._outcome.state in (JobState.READY, JobState.SCHEDULED)
        return dt.timedelta(seconds=self._outcome.delay) if self.failed and waits else None

    @property
    def logs(self) -> list[LogLine]:
        """The lines of `current_job().log()`, each with `level`, `message` and `at`."""
        return self._outcome.logs

    def assert_succeeded(self, value: Any = ANYTHING) -> None:
        """The job came to its end; with this value, if one is given."""
        if not self.succeeded:
            self._refuse("to succeed")
        if value is not ANYTHING and self.value != value:
            self._refuse(f"to return {value!r}")

    def assert_failed(
        self, error: type[BaseException] | None = None, *, for_good: bool | None = None
    ) -> None:
        """The attempt failed; with an exception of this class, and for good or not, if given."""
        if not self.failed:
            self._refuse("to fail")
        if error is not None and not isinstance(self.error, error):
            self._refuse(f"to fail with {error.__qualname__}")
        if for_good is not None and self.failed_for_good != for_good:
            self._refuse("to fail for good" if for_good else "to fail and be tried again")

    def assert_will_retry(self, delay: dt.timedelta | float | None = None) -> None:
        """The attempt failed and the job is tried again; after this wait, if one is given."""
        if self.will_retry_in is None:
            self._refuse("to fail and be tried again")
        if delay is not None and self.will_retry_in != _span(delay):
            self._refuse(f"to be tried again in {_shown(_span(delay))}")

    def assert_released(self, delay: dt.timedelta | float | None = None) -> None:
        """The job released itself; for so long, if given."""
        if not self.released:
            self._refuse("to release itself")
        if delay is not None and self.released_for != _span(delay):
            self._refuse(f"to release itself for {_shown(_span(delay))}")

    def assert_discarded(self) -> None:
        """The job's policy dropped it."""
        if not self.discarded:
            self._refuse("to be discarded")

    def assert_timed_out(self) -> None:
        """The attempt took longer than its timeout."""
        if not self.timed_out:
            self._refuse("to time out")

    def _refuse(self, expected: str) -> None:
        raise AssertionError(
            f"Expected {self.definition} {expected}, but it {self}"
        ) from self.error

    def __str__(self) -> str:
        """How it ended, in words."""
        error = self.error
        said = f"{type(error).__qualname__}: {error}" if error is not None else ""
        if self.succeeded:
            return f"succeeded and returned {self.value!r}"
        if self.released_for is not None:
            return f"released itself for {_shown(self.released_for)}"
        if self.discarded:
            return f"was discarded: {said}"
        if self.will_retry_in is not None:
            return f"failed and is tried again in {_shown(self.will_retry_in)}: {said}"
        if self.failed:
            return f"failed for good in attempt {self.attempt}: {said}"
        return f"was {self._outcome.outcome}: {self._outcome.detail}"

    def __repr__(self) -> str:
        return f"<{self.definition}, attempt {self.attempt}: {self}>"


def _span(delay: dt.timedelta | float) -> dt.timedelta:
    return delay if isinstance(delay, dt.timedelta) else dt.timedelta(seconds=delay)


def _shown(span: dt.timedelta) -> str:
    return f"{span.total_seconds():g} s"
