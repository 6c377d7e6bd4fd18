"""Fills a site's database with made-up jobs, their attempts, failed jobs and tags.

    python -m tests.bench.fill --succeeded 5000000 --scheduled 1000000 --failed 50000

writes to the database that DATABASE_URL names (PostgreSQL by `COPY`, SQLite by `executemany`),
after bringing its tables up to date. Made-up jobs that are ready belong to no code here, so that no
worker runs them; `--noops` makes ready jobs of the benchmark's own definition instead.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from uuid import uuid4

NOOP = "tests.bench.systems.jobsite_jobs.noop"
STATES = ("succeeded", "failed", "cancelled", "ready", "scheduled")
WORKERS = 20


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    wanted = {state: getattr(given, state) for state in STATES}
    fill(wanted, noops=given.noops, days=given.days, seed=given.seed)
    return 0


def fill(wanted: dict[str, int], *, noops: int = 0, days: float = 7, seed: int = 1) -> int:
    """Add so many jobs of each state to Django's database, and return how many they are.

    Told on stdout as it goes. Ends with ANALYZE, so that the planner knows what it deals with.
    """
    from django.db import connection
    from django.utils import timezone

    from tests.bench.filling.loading import loader, moment
    from tests.bench.filling.made_up import Maker

    began = time.monotonic()
    maker = Maker(timezone.now(), days, _workers(days), moment, seed)
    target = loader()
    total = 0
    for state, count in wanted.items():
        total += target.load(maker.jobs(state, count)) if count else 0
        _tell(state, count, began)
    if noops:
        total += target.load(maker.noops(NOOP, noops))
        _tell("ready noop", noops, began)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return total


def _workers(days: float) -> list[int]:
    """Workers of a cluster that has stopped."""
    import datetime as dt

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
    return parser


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
