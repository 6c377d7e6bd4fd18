"""PgQueuer on PostgreSQL: coroutines in two processes, as its command line starts them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer as Application
from pgqueuer.adapters.cli import supervisor
from pgqueuer.models import Job as PgQueuerJob
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from tests.bench import work
from tests.bench.contract import EVERY, Job, Place, System

CHUNK = 5_000
"""Jobs per statement; it names no number of its own."""


@asynccontextmanager
async def application() -> AsyncIterator[Application]:
    """What a worker runs."""
    pool = await asyncpg.create_pool(os.environ["BENCH_POSTGRES"], min_size=2, max_size=10)
    app = Application.from_asyncpg_pool(pool)

    @app.entrypoint("noop")
    async def noop(job: PgQueuerJob) -> None:
        work.noop(int(job.payload or b""))

    @app.entrypoint("write")
    async def write(job: PgQueuerJob) -> None:
        await work.write_with_asyncpg(int(job.payload or b""))

    async with pool:
        yield app


class PgQueuer(System):
    name = "pgqueuer"
    title = "PgQueuer (PostgreSQL, async)"
    packages = ("pgqueuer", "asyncpg", "uvloop")
    records = "log row: job, status, time; the job's own row is deleted"
    guarantees = "at least once; a dead worker's jobs are taken over after 30 s"
    pace = 8_000
    whole = True
    rounds = EVERY
    batch = 10

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._loop = asyncio.new_event_loop()
        self._queries: Queries | None = None

    def prepare(self) -> None:
        self._loop.run_until_complete(self._prepare())

    async def _prepare(self) -> None:
        pool = await asyncpg.create_pool(self.place.postgres, min_size=1, max_size=1)
        self._queries = Queries.from_asyncpg_pool(pool)
        await self._queries.install()

    @property
    def queries(self) -> Queries:
        assert self._queries is not None
        return self._queries

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        self._loop.run_until_complete(self._enqueue_each(job, numbers))

    async def _enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        for number in numbers:
            await self.queries.enqueue(job, b"%d" % number)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        self._loop.run_until_complete(self._enqueue_many(job, numbers))

    async def _enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        for first in range(0, len(numbers), CHUNK):
            chunk = numbers[first : first + CHUNK]
            payloads: list[bytes | None] = [b"%d" % number for number in chunk]
            await self.queries.enqueue([job] * len(chunk), payloads, [0] * len(chunk))

    def start_workers(self, processes: int) -> None:
        for _ in range(processes):
            self.workers.start("-m", "tests.bench.systems.pgqueuer", str(self.batch))

    def recorded(self) -> int:
        return self.ask("SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")[0]


class PgQueuerBatched(PgQueuer):
    name = "pgqueuer-batched"
    title = "PgQueuer (PostgreSQL, async, best batch size)"
    settings = {"batch_size": 2000}
    measures = ("drain", "drain_db")
    pace = 20_000
    batch = 2000


def work_for_ever(batch: int) -> None:
    """What `pgq run` does with its defaults, which itself fails under newer versions of typer."""
    uvloop.run(
        supervisor.run(
            application,
            dequeue_timeout=timedelta(seconds=30),
            batch_size=batch,
            restart_delay=timedelta(seconds=5),
            restart_on_failure=False,
            mode=QueueExecutionMode.continuous,
            max_concurrent_tasks=None,
            shutdown_on_listener_failure=False,
            heartbeat_timeout=timedelta(seconds=30),
        )
    )


if __name__ == "__main__":
    work_for_ever(int(sys.argv[1]))
