"""Appetite: how many jobs a worker claims at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from jobs.conf import settings as conf
from jobs.execution.policy import Policy
from jobs.ledger.outcome import ClaimedJob

AT_MOST = 0.05
"""Seconds of work that may be claimed at once, by what its definitions usually take."""
_WEIGHT = 0.1
"""Of the latest run in the average of its definition."""


class Appetite:
    """Learns how long the jobs of each definition run, and grows while a queue is deep.

    One job is claimed at first, and always where it is not known to be short: then no job waits
    for another that may be long. When there were as many as were asked for, twice as many are
    asked for next, and no more than there were when there were fewer.
    """

    def __init__(self, policy_of: Callable[[ClaimedJob], Policy]) -> None:
        self._policy_of = policy_of
        self._most = conf.CLAIM_SIZE
        self._seconds: dict[str, float] = {}
        self._size = 1

    def size(self) -> int:
        """How many to ask for."""
        return self._size

    def keep(self, claimed: Sequence[ClaimedJob]) -> int:
        """How many of these, from the first on, to keep; the others are to be given back."""
        fit, work = 0, 0.0
        for job in claimed:
            work += self._expected(job)
            if work > AT_MOST:
                break
            fit += 1
        if fit < self._size:
            self._size = max(1, fit)
        else:
            fitting = int(fit * AT_MOST / work) if work else self._most
            self._size = max(1, min(2 * self._size, self._most, fitting))
        # One that does not fit is run alone.
        return max(fit, min(1, len(claimed)))

    def ran(self, definition: str, seconds: float) -> None:
        """Learn how long a job took."""
        known = self._seconds.get(definition)
        self._seconds[definition] = (
            seconds if known is None else known + _WEIGHT * (seconds - known)
        )

    def _expected(self, job: ClaimedJob) -> float:
        """The seconds that a job will probably take; without end if it must not be held together
        with others.

        If its host is lost, nobody knows whether a job that was claimed has been started. One with
        a crash behind it may be the one that kills workers. One with gates may have to wait, or
        holds a place that others wait for.
        """
        policy = self._policy_of(job)
        if job.crashes or not policy.may_repeat or policy.gated:
            return inf
        return self._seconds.get(job.definition, inf)
