"""Oban for Python on PostgreSQL, with ten coroutines per process as in its guide, or one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from oban import Oban as Instance
from oban import worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from tests.bench import work
from tests.bench.contract import EVERY, Job, Place, System

CHUNK = 1_000
"""Jobs per statement."""


@worker()
class Noop:
    async def process(self, job: Any) -> None:
        work.noop(job.args["number"])


@worker()
class Write:
    async def process(self, job: Any) -> None:
        await work.write_with_asyncpg(job.args["number"])


class Oban(System):
    name = "oban"
    title = "Oban (PostgreSQL, async, 10 each)"
    packages = ("oban", "psycopg", "uvloop")
    records = "job row with its attempts, times and errors"
    guarantees = "at least once; a dead worker's jobs are rescued within minutes"
    settings = {"queues": "default:10"}
    pace = 2_000
    whole = True
    rounds = EVERY
    limit = 10

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._loop = asyncio.new_event_loop()
        self._instance: Any = None
        self._workers = {"noop": Noop, "write": Write}

    def prepare(self) -> None:
        self._loop.run_until_complete(self._prepare())

    async def _prepare(self) -> None:
        pool = AsyncConnectionPool(self.place.postgres, min_size=1, max_size=1, open=False)
        await pool.open()
        await install(pool)
        self._instance = Instance(pool=pool)

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        self._loop.run_until_complete(self._enqueue_each(job, numbers))

    async def _enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        kind: Any = self._workers[job]
        for number in numbers:
            await self._instance.enqueue(kind.new({"number": number}))

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        self._loop.run_until_complete(self._enqueue_many(job, numbers))

    async def _enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        kind: Any = self._workers[job]
        for first in range(0, len(numbers), CHUNK):
            chunk = numbers[first : first + CHUNK]
            await self._instance.enqueue_many([kind.new({"number": number}) for number in chunk])

    def start_workers(self, processes: int) -> None:
        for _ in range(processes):
            self.workers.start(
                *("-m", "oban", "start", f"--dsn={self.place.postgres}", "--log-level=WARNING"),
                f"--queues=default:{self.limit}",
                "--cron-modules=tests.bench.systems.oban",
            )

    def recorded(self) -> int:
        return self.ask("SELECT count(*) FROM oban_jobs WHERE state = 'completed'")[0]


class ObanSingle(Oban):
    name = "oban-single"
    title = "Oban (PostgreSQL, async, 1 each)"
    settings = {"queues": "default:1"}
    rounds = 1
    measures = ("drain", "drain_db")
    pace = 700
    whole = False
    limit = 1
