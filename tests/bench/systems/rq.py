"""RQ on Redis, with workers that run jobs themselves, or that fork for each job (its default)."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from rq import Queue
from rq.registry import FinishedJobRegistry

from tests.bench import work
from tests.bench.contract import Job, Place, System

FUNCTIONS = {"noop": work.noop, "write": work.write}
CHUNK = 1_000
"""Jobs per pipeline."""


class RQ(System):
    name = "rq"
    title = "RQ (Redis, SimpleWorker)"
    packages = ("rq", "redis")
    records = "job and result in Redis, for 500 s"
    guarantees = "a dead worker's job is marked failed, and not run again unless told to"
    settings = {"worker_class": "SimpleWorker"}
    pace = 400
    worker_class = "rq.SimpleWorker"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._queue = Queue(connection=redis.Redis.from_url(f"{place.redis}/0"))

    def prepare(self) -> None:
        """Redis needs nothing."""

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        function = FUNCTIONS[job]
        for number in numbers:
            self._queue.enqueue(function, number)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        function = FUNCTIONS[job]
        for first in range(0, len(numbers), CHUNK):
            chunk = numbers[first : first + CHUNK]
            self._queue.enqueue_many(
                [Queue.prepare_data(function, args=(number,)) for number in chunk]
            )

    def start_workers(self, processes: int) -> None:
        for _ in range(processes):
            self.workers.start(
                *("-m", "rq.cli", "worker", f"--url={self.place.redis}/0", "--quiet"),
                f"--worker-class={self.worker_class}",
            )

    def recorded(self) -> int:
        return int(FinishedJobRegistry(queue=self._queue).count)


class RQForking(RQ):
    name = "rq-forking"
    title = "RQ (Redis, a fork per job)"
    settings = {}
    rounds = 1
    measures = ("drain", "drain_db")
    pace = 100
    worker_class = "rq.Worker"
