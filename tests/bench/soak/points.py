"""What a soak looks at again and again, and what comes of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

from tests.bench.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The state of things at one moment of a soak."""

    minute: float
    """Since the load began."""
    rate: float
    """Jobs per second of the bursts that were drained now, their median."""
    backlog: int
    """Jobs that were not done yet when the load paused."""
    wait_p50_ms: float
    """From the call that enqueued a job of the load to its start."""
    wait_p99_ms: float
    enqueued: int
    """All jobs since the beginning."""
    rows: int
    """Of the ledger's tables, as PostgreSQL estimates."""
    dead_rows: int
    tables_mb: float
    indexes_mb: float
    vacuums: int
    """Autovacuum's rounds over the ledger's tables since the beginning."""
    pss_mb: float
    """Memory of the cluster."""


HEADINGS = {
    "minute": "minute",
    "rate": "burst jobs/s",
    "backlog": "backlog",
    "wait_p50_ms": "wait p50 ms",
    "wait_p99_ms": "wait p99 ms",
    "enqueued": "jobs so far",
    "rows": "rows",
    "dead_rows": "dead rows",
    "tables_mb": "tables MB",
    "indexes_mb": "indexes MB",
    "vacuums": "vacuums",
    "pss_mb": "cluster MB",
}


def thirds(rates: Sequence[float]) -> tuple[float, float]:
    """The median of the first third of the rates, and of the last. Raises ValueError for none."""
    if not rates:
        raise ValueError("rates: there must be at least one")
    share = max(1, len(rates) // 3)
    return statistics.median(rates[:share]), statistics.median(rates[-share:])


def points_of(rows: Sequence[Row]) -> list[Point]:
    """The points of the soak that is among the results, if there is one."""
    noted = next((row.notes.get("points", []) for row in rows if row.measure == "soak_ratio"), [])
    return [Point(**point) for point in noted]


def cells(points: Sequence[Point]) -> list[list[str]]:
    """The headings, then a line for each point."""
    names = [field.name for field in fields(Point)]
    found = [[HEADINGS[name] for name in names]]
    found += [[_shown(getattr(point, name)) for name in names] for point in points]
    return found


def _shown(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
