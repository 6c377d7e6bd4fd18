"""Results: what the runs have yielded, and the rows of build/bench/results.json."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.summary import summarize

FIGURES = (
    "drain",
    "drain_db",
    "pickup_p50_ms",
    "pickup_p99_ms",
    "enqueue",
    "enqueue_many",
    "pss_mb",
)
OF_MEASURE = {
    "pickup": ("pickup_p50_ms", "pickup_p99_ms", "pss_mb"),
    "pss": ("pss_mb",),
    "pss_after": ("pss_after_mb",),
    "idle": ("idle_percent",),
    "short_beside_long": ("short_p50_ms", "short_p99_ms"),
    "redrive": ("redrive", "redrive_transaction_s"),
    "soak": ("soak_first", "soak_last", "soak_ratio"),
}
"""The figures that a measure gives, where they are not named like it."""


def figures_of(measure: str) -> tuple[str, ...]:
    return OF_MEASURE.get(measure, (measure,))


@dataclass(slots=True)
class Row:
    """One figure of one system. `median` is None where no round counts; `reason` says why."""

    system: str
    measure: str
    median: float | None
    min: float | None
    max: float | None
    unit: str
    rounds: int
    jobs: int
    values: list[float] = field(default_factory=list)
    in_rounds: list[int] = field(default_factory=list)
    """The number of the round of each value, from 1."""
    reason: str = ""
    title: str = ""
    records: str = ""
    guarantees: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)


class Results:
    """Collects the answers of runs."""

    def __init__(self, machine: dict[str, Any]) -> None:
        self.machine = machine
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._facts: dict[str, dict[str, Any]] = {}

    def describe(self, system: str, facts: dict[str, Any]) -> None:
        """Title, records, guarantees and settings of a system."""
        self._facts[system] = facts

    def add(self, system: str, measure: str, answer: dict[str, Any]) -> None:
        self._answers[system, measure].append(answer)

    def rows(self) -> list[Row]:
        """A row for each figure of each system; a round that failed leaves its reason."""
        found = []
        for (system, measure), answers in self._answers.items():
            facts = self._facts.get(system, {})
            found += [
                _row(system, figure, answers, facts, self.machine) for figure in figures_of(measure)
            ]
        return found


def _row(
    system: str,
    figure: str,
    answers: Sequence[dict[str, Any]],
    facts: dict[str, Any],
    machine: dict[str, Any],
) -> Row:
    counted = [answer for answer in answers if figure in answer.get("figures", {})]
    values = [float(answer["figures"][figure][0]) for answer in counted]
    summary = summarize(values) if values else None
    reasons = [answer["reason"] for answer in answers if answer.get("reason")]
    newest = answers[-1]
    return Row(
        system=system,
        measure=figure,
        median=summary.median if summary else None,
        min=summary.min if summary else None,
        max=summary.max if summary else None,
        unit=counted[0]["figures"][figure][1] if counted else "",
        rounds=len(values),
        jobs=counted[0]["jobs"] if counted else newest.get("jobs", 0),
        values=values,
        in_rounds=[answer.get("round", 1) for answer in counted],
        reason="; ".join(dict.fromkeys(reasons)),
        versions=newest.get("versions", {}),
        notes=counted[-1].get("notes", {}) if counted else {},
        machine=machine,
        **facts,
    )


def write(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def read(path: Path) -> list[Row]:
    """Raises FileNotFoundError where no benchmark has been run."""
    return [Row(**row) for row in json.loads(path.read_text())]
