"""The results as tables: for the terminal, and as Markdown for docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.results import FIGURES, Row
from tests.bench.soak.points import cells, points_of

NONE = "\N{EN DASH}"
HEADINGS = {
    "drain": "no-op jobs/s",
    "drain_db": "jobs with a write/s",
    "pickup_p50_ms": "pickup p50 ms",
    "pickup_p99_ms": "pickup p99 ms",
    "enqueue": "enqueue one by one/s",
    "enqueue_many": "enqueue many/s",
    "pss_mb": "idle memory MB",
}


def figure(row: Row | None) -> str:
    """A median with its spread: `1,234 ±5 %`."""
    if row is None or row.median is None:
        return NONE
    shown = f"{row.median:,.0f}" if row.median >= 100 else f"{row.median:.1f}"
    if row.rounds > 1 and row.min is not None and row.max is not None:
        half = (row.max - row.min) / 2 / row.median if row.median else 0.0
        return f"{shown} ±{half:.0%}"
    return shown


def lines(rows: Sequence[Row]) -> list[str]:
    """The table for the terminal, and below it what did not count and why."""
    found = [["system", *(HEADINGS[name] for name in FIGURES)]]
    for system, of_system in _by_system(rows).items():
        if not of_system.keys() & set(FIGURES):
            continue
        found.append([system, *(figure(of_system.get(name)) for name in FIGURES)])
    told = _aligned(found) if len(found) > 1 else []
    return [*told, *reasons(rows)]


def _aligned(found: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in found) for column in range(len(found[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in found
    ]


def extra(rows: Sequence[Row]) -> list[str]:
    """One line for each figure that has no column, and a table of the soak."""
    told = [
        f"{row.system}, {row.measure}: {figure(row)} {row.unit}{_noted(row)}"
        for row in rows
        if row.measure not in FIGURES and row.median is not None
    ]
    if points := points_of(rows):
        told += ["", *_aligned(cells(points))]
    return told


def _noted(row: Row) -> str:
    """What is worth knowing of a figure, without whole series."""
    notes = [
        f"{name} {value:,}" for name, value in row.notes.items() if isinstance(value, int | float)
    ]
    return f" ({', '.join(notes)})" if notes else ""


def reasons(rows: Sequence[Row]) -> list[str]:
    """One line for each figure with a run that does not count."""
    return [
        f"{row.system}, {row.measure}: {row.reason.splitlines()[0]}" for row in rows if row.reason
    ]


def markdown(rows: Sequence[Row]) -> list[str]:
    """The table for the documentation."""
    told = [
        "| system | " + " | ".join(HEADINGS[name] for name in FIGURES) + " |",
        "|---|" + "---:|" * len(FIGURES),
    ]
    for of_system in _by_system(rows).values():
        title = next(iter(of_system.values())).title
        cells = " | ".join(figure(of_system.get(name)) for name in FIGURES)
        told.append(f"| {title} | {cells} |")
    return told


def grid(lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table of figures under headings."""
    told = ["| " + " | ".join(cells) + " |" for cells in lines]
    return [told[0], "|" + "---:|" * len(lines[0]), *told[1:]]


def guarantees(rows: Sequence[Row]) -> list[str]:
    """What each system keeps and promises, as a Markdown table."""
    told = [
        "| system | keeps of a job that succeeded | when a worker dies | set otherwise |",
        "|---|---|---|---|",
    ]
    for of_system in _by_system(rows).values():
        one = next(iter(of_system.values()))
        settings = ", ".join(f"`{name}`: {value}" for name, value in one.settings.items()) or NONE
        told.append(f"| {one.title} | {one.records} | {one.guarantees} | {settings} |")
    return told


def _by_system(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.system, {})[row.measure] = row
    return found
