"""What a benchmark leaves behind: tables on the terminal, files in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench import plot, results, table
from tests.bench.results import Row
from tests.bench.soak import drawing
from tests.bench.targets import REDRIVE_TARGETS, SOAK_TARGETS, TARGETS, standings

RESULTS = "results.json"
PLOT = "results.svg"
SOAK_PLOT = "soak.svg"
FULL = "full"
"""Folder in which the newest full benchmark stays, whatever is run after it."""
SOAK = "soak"
"""The same for the newest soak."""


def clear(folder: Path) -> None:
    """Remove what an earlier run has left, so that nothing of it is taken for this one's."""
    for name in (RESULTS, PLOT, SOAK_PLOT):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "logs", ignore_errors=True)


def finish(rows: Sequence[Row], folder: Path, *, quick: bool, whole: bool) -> None:
    """Tell the results, and write them and their plots. A `whole` run is kept as the full one."""
    soaked = [row for row in rows if row.measure.startswith("soak")]
    print("", *table.lines(rows), sep="\n")
    print("", *table.extra(rows), sep="\n")
    targets = [*TARGETS, *SOAK_TARGETS] if soaked else [*TARGETS]
    if any(row.measure == "redrive" for row in rows):
        targets += REDRIVE_TARGETS
    found = standings(rows, targets)
    # Of a part of the measures only what it tells; a whole run owes an answer to all.
    print("", *(one for one in found if whole or one.reached is not None), sep="\n")
    if quick:
        print("\nA quick run is for trying things out: its sizes are small, its figures rough.")
    results.write(rows, folder / RESULTS)
    try:
        plot.draw(rows, folder / PLOT)
        drawing.draw(rows, folder / SOAK_PLOT)
    except ImportError as missing:
        print(f"\nNo plot is drawn: {missing}")
    if whole:
        _keep(folder, FULL)
    if any(row.median is not None for row in soaked) and not quick:
        _keep(folder, SOAK)
    written = [folder / name for name in (RESULTS, PLOT, SOAK_PLOT) if (folder / name).exists()]
    print(f"\nwritten: {', '.join(map(str, written))}")


def _keep(folder: Path, kind: str) -> None:
    kept = folder / kind
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in (RESULTS, PLOT, SOAK_PLOT):
        if (folder / name).exists():
            shutil.copyfile(folder / name, kept / name)
