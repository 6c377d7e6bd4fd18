"""Huey on Redis, with worker processes, or with threads in one process (its default)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from huey import RedisHuey

from tests.bench import work
from tests.bench.contract import Job, System
from tests.bench.tally import Tally

queue = RedisHuey("bench", url=f"{os.environ.get('BENCH_REDIS', 'redis://127.0.0.1')}/0")
TASKS = {"noop": queue.task()(work.noop), "write": queue.task()(work.write)}


class Huey(System):
    name = "huey"
    title = "Huey (Redis, processes)"
    packages = ("huey", "redis")
    records = "nothing, as the jobs return nothing"
    guarantees = "at most once; what a dead worker held is lost"
    settings = {"worker_type": "process"}
    pace = 2_500
    takes_many = False
    kind = "process"

    def prepare(self) -> None:
        """Redis needs nothing."""

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        task = TASKS[job]
        for number in numbers:
            task(number)

    def start_workers(self, processes: int) -> None:
        self.workers.start(
            *("-m", "huey.bin.huey_consumer", "tests.bench.systems.huey.queue"),
            *(f"--workers={processes}", f"--worker-type={self.kind}", "--quiet"),
        )

    def recorded(self) -> int:
        """It keeps no account, so what the jobs themselves have noted has to do."""
        return Tally(self.place.tally).executed() - int(queue.pending_count())


class HueyThreads(Huey):
    name = "huey-threads"
    title = "Huey (Redis, threads)"
    settings = {"worker_type": "thread, the default"}
    rounds = 1
    measures = ("drain", "drain_db")
    kind = "thread"
