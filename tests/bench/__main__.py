"""`python -m tests.bench`: Jobsite and its peers in turn, on the same servers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from typing import Any

from tests.bench import plot, results, systems, table
from tests.bench.contract import MEASURES, OWN_MEASURES, System
from tests.bench.measures import WORKERS
from tests.bench.plan import FULL, QUICK, Plan, turns
from tests.bench.processor import processor
from tests.bench.servers import Servers
from tests.bench.targets import standings
from tests.bench.workers import ROOT

FOLDER = ROOT / "build" / "bench"
SPARE = 3600.0
"""Seconds beyond its deadline for what a run does before it measures: filling a ledger."""


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 if every run of Jobsite counted."""
    given = _parser().parse_args(arguments)
    plan = QUICK if given.quick else FULL
    rounds = given.rounds or plan.rounds
    servers = Servers()
    try:
        servers.start()
        machine = {**_machine(), **servers.versions(), "quick": given.quick}
        collected = results.Results(machine)
        classes = _classes(given.systems, given.measures, collected)
        for number, measure, name in turns(rounds, list(classes), given.measures):
            system = classes[name]
            if measure in system.measures and (measure != "enqueue_many" or system.takes_many):
                answer = _run(servers, system, measure, plan)
                collected.add(name, measure, answer)
                print(f"{number}/{rounds} {measure:13} {name:20} {_told(answer)}", flush=True)
                # After each run, so that a benchmark that is stopped leaves what it has found.
                results.write(collected.rows(), FOLDER / "results.json")
    finally:
        servers.remove()
    rows = collected.rows()
    print("", *table.lines(rows), sep="\n")
    print("", *table.extra(rows), sep="\n")
    print("", *standings(rows), sep="\n")
    plot.draw(rows, FOLDER / "results.svg")
    print(f"\nwritten: {FOLDER / 'results.json'}, {FOLDER / 'results.svg'}")
    return int(any(row.reason for row in rows if row.system.startswith("jobsite")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("--systems", type=_names(tuple(systems.MODULES)), default="")
    parser.add_argument("--measures", type=_names(MEASURES, OWN_MEASURES), default="")
    parser.add_argument("--rounds", type=int, help="how often each measure is taken")
    parser.add_argument("--quick", action="store_true", help="one small round, to try it out")
    return parser


def _names(known: tuple[str, ...], more: tuple[str, ...] = ()) -> Any:
    """Reads names with commas between them; none are all that are known, without the `more`."""

    def names(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name] or list(known)
        for name in chosen:
            if name not in (*known, *more):
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known + more)}")
        return chosen

    return names


def _classes(
    names: list[str], measures: list[str], collected: results.Results
) -> dict[str, type[System]]:
    """The systems that can run here; the others leave their reason in the results."""
    found = {}
    for name in names:
        try:
            found[name] = system = systems.find(name)
        except ImportError as missing:
            collected.describe(name, {"title": name})
            for measure in measures:
                collected.add(name, measure, {"reason": f"not installed here: {missing}"})
            print(f"{name}: not installed here: {missing}", flush=True)
            continue
        facts = {
            "title": system.title,
            "records": system.records,
            "guarantees": system.guarantees,
            "settings": {"workers": WORKERS, **system.settings},
        }
        collected.describe(name, facts)
    return found


def _run(servers: Servers, system: type[System], measure: str, plan: Plan) -> dict[str, Any]:
    jobs = plan.jobs(measure, system.pace)
    with servers.place() as place:
        answer = place.folder / "answer.json"
        command = [
            *(sys.executable, "-m", "tests.bench.run_one", system.name, measure),
            *(f"--jobs={jobs}", f"--deadline={plan.deadline}", f"--answer={answer}"),
        ]
        log = FOLDER / "logs" / f"{system.name}-{measure}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with log.open("wb") as output:
            done = subprocess.run(
                command,
                env={**os.environ, **place.environment()},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=plan.deadline + SPARE,
            )
        workers_log = place.folder / "workers.log"
        if workers_log.exists():
            with log.open("ab") as output:
                output.write(workers_log.read_bytes())
        if not answer.exists():
            return {"reason": f"the run ended with exit code {done.returncode}: {log}"}
        found: dict[str, Any] = json.loads(answer.read_text())
        return {"jobs": jobs, **found, "seconds": round(time.monotonic() - started, 1)}


def _told(answer: dict[str, Any]) -> str:
    if answer.get("reason"):
        return f"does not count: {answer['reason']}"
    figures = ", ".join(
        f"{name} {value:,.1f} {unit}" for name, (value, unit) in answer["figures"].items()
    )
    return f"{figures} ({answer['jobs']} jobs, {answer['seconds']} s in all)"


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
