"""Takes one measure of one system, once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.bench.contract import Job, System
from tests.bench.plan import Size
from tests.bench.summary import percentile
from tests.bench.tally import Tally

WORKERS = 2
WARM_UP = 20
"""Jobs that run before a pickup is measured, so that everything is loaded and connected."""
SETTLING = 2.0
"""Seconds without work after which a cluster counts as idle."""


class RunFailed(Exception):
    """A run that does not count; the message says why."""


@dataclass(slots=True)
class Taken:
    """What one run has yielded: figures by measure, and what is worth knowing of them."""

    figures: dict[str, tuple[float, str]]
    """Value and unit."""
    jobs: int
    notes: dict[str, Any] = field(default_factory=dict)


def take(system: System, measure: str, size: Size) -> Taken:
    """Take a measure. Raises RunFailed if a job was lost, doubled, or not done in time."""
    from tests.bench.own import OWN
    from tests.bench.redriving import redrive
    from tests.bench.soak.course import soak

    measures = {**_MEASURES, **OWN, "soak": soak, "redrive": redrive}
    ends_at = time.monotonic() + size.deadline
    try:
        return measures[measure](system, size, ends_at)
    finally:
        system.stop()


def _drain(system: System, size: Size, ends_at: float) -> Taken:
    return _drain_of(system, "noop", "drain", size.jobs, ends_at)


def _drain_db(system: System, size: Size, ends_at: float) -> Taken:
    return _drain_of(system, "write", "drain_db", size.jobs, ends_at)


def _drain_of(system: System, job: Job, measure: str, jobs: int, ends_at: float) -> Taken:
    """From the start of the first job until the system has recorded the last one."""
    tally = Tally.create(system.place.tally, jobs)
    system.prepare()
    if job == "write":
        system.prepare_writes()
    system.fill(job, range(jobs))
    launched = time.monotonic_ns()
    system.start_workers(WORKERS)
    wait(system, lambda: tally.executed() >= jobs, ends_at, lambda: str(tally.verdict()))
    # Only now is the system asked: questions in between would slow it down.
    wait(
        system,
        lambda: system.recorded() >= jobs,
        ends_at,
        lambda: f"{system.recorded()} of {jobs} jobs were recorded as done",
    )
    done = time.monotonic_ns()
    began = tally.first_start()
    assert began is not None
    recorded = system.recorded()
    system.stop()
    _check(system, job, tally, recorded)
    rate = jobs / ((done - began) / 1e9)
    return Taken(
        {measure: (rate, "jobs/s")}, jobs, {"startup_s": round((began - launched) / 1e9, 2)}
    )


def _check(system: System, job: Job, tally: Tally, recorded: int) -> None:
    verdict = tally.verdict()
    if not verdict.holds:
        raise RunFailed(str(verdict))
    if recorded != verdict.jobs:
        raise RunFailed(f"{recorded} of {verdict.jobs} jobs were recorded as done")
    if job == "write":
        rows, numbers = system.written()
        if (rows, numbers) != (verdict.jobs, verdict.jobs):
            raise RunFailed(f"{verdict.jobs} jobs wrote {rows} rows with {numbers} numbers")


def _pickup(system: System, size: Size, ends_at: float) -> Taken:
    """From the call that enqueues a job to its first statement, while every worker is idle."""
    jobs = size.jobs
    tally = Tally.create(system.place.tally, WARM_UP + jobs)
    system.prepare()
    start_warm(system, tally, ends_at)
    # Before the jobs that are waited for, so that this is the figure of `pss`.
    memory, processes = _memory(system)
    waits = []
    for number in range(WARM_UP, WARM_UP + jobs):
        # At no fixed beat, or a poller would meet it at the same phase each time.
        time.sleep(random.uniform(0.02, 0.08))
        called = time.monotonic_ns()
        system.enqueue_each("noop", [number])
        waits.append((_start_of(number, system, tally, ends_at) - called) / 1e6)
    system.stop()
    if not (verdict := tally.verdict()).holds:
        raise RunFailed(str(verdict))
    figures = {
        "pickup_p50_ms": (percentile(waits, 0.5), "ms"),
        "pickup_p99_ms": (percentile(waits, 0.99), "ms"),
        "pss_mb": (memory, "MB"),
    }
    return Taken(figures, jobs, {"samples": jobs, "processes": processes})


def _start_of(number: int, system: System, tally: Tally, ends_at: float) -> int:
    def told() -> str:
        return f"job {number} was not picked up"

    wait(system, lambda: tally.started(number), ends_at, told, interval=0.0005)
    started = tally.started(number)
    assert started is not None
    return started


def _enqueue(system: System, size: Size, ends_at: float) -> Taken:
    """One call after the other, each committed; nobody works meanwhile."""
    return _time_enqueueing(system, "enqueue", system.enqueue_each, size.jobs)


def _enqueue_many(system: System, size: Size, ends_at: float) -> Taken:
    return _time_enqueueing(system, "enqueue_many", system.enqueue_many, size.jobs)


def _time_enqueueing(
    system: System, measure: str, enqueue: Callable[..., None], jobs: int
) -> Taken:
    Tally.create(system.place.tally, jobs + 1)
    system.prepare()
    # The first call connects and imports.
    system.enqueue_each("noop", [jobs])
    began = time.monotonic()
    enqueue("noop", range(jobs))
    seconds = time.monotonic() - began
    return Taken({measure: (jobs / seconds, "jobs/s")}, jobs)


def _pss(system: System, size: Size, ends_at: float) -> Taken:
    """Memory of the whole tree once everything is loaded and nothing is left to do."""
    tally = Tally.create(system.place.tally, WARM_UP)
    system.prepare()
    start_warm(system, tally, ends_at)
    memory, processes = _memory(system)
    return Taken({"pss_mb": (memory, "MB")}, WARM_UP, {"processes": processes})


def _memory(system: System) -> tuple[float, int]:
    """Megabytes of the whole tree, and how many processes it has."""
    return system.workers.pss() / 1024**2, len(system.workers.tree())


def start_warm(system: System, tally: Tally, ends_at: float) -> None:
    """Start workers, let them run some jobs, and wait until they have settled."""
    system.start_workers(WORKERS)
    system.enqueue_each("noop", range(WARM_UP))
    wait(system, lambda: tally.executed() >= WARM_UP, ends_at, lambda: str(tally.verdict()))
    time.sleep(SETTLING)


def wait(
    system: System,
    condition: Callable[[], object],
    ends_at: float,
    told: Callable[[], str],
    interval: float = 0.005,
) -> None:
    """Return when the condition holds. Raises RunFailed with what is told when time is over, or
    when a program of the system has ended."""
    asked = 0
    while not condition():
        asked += 1
        if time.monotonic() > ends_at:
            raise RunFailed(f"not done in time: {told()}")
        if asked % 200 == 0 and (ended := system.workers.ended()):
            raise RunFailed(ended)
        time.sleep(interval)


_MEASURES: dict[str, Callable[[System, Size, float], Taken]] = {
    "drain": _drain,
    "drain_db": _drain_db,
    "pickup": _pickup,
    "enqueue": _enqueue,
    "enqueue_many": _enqueue_many,
    "pss": _pss,
}
