"""What only Jobsite is asked: how it ages, what it costs at rest, who waits for whom."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from tests.bench.contract import System
from tests.bench.cpu_time import cpu_seconds
from tests.bench.measures import (
    SETTLING,
    WARM_UP,
    WORKERS,
    RunFailed,
    Taken,
    start_warm,
    wait,
)
from tests.bench.plan import Size
from tests.bench.summary import percentile
from tests.bench.systems.jobsite import AGE, Jobsite
from tests.bench.tally import Tally

LONG = 1.0
"""Seconds that the long job takes."""
SHORT = 40
"""Short jobs that come with each long one."""


def _drain_aged(system: System, size: Size, ends_at: float) -> Taken:
    """The rate at which the first jobs of a deep queue are done, in a ledger full of others."""
    jobs, wanted = size.jobs, size.drained
    tally = Tally.create(system.place.tally, jobs)
    system.prepare()
    began_to_fill = time.monotonic()
    _ours(system).age(jobs)
    filled = time.monotonic() - began_to_fill
    before = system.recorded()
    # Filling takes as long as it takes.
    ends_at = time.monotonic() + size.deadline
    system.start_workers(WORKERS)
    # Counting a million takes its time too.
    ran = tally.executed
    wait(system, lambda: ran() >= wanted, ends_at, lambda: str(tally.verdict()), interval=0.02)
    done = time.monotonic_ns()
    began = tally.first_start()
    assert began is not None
    rate = wanted / ((done - began) / 1e9)
    system.stop()
    if doubled := tally.verdict().doubled:
        raise RunFailed(f"of {wanted} jobs {doubled} ran more than once")
    executed, recorded = tally.executed(), system.recorded() - before
    if recorded != executed:
        raise RunFailed(f"{executed} jobs ran and {recorded} were recorded as done")
    notes = {
        "ready": jobs,
        "scheduled": jobs,
        "finished": AGE * jobs,
        "filling_s": round(filled, 1),
    }
    return Taken({"drain_aged": (rate, "jobs/s")}, wanted, notes)


def _pss_after(system: System, size: Size, ends_at: float) -> Taken:
    """Memory once many jobs have run, beside what it was before."""
    jobs = size.jobs
    tally = Tally.create(system.place.tally, WARM_UP + jobs)
    system.prepare()
    start_warm(system, tally, ends_at)
    before = system.workers.pss() / 1024**2
    system.enqueue_many("noop", range(WARM_UP, WARM_UP + jobs))
    wait(system, lambda: tally.executed() >= tally.jobs, ends_at, lambda: str(tally.verdict()))
    time.sleep(SETTLING)
    after = system.workers.pss() / 1024**2
    return Taken({"pss_after_mb": (after, "MB")}, jobs, {"before_mb": round(before, 1)})


def _idle(system: System, size: Size, ends_at: float) -> Taken:
    """Processor time of a cluster at rest and of its database, as a share of one core."""
    tally = Tally.create(system.place.tally, WARM_UP)
    system.prepare()
    start_warm(system, tally, ends_at)
    database = psutil.Process(system.place.postgres_pid)
    processes = [*system.workers.tree(), database, *database.children(recursive=True)]
    spent = cpu_seconds(processes)
    time.sleep(size.seconds)
    spent = cpu_seconds(processes) - spent
    notes = {"seconds": size.seconds}
    return Taken({"idle_percent": (100 * spent / size.seconds, "% of one core")}, WARM_UP, notes)


def _short_beside_long(system: System, size: Size, ends_at: float) -> Taken:
    """How long short jobs wait that come with a long one, while a second worker is free."""
    bursts = -(-size.jobs // SHORT)
    tally = Tally.create(system.place.tally, WARM_UP + bursts * SHORT)
    system.prepare()
    start_warm(system, tally, ends_at)
    waits = []
    for first in range(WARM_UP, tally.jobs, SHORT):
        numbers = range(first, first + SHORT)
        called = time.monotonic_ns()
        system.enqueue_many("noop", numbers[: SHORT // 4])
        _ours(system).enqueue_long(LONG)
        system.enqueue_many("noop", numbers[SHORT // 4 :])
        wait(system, _all_started(tally, numbers), ends_at, lambda: str(tally.verdict()))
        waits += [((tally.started(number) or 0) - called) / 1e6 for number in numbers]
        # The long one has to end before the next comes.
        time.sleep(LONG)
    figures = {
        "short_p50_ms": (percentile(waits, 0.5), "ms"),
        "short_p99_ms": (percentile(waits, 0.99), "ms"),
    }
    return Taken(figures, len(waits), {"long_jobs": bursts, "long_s": LONG})


def _all_started(tally: Tally, numbers: range) -> Callable[[], bool]:
    return lambda: all(tally.started(number) for number in numbers)


def _ours(system: System) -> Jobsite:
    if not isinstance(system, Jobsite):
        raise RunFailed(f"{system.title} has no such measure")
    return system


OWN: dict[str, Callable[[System, Size, float], Taken]] = {
    "drain_aged": _drain_aged,
    "pss_after": _pss_after,
    "idle": _idle,
    "short_beside_long": _short_beside_long,
}
