"""Redriving: many failed jobs retried at a rate, stopped in the middle, and resumed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import psycopg

from tests.bench.contract import System
from tests.bench.measures import WORKERS, RunFailed, Taken
from tests.bench.plan import Size
from tests.bench.systems.jobsite import Jobsite
from tests.bench.tally import Tally

PAUSE = 3.0
"""Seconds for which the operation stays stopped."""
GLANCE = 0.02
"""Seconds between two looks at the transactions that are open."""

_OURS = """
UPDATE jobs_failedjob AS failed SET
    definition = 'tests.bench.systems.jobsite_jobs.noop',
    arguments = jsonb_build_object(
        'args', jsonb_build_array(numbered.number - 1), 'kwargs', '{}'::jsonb
    ),
    options = '{}', queue = 'default'
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM jobs_failedjob) AS numbered
WHERE failed.id = numbered.id
"""
_LONGEST = """
SELECT COALESCE(EXTRACT(EPOCH FROM max(clock_timestamp() - xact_start)), 0)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def redrive(system: System, size: Size, ends_at: float) -> Taken:
    """The rate at which failed jobs run again, and the longest transaction meanwhile."""
    if not isinstance(system, Jobsite):
        raise RunFailed(f"{system.title} has no such measure")
    jobs = size.jobs
    tally = Tally.create(system.place.tally, jobs)
    system.prepare()
    from jobs.audit import Actor
    from jobs.failures import operations

    actor = Actor.of_code("benchmark")
    system.fill_failures(jobs)
    with psycopg.connect(system.place.postgres, autocommit=True) as connection:
        connection.execute(_OURS)
    system.start_workers(WORKERS)
    with _watched(system.place.postgres) as longest:
        operation = operations.start({"all": True}, actor, words="all failed jobs", rate=size.rate)
        _wait_for(tally, jobs // 2, ends_at)
        operations.stop(operation, actor)
        # What is done of the batch under way, and of the jobs that it enqueued.
        time.sleep(PAUSE)
        operation.refresh_from_db()
        stopped_at, still = operation.done, tally.executed()
        time.sleep(PAUSE)
        operation.refresh_from_db()
        if (operation.done, tally.executed()) != (stopped_at, still):
            raise RunFailed("an operation that was stopped went on")
        operations.resume(operation, actor)
        _wait_for(tally, jobs, ends_at)
    system.stop()
    if not (verdict := tally.verdict()).holds:
        raise RunFailed(str(verdict))
    figures = {
        "redrive": (_rate(tally), "jobs/s"),
        "redrive_transaction_s": (max(longest), "s"),
    }
    return Taken(figures, jobs, {"rate": size.rate, "stopped_at": stopped_at})


def _rate(tally: Tally) -> float:
    """Jobs a second, without the longest time in which none started: the operation was stopped."""
    moments = sorted(tally.started(number) or 0 for number in range(tally.jobs))
    pause = max(after - before for before, after in pairwise(moments))
    return tally.jobs / ((moments[-1] - moments[0] - pause) / 1e9)


def _wait_for(tally: Tally, jobs: int, ends_at: float) -> None:
    while tally.executed() < jobs:
        if time.monotonic() > ends_at:
            raise RunFailed(f"{jobs} jobs did not run again in time: {tally.verdict()}")
        time.sleep(0.05)


@contextmanager
def _watched(address: str) -> Iterator[list[float]]:
    """The ages of the oldest transactions that were seen in the block."""
    found, over = [0.0], threading.Event()

    def watch() -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            while not over.wait(GLANCE):
                row = connection.execute(_LONGEST).fetchone()
                assert row is not None
                found.append(row[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
