"""`python -m tests.bench`: Jobsite and its peers in turn, on the same servers."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench import child, output, results, systems
from tests.bench.contract import MEASURES, OWN_MEASURES, System
from tests.bench.measures import WORKERS
from tests.bench.options import parser, plan_of
from tests.bench.plan import WITHIN, Plan, turns
from tests.bench.processor import processor
from tests.bench.servers import Servers

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 if every run of Jobsite counted, 130 if it was interrupted."""
    given = parser(main.__doc__).parse_args(arguments)
    # A run under a time limit is to leave as much as one that is stopped by hand.
    signal.signal(signal.SIGTERM, _interrupt)
    folder = given.output.resolve()
    output.clear(folder)
    benchmark = Benchmark(plan_of(given), folder, given.quick, given.rounds)
    interrupted = False
    try:
        benchmark.run(given.systems, given.measures)
    except KeyboardInterrupt:
        interrupted = True
        print("\nInterrupted: what follows is what was found until then.", flush=True)
    rows = benchmark.results.rows()
    whole = not (given.quick or given.systems or given.measures or interrupted)
    output.finish(rows, folder, quick=given.quick, whole=whole)
    if interrupted:
        return INTERRUPTED
    return int(any(row.reason for row in rows if row.system.startswith("jobsite")))


class Benchmark:
    """Takes measures of systems, one run after the other."""

    def __init__(self, plan: Plan, folder: Path, quick: bool, rounds: int | None) -> None:
        """Without `rounds` the plan and the systems say how many there are."""
        self._plan = plan
        self._rounds = rounds
        self._folder = folder
        self._quick = quick
        self._began = time.monotonic()
        self.results = results.Results({"quick": quick})

    def run(self, names: Sequence[str], measures: Sequence[str]) -> None:
        """Without names all systems, without measures all but those that only a name asks for."""
        servers = Servers()
        try:
            servers.start()
            self.results.machine = {**_machine(), **servers.versions(), "quick": self._quick}
            wanted = measures or [*MEASURES, *OWN_MEASURES]
            classes = self._classes(names or list(systems.MODULES), wanted)
            rounds = {name: self._rounds_of(system) for name, system in classes.items()}
            for number, measure, name in turns(rounds, wanted):
                if _takes(classes[name], measure, asked=bool(measures)):
                    self._take(servers, classes[name], measure, number)
        finally:
            servers.remove()

    def _take(self, servers: Servers, system: type[System], measure: str, number: int) -> None:
        size = self._plan.size(measure, pace=system.pace, whole=system.whole)
        log = self._folder / "logs" / f"{system.name}-{measure}.log"
        try:
            with servers.place() as place:
                answer = child.run(place, system.name, measure, size, log)
        except Exception as error:
            # What one system leaves behind must not keep the others from their turn.
            answer = {"reason": f"{type(error).__name__}: {error}", "jobs": size.jobs}
        self.results.add(system.name, measure, {**answer, "round": number})
        # After each run, so that a benchmark that is stopped leaves what it has found.
        results.write(self.results.rows(), self._folder / "results.json")
        self._tell(f"{number} {measure:13} {system.name:20} {_told(answer)}")

    def _rounds_of(self, system: type[System]) -> int:
        return self._rounds or min(self._plan.rounds, system.rounds)

    def _tell(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(f"{minutes:3}:{seconds:02}  {line}", flush=True)

    def _classes(self, names: Sequence[str], measures: Sequence[str]) -> dict[str, type[System]]:
        """The systems that can run here; the others leave their reason in the results."""
        found = {}
        for name in names:
            try:
                found[name] = system = systems.find(name)
            except ImportError as missing:
                self._leave_out(name, measures, f"not installed here: {missing}")
                continue
            except Exception as error:
                reason = f"cannot be loaded here: {type(error).__name__}: {error}"
                self._leave_out(name, measures, reason)
                continue
            facts = {
                "title": system.title,
                "records": system.records,
                "guarantees": system.guarantees,
                "settings": {"workers": WORKERS, **system.settings},
            }
            self.results.describe(name, facts)
        return found

    def _leave_out(self, name: str, measures: Sequence[str], reason: str) -> None:
        self.results.describe(name, {"title": name})
        for measure in measures:
            if measure in MEASURES and WITHIN.get(measure) not in measures:
                self.results.add(name, measure, {"reason": reason})
        self._tell(f"{name}: {reason}")


def _takes(system: type[System], measure: str, *, asked: bool) -> bool:
    if measure == "enqueue_many" and not system.takes_many:
        return False
    return measure in system.measures or (asked and measure in system.on_request)


def _told(answer: dict[str, Any]) -> str:
    if answer.get("reason"):
        return f"does not count: {answer['reason']}"
    figures = ", ".join(
        f"{name} {value:,.1f} {unit}" for name, (value, unit) in answer["figures"].items()
    )
    return f"{figures} ({answer['jobs']:,} jobs, {answer['seconds']} s in all)"


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
