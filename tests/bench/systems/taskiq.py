"""TaskIQ on Redis streams, with results in Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import redis
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.bench import work
from tests.bench.contract import Job, Place, System

_REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1")

broker = RedisStreamBroker(f"{_REDIS}/0").with_result_backend(
    RedisAsyncResultBackend(f"{_REDIS}/1")
)


@broker.task("noop")
async def noop(number: int) -> None:
    work.noop(number)


@broker.task("write")
async def write(number: int) -> None:
    await work.write_with_asyncpg(number)


class TaskIQ(System):
    name = "taskiq"
    title = "TaskIQ (Redis, async)"
    packages = ("taskiq", "taskiq-redis", "redis")
    records = "result in Redis"
    guarantees = "at least once; a dead worker's messages come back after ten minutes"
    pace = 2_000
    takes_many = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._loop = asyncio.new_event_loop()

    def prepare(self) -> None:
        self._loop.run_until_complete(broker.startup())

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        self._loop.run_until_complete(self._enqueue_each(job, numbers))

    async def _enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        task = {"noop": noop, "write": write}[job]
        for number in numbers:
            await task.kiq(number)

    def start_workers(self, processes: int) -> None:
        self.workers.start(
            *("-m", "taskiq", "worker", "tests.bench.systems.taskiq:broker"),
            *(f"--workers={processes}", "--log-level=WARNING"),
        )

    def recorded(self) -> int:
        # The second database holds results and nothing else.
        with redis.Redis.from_url(f"{self.place.redis}/1") as connection:
            return int(connection.dbsize())
