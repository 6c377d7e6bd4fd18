"""Where the time of a no-op job goes: `python -m tests.bench.anatomy`.

One worker of the real kind, in this process, drains a queue. Processor time is taken apart into
what Python and what the worker's PostgreSQL process use for claiming and for finishing, and what
Python needs to run a job in between; the rest of the clock is waiting for the disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.support.servers import PostgresServer

if TYPE_CHECKING:
    from jobs.ledger import Ledger

SIZES = (1, 10, 100, 500)
JOBS = 100_000
FEWER = 2_000
"""Where each is claimed by itself."""
HEAD = ("claimed at once", "claim, PostgreSQL", "claim, Python", "run", "finish, PostgreSQL")
TAIL = ("finish, Python", "waiting", "in all", "jobs/s")


@dataclass
class Spent:
    """Seconds of processor time."""

    python: float = 0.0
    database: float = 0.0


class Meter:
    """Wraps two methods of a ledger, and adds up what is spent inside them."""

    def __init__(self, ledger: Ledger) -> None:
        with ledger.connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._backend = psutil.Process(cursor.fetchone()[0])
        self.claim, self.finish = Spent(), Spent()
        for name, spent in (("claim", self.claim), ("complete", self.finish)):
            setattr(ledger, name, self._metered(getattr(ledger, name), spent))

    def _metered(self, method: Callable[..., Any], spent: Spent) -> Callable[..., Any]:
        def metered(*args: Any, **kwargs: Any) -> Any:
            python, database = time.process_time(), self._database()
            try:
                return method(*args, **kwargs)
            finally:
                # Reading a process's time is itself not of interest.
                spent.python += time.process_time() - python
                spent.database += self._database() - database

        return metered

    def _database(self) -> float:
        times = self._backend.cpu_times()
        return float(times.user + times.system)


def main() -> int:
    import django

    server = PostgresServer(durable=True).start()
    folder = tempfile.mkdtemp(prefix="jobsite-bench-")
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.bench.systems.jobsite_settings",
        "DATABASE_URL": server.create("bench"),
        "BENCH_FOLDER": folder,
        "BENCH_TALLY": str(Path(folder, "tally")),
    }
    django.setup()
    try:
        from django.core.management import call_command

        from tests.bench.tally import Tally

        call_command("migrate", verbosity=0)
        # Each size has the same jobs note themselves again; here nobody counts them.
        Tally.create(Path(os.environ["BENCH_TALLY"]), JOBS)
        print("Microseconds per job:\n")
        print(_line((*HEAD, *TAIL)))
        print(_line(["---:"] * len((*HEAD, *TAIL))))
        for size in SIZES:
            print(_line(_measure(size, FEWER if size == 1 else JOBS)), flush=True)
    finally:
        server.remove()
    return 0


def _line(cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _measure(size: int, jobs: int) -> list[str]:
    from django.test import override_settings

    from jobs.cluster import journals
    from jobs.cluster.identity import Identity
    from jobs.cluster.wake import Wake
    from jobs.cluster.worker import Mode, Worker
    from jobs.conf import Pool
    from tests.bench.systems import jobsite_jobs

    jobsite_jobs.noop.enqueue_many(range(jobs))
    pool = Pool(name="default", timeout=60)
    identity = Identity(name="anatomy", pools=(pool,))
    path = journals.create(identity.id)
    with override_settings(JOBS_CLAIM_SIZE=size):
        worker = Worker(identity, pool, journals.slot_of(path), Wake(), journal=path)
        meter = Meter(worker._session._current())
        began, python = time.perf_counter(), time.process_time()
        worker.run(Mode.UNTIL_EMPTY)
        took, python = time.perf_counter() - began, time.process_time() - python
    journals.remove(path)
    run = python - meter.claim.python - meter.finish.python
    database = meter.claim.database + meter.finish.database
    parts = [
        meter.claim.database, meter.claim.python, run, meter.finish.database,
        meter.finish.python, took - python - database, took,
    ]  # fmt: skip
    return [
        str(size),
        *(f"{1e6 * part / jobs:,.0f}" for part in parts),
        f"{jobs / took:,.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
