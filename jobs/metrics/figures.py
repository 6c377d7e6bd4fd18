"""Figures: what happened in a stretch of time, and what follows from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.metrics.histogram import Histogram

if TYPE_CHECKING:
    from jobs.models import JobMetric

Key = TypeVar("Key", bound=Hashable)
COUNTED = ("enqueued", "succeeded", "failed", "cancelled", "retried")
SUMMED = ("wait_seconds", "run_seconds")


@dataclass(slots=True)
class Figures:
    """Of some jobs in some stretch of time. What waits and runs is of the last attempts of those
    that ended in it, succeeded or failed."""

    enqueued: int = 0
    succeeded: int = 0
    failed: int = 0
    """For good."""
    cancelled: int = 0
    retried: int = 0
    """Attempts that failed, and whose job went on."""
    wait: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)
    wait_seconds: float = 0
    run_seconds: float = 0

    @property
    def ended(self) -> int:
        """Jobs that ran and ended."""
        return self.succeeded + self.failed

    @property
    def failure_rate(self) -> float | None:
        """The share of those that failed for good among those that ended, 0 to 1; None if none
        ended."""
        return self.failed / self.ended if self.ended else None

    def add(self, other: Figures) -> None:
        """Count what the other one has counted too."""
        for name in (*COUNTED, *SUMMED):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wait.add(other.wait)
        self.run.add(other.run)

    def columns(self) -> dict[str, Any]:
        """As the columns of a JobMetric."""
        numbers = {name: getattr(self, name) for name in (*COUNTED, *SUMMED)}
        return {**numbers, "wait": self.wait.as_json(), "run": self.run.as_json()}

    @classmethod
    def of(cls, row: JobMetric) -> Figures:
        """From the columns of a JobMetric."""
        numbers = {name: getattr(row, name) for name in (*COUNTED, *SUMMED)}
        return cls(**numbers, wait=Histogram.from_json(row.wait), run=Histogram.from_json(row.run))


def add_up(rows: Iterable[JobMetric], key: Callable[[JobMetric], Key]) -> dict[Key, Figures]:
    """The figures of these rows together, by what `key` says of each."""
    found: dict[Key, Figures] = defaultdict(Figures)
    for row in rows:
        found[key(row)].add(Figures.of(row))
    return dict(found)
