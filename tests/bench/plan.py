"""How many jobs a measure takes, and how long it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
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
    deadline: float
    """Seconds after which a measure counts as failed."""

    def jobs(self, measure: str, pace: int) -> int:
        """How many jobs a system of this pace (jobs/s) is given."""
        if measure in ("drain", "drain_db"):
            affordable = int(pace * self.drain_seconds)
            return max(min(self.drain, affordable), min(self.drain, 200))
        return {
            "pickup": self.samples,
            "enqueue": self.each,
            "enqueue_many": self.many,
            "pss": 20,
            "drain_aged": self.aged,
            "pss_after": self.long_run,
            "idle": 20,
            "short_beside_long": self.samples,
        }[measure]


FULL = Plan(
    rounds=3,
    drain=40_000,
    drain_seconds=30,
    samples=200,
    each=2_000,
    many=50_000,
    aged=1_000_000,
    long_run=200_000,
    deadline=300,
)
QUICK = Plan(
    rounds=1,
    drain=8_000,
    drain_seconds=4,
    samples=60,
    each=500,
    many=10_000,
    aged=20_000,
    long_run=5_000,
    deadline=90,
)


def turns(
    rounds: int, systems: Sequence[str], measures: Sequence[str]
) -> list[tuple[int, str, str]]:
    """Round, measure and system of each run: the systems take turns, so that what happens to the
    machine meanwhile happens to all of them."""
    return [
        (number, measure, system)
        for number in range(1, rounds + 1)
        for measure in measures
        for system in systems
    ]
