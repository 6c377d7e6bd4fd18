"""Procrastinate on PostgreSQL, with ten coroutines per process, or one (its default)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from procrastinate import App, PsycopgConnector

from tests.bench import work
from tests.bench.contract import Job, Place, System

CHUNK = 1_000
"""Jobs per statement."""

app = App(connector=PsycopgConnector(conninfo=os.environ.get("BENCH_POSTGRES", "")))


@app.task(name="noop")
async def noop(number: int) -> None:
    work.noop(number)


@app.task(name="write")
async def write(number: int) -> None:
    await work.write_with_asyncpg(number)


class Procrastinate(System):
    name = "procrastinate"
    title = "Procrastinate (PostgreSQL, 10 coroutines each)"
    packages = ("procrastinate", "psycopg")
    records = "job row, events with their times"
    guarantees = "a dead worker's job stays as it is until code of one's own finds and retries it"
    settings = {"concurrency": 10}
    pace = 500
    concurrency = 10

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._tasks = {"noop": noop, "write": write}

    def prepare(self) -> None:
        app.open()
        app.schema_manager.apply_schema()

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        task = self._tasks[job]
        for number in numbers:
            task.defer(number=number)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        task = self._tasks[job]
        for first in range(0, len(numbers), CHUNK):
            chunk = numbers[first : first + CHUNK]
            task.batch_defer(*({"number": number} for number in chunk))

    def start_workers(self, processes: int) -> None:
        for _ in range(processes):
            self.workers.start(
                *("-m", "procrastinate", "--app=tests.bench.systems.procrastinate.app"),
                *("--log-level=warning", "worker", f"--concurrency={self.concurrency}"),
            )

    def stop(self) -> None:
        super().stop()
        app.close()

    def recorded(self) -> int:
        return self.ask("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'")[0]


class ProcrastinateSingle(Procrastinate):
    name = "procrastinate-single"
    title = "Procrastinate (PostgreSQL, 1 coroutine each)"
    settings = {}
    rounds = 1
    measures = ("drain", "drain_db")
    pace = 300
    concurrency = 1
