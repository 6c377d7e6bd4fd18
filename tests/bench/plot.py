"""Draws the results: one chart per figure, one bar per system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.results import FIGURES, Row
from tests.bench.table import HEADINGS

OURS = "#0b6e4f"
THEIRS = "#9aa5b1"


def pyplot() -> Any:
    """The drawing library, for SVG files that are the same for the same results."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "jobsite"
    from matplotlib import pyplot as plots

    return plots


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write an SVG; whiskers span all rounds. A figure that nobody has is left out."""
    shown = [name for name in FIGURES if _of(rows, name)]
    if not shown:
        return
    most = max(len(_of(rows, name)) for name in shown)
    columns = 2
    lines = -(-len(shown) // columns)
    plots = pyplot()
    figure, axes = plots.subplots(
        lines, columns, figsize=(12, lines * (1 + most * 0.3)), squeeze=False
    )
    for place, axis in enumerate(axes.flat):
        if place < len(shown):
            _bars(axis, shown[place], _of(rows, shown[place]))
        else:
            axis.axis("off")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plots.close(figure)


def _of(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row.measure == name and row.median is not None]


def _bars(axis: Any, name: str, rows: Sequence[Row]) -> None:
    lower_is_better = name.endswith(("_ms", "_mb"))
    ordered = sorted(rows, key=lambda row: row.median or 0, reverse=lower_is_better)
    medians = [row.median or 0 for row in ordered]
    below = [(row.median or 0) - (row.min or 0) for row in ordered]
    above = [(row.max or 0) - (row.median or 0) for row in ordered]
    colours = [OURS if row.system.startswith("jobsite") else THEIRS for row in ordered]
    bars = axis.barh([row.system for row in ordered], medians, xerr=[below, above], color=colours)
    axis.bar_label(bars, fmt=lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}")
    axis.set_title(HEADINGS[name] + (" (less is better)" if lower_is_better else ""))
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
