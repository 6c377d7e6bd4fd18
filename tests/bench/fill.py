"""Fills a site's database with made-up jobs, their attempts, failed jobs and tags.

    python -m tests.bench.fill --succeeded 5000000 --scheduled 1000000 --failed 50000

writes to the database that DATABASE_URL names (PostgreSQL by `COPY`, SQLite by `executemany`),
after bringing its tables up to date. Millions take minutes, as their indexes are built at the end:
a site must not be in use meanwhile. Made-up jobs that are ready belong to no code here, so that no
worker runs them; `--noops` makes ready jobs of the benchmark's own definition instead.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from uuid import uuid4

NOOP = "tests.bench.systems.jobsite_jobs.noop"
STATES = ("succeeded", "failed", "cancelled", "ready", "scheduled")
WORKERS = 20
MANY = 200_000
"""So many jobs are shared among processes."""
TABLES = ("jobs_job", "jobs_attempt", "jobs_failedjob", "jobs_jobtag")


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    wanted = {state: getattr(given, state) for state in STATES}
    fill(wanted, noops=given.noops, days=given.days, seed=given.seed, processes=given.processes)
    return 0


def fill(
    wanted: dict[str, int],
    *,
    noops: int = 0,
    days: float = 7,
    seed: int = 1,
    processes: int | None = None,
) -> int:
    """Add so many jobs of each state to Django's database, and return how many they are.

    Told on stdout as it goes. Ends with ANALYZE, so that the planner knows what it deals with.
    On PostgreSQL many jobs are made by several processes, one for each processor by default, and
    the tables are without most of their indexes meanwhile.
    """
    from django.db import connection
    from django.utils import timezone

    total = sum(wanted.values()) + noops
    if connection.vendor != "postgresql" or total < MANY:
        processes = 1
    part = Part(wanted, noops, days, seed, timezone.now(), _workers(days), processes or cores())
    began = time.monotonic()
    if part.of == 1:
        load(part, 0)
    else:
        _load_by_many(part)
    _tell("all", total, began)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return total


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be filled in, and among how many processes it is shared."""

    wanted: dict[str, int]
    noops: int
    days: float
    seed: int
    now: dt.datetime
    workers: list[int]
    of: int


def load(part: Part, number: int) -> None:
    """Make one share, of every state."""
    from tests.bench.filling.loading import loader, moment
    from tests.bench.filling.made_up import Maker

    began = time.monotonic()
    seed = part.seed if part.of == 1 else f"{part.seed}/{number}"
    maker = Maker(part.now, part.days, part.workers, moment, seed)
    target = loader()
    for state, count in part.wanted.items():
        share = len(range(number, count, part.of))
        _tell(state, target.load(maker.jobs(state, share)), began)
    noops = target.load(maker.noops(NOOP, range(number, part.noops, part.of)))
    _tell("ready noop", noops, began)


def _load_by_many(part: Part) -> None:
    from django.db import connections

    from tests.bench.filling.indexes import set_aside

    with set_aside(TABLES):
        # A forked process must not use its parent's connection.
        connections.close_all()
        with ProcessPoolExecutor(part.of, mp_context=get_context("fork")) as pool:
            for share in [pool.submit(load, part, number) for number in range(part.of)]:
                share.result()


def _workers(days: float) -> list[int]:
    """Workers of a cluster that has stopped."""
    from django.utils import timezone

    from jobs.models import Cluster, Worker

    now = timezone.now()
    cluster = Cluster.objects.create(
        id=uuid4(),
        name="filled",
        host="filled.example",
        pid=1,
        status="stopped",
        started_at=now - dt.timedelta(days=days),
        stopped_at=now,
    )
    made = [
        Worker.objects.create(
            cluster=cluster, host=cluster.host, pid=number, stopped_at=now, exit="filled"
        )
        for number in range(2, 2 + WORKERS)
    ]
    return [worker.pk for worker in made]


def _tell(what: str, count: int, began: float) -> None:
    if count:
        print(f"{count:>12,} {what} jobs, {time.monotonic() - began:.0f} s so far", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.fill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for state in STATES:
        parser.add_argument(f"--{state}", type=_count, default=0, metavar="N")
    parser.add_argument("--noops", type=_count, default=0, metavar="N")
    parser.add_argument("--days", type=float, default=7, help="over which finished jobs spread")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, help="one for each processor by default")
    return parser


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _count(text: str) -> int:
    """A whole number, also written as 5_000_000 or 5M."""
    scaled = text[:-1] + "000000" if text[-1:] in "mM" else text
    try:
        count = int(scaled)
    except ValueError:
        count = -1
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs, such as 500000 or 5M")
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
