"""Targets: what Jobsite has to reach beside its peers, as ratios within one run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.bench.results import Row


@dataclass(frozen=True, slots=True)
class Target:
    """`ours` of Jobsite against the best of the peers' figures, or against a fixed bound."""

    ours: str
    """The system that is ours."""
    measure: str
    least: float
    """The ratio, or the bound itself where no peer is named."""
    peers: tuple[str, ...] = ()
    lower_is_better: bool = False
    beside: str = ""
    """The peers' figure, where it is another than ours."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands in one set of results; `reached` is None where a figure is missing."""

    target: Target
    value: float | None
    """The ratio, or our figure where no peer is named."""
    reached: bool | None

    def __str__(self) -> str:
        target = self.target
        sign = "≤" if target.lower_is_better else "≥"
        peers = f"{' / '.join(target.peers)} {target.beside}".rstrip()
        against = f" times {peers}" if target.peers else ""
        found = "not measured" if self.value is None else f"{self.value:,.2f}"
        verdict = {None: "", True: "reached", False: "MISSED"}[self.reached]
        wanted = f"{sign} {target.least:,g}{against}"
        return f"{target.ours:15} {target.measure:14} {wanted:46} {found:>12}  {verdict}".rstrip()


TARGETS = (
    Target("jobsite", "drain", 10, ("celery",)),
    Target("jobsite", "drain", 3, ("oban", "oban-single")),
    Target("jobsite", "drain", 2, ("dramatiq", "dramatiq-single")),
    Target("jobsite", "drain", 1, ("pgqueuer", "pgqueuer-batched")),
    Target("jobsite-sqlite", "drain", 10, ("django-q2-sqlite",)),
    Target("jobsite", "drain_db", 5, ("celery", "celery-early")),
    Target("jobsite", "drain_db", 1, ("dramatiq", "dramatiq-single")),
    Target("jobsite", "pickup_p50_ms", 1, ("celery",), lower_is_better=True),
    Target("jobsite", "pickup_p50_ms", 4, lower_is_better=True),
    Target("jobsite", "pickup_p99_ms", 10, lower_is_better=True),
    Target("jobsite-sqlite", "pickup_p99_ms", 100, lower_is_better=True),
    Target("jobsite", "enqueue", 1, ("pgqueuer",)),
    Target("jobsite", "enqueue_many", 50_000),
    Target("jobsite", "enqueue_many", 1, ("pgqueuer",)),
    Target("jobsite", "pss_mb", 100, lower_is_better=True),
    Target("jobsite", "pss_after_mb", 1.1, ("jobsite",), lower_is_better=True, beside="pss_mb"),
    Target("jobsite", "drain_aged", 0.8, ("jobsite",), beside="drain"),
    Target("jobsite", "idle_percent", 1, lower_is_better=True),
    Target("jobsite", "short_p99_ms", 50, lower_is_better=True),
)

SOAK_TARGETS = (Target("jobsite", "soak_ratio", 0.9),)
"""What is told of a soak alone."""
REDRIVE_TARGETS = (
    Target("jobsite", "redrive", 450),
    Target("jobsite", "redrive_transaction_s", 1, lower_is_better=True),
)
"""What is told of a redrive alone: at 500 a second."""


def standings(rows: Iterable[Row], targets: Iterable[Target] = TARGETS) -> list[Standing]:
    """How each target stands; the best of several named peers is the one to beat.

    A ratio is the median of those of the rounds: within a round the systems take turns in the same
    minutes, while a machine may be quicker in one round than in the next.
    """
    found = {(row.system, row.measure): row for row in rows if row.median is not None}
    return [_standing(target, found) for target in targets]


def _standing(target: Target, rows: dict[tuple[str, str], Row]) -> Standing:
    ours = rows.get((target.ours, target.measure))
    value = ours.median if ours is not None else None
    if ours is not None and target.peers:
        figure = target.beside or target.measure
        theirs = [rows[peer, figure] for peer in target.peers if (peer, figure) in rows]
        value = _ratio(ours, theirs, min if target.lower_is_better else max)
    if value is None:
        return Standing(target, None, None)
    reached = value <= target.least if target.lower_is_better else value >= target.least
    return Standing(target, value, reached)


def _ratio(
    ours: Row, theirs: Sequence[Row], best: Callable[[Sequence[float]], float]
) -> float | None:
    """The median ratio of the rounds that we and some peer took part in; None without one."""
    ratios = []
    for number, value in _by_round(ours).items():
        beside = [_by_round(row)[number] for row in theirs if number in _by_round(row)]
        if beside and best(beside):
            ratios.append(value / best(beside))
    return statistics.median(ratios) if ratios else None


def _by_round(row: Row) -> dict[int, float]:
    # Results that were stored without the numbers had all rounds.
    numbers = row.in_rounds or range(1, len(row.values) + 1)
    return dict(zip(numbers, row.values, strict=True))
