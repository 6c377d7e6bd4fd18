"""Draws a soak: the rate of its bursts, the size of the ledger, and memory, over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.plot import OURS, THEIRS, pyplot
from tests.bench.results import Row
from tests.bench.soak.points import Point, points_of

FLAT = 0.1
"""The part of the first rate by which a later one may differ and still count as the same."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write an SVG; without a soak among the results, nothing."""
    points = points_of(rows)
    if not points:
        return
    plots = pyplot()
    figure, axes = plots.subplots(1, 3, figsize=(12, 3.2))
    minutes = [point.minute for point in points]
    _rates(axes[0], minutes, points)
    axes[1].plot(minutes, [point.tables_mb for point in points], color=OURS, label="tables")
    axes[1].plot(minutes, [point.indexes_mb for point in points], color=THEIRS, label="indexes")
    axes[1].set_title("ledger, MB")
    axes[1].legend()
    axes[2].plot(minutes, [point.pss_mb for point in points], color=OURS)
    axes[2].set_title("memory of the cluster, MB")
    for axis in axes:
        axis.set_xlabel("minutes")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plots.close(figure)


def _rates(axis: Any, minutes: Sequence[float], points: Sequence[Point]) -> None:
    first = points[0].rate
    axis.axhspan(first * (1 - FLAT), first * (1 + FLAT), color=THEIRS, alpha=0.3)
    axis.plot(minutes, [point.rate for point in points], color=OURS, marker="o")
    axis.set_title("bursts, jobs/s")
