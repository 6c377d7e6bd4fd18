"""The size of each run, how long it may take, and the order in which the runs come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ONCE = ("drain_aged", "soak", "redrive")
"""Taken in the first round alone, as they take minutes."""
WITHIN = {"pss": "pickup"}
"""A measure whose figure a run of the other one gives as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one run is."""

    jobs: int
    deadline: float = 300
    """Seconds after which the run counts as failed."""
    seconds: float = 0
    """How long a measure goes on that is one of time."""
    drained: int = 0
    """Of the jobs of an aged ledger so many are drained; of a soak, in each burst."""
    rate: int = 0
    """Jobs that come each second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of a benchmark."""

    rounds: int
    drain: int
    drain_seconds: float
    """A system that would take longer at its pace is given fewer jobs."""
    samples: int
    """Jobs picked up one by one."""
    each: int
    """Jobs enqueued one by one."""
    many: int
    """Jobs enqueued at once."""
    aged: int
    """Jobs that an aged ledger has ready, and has scheduled; it has five times as many finished."""
    long_run: int
    """Jobs after which memory is looked at again."""
    rest: float
    """Seconds over which the cost of idling is taken."""
    soak_minutes: float
    soak_rate: int
    redriven: int
    """Failed jobs that are retried."""
    redrive_rate: int
    """So many of them a second."""
    deadline: float
    """Seconds after which a measure counts as failed."""

    def size(self, measure: str, *, pace: int, whole: bool = False) -> Size:
        """The size of a run for a system of this pace (jobs/s).

        A `whole` one gets all jobs of a drain, however long it takes over them.
        """
        if measure == "soak":
            return self._soak()
        if measure == "redrive":
            seconds = self.redriven / self.redrive_rate
            return Size(
                jobs=self.redriven, rate=self.redrive_rate, deadline=2 * seconds + self.deadline
            )
        jobs = {
            "drain": self.drain if whole else self._affordable(pace),
            "drain_db": self._affordable(pace),
            "pickup": self.samples,
            "enqueue": self.each,
            "enqueue_many": self.many,
            "pss": 20,
            "drain_aged": self.aged,
            "pss_after": self.long_run,
            "idle": 20,
            "short_beside_long": 2 * self.samples,
        }[measure]
        return Size(
            jobs=jobs,
            deadline=self.deadline,
            seconds=self.rest if measure == "idle" else 0,
            drained=min(self.drain, self.aged) if measure == "drain_aged" else 0,
        )

    def _affordable(self, pace: int) -> int:
        return max(min(self.drain, int(pace * self.drain_seconds)), min(self.drain, 200))

    def _soak(self) -> Size:
        seconds = self.soak_minutes * 60
        return Size(
            jobs=int(seconds * self.soak_rate),
            seconds=seconds,
            deadline=2 * seconds + self.deadline,
            drained=self.drain // 2,
            rate=self.soak_rate,
        )


FULL = Plan(
    rounds=3,
    drain=40_000,
    drain_seconds=6,
    samples=100,
    each=2_000,
    many=50_000,
    aged=1_000_000,
    long_run=200_000,
    rest=30,
    soak_minutes=30,
    soak_rate=3_000,
    redriven=100_000,
    redrive_rate=500,
    deadline=300,
)
QUICK = Plan(
    rounds=1,
    drain=8_000,
    drain_seconds=4,
    samples=60,
    each=500,
    many=10_000,
    aged=10_000,
    long_run=5_000,
    rest=6,
    soak_minutes=2,
    soak_rate=1_000,
    redriven=2_000,
    redrive_rate=500,
    deadline=90,
)


def turns(rounds: Mapping[str, int], measures: Sequence[str]) -> list[tuple[int, str, str]]:
    """Round, measure and system of each run, for so many rounds of each system.

    The systems take turns, so that what happens to the machine meanwhile happens to all of them.
    """
    return [
        (number, measure, system)
        for number in range(1, max(rounds.values(), default=0) + 1)
        for measure in measures
        for system, most in rounds.items()
        if number <= (1 if measure in ONCE else most) and WITHIN.get(measure) not in measures
    ]
