"""Dramatiq on Redis, with eight threads per process (its default) or one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from tests.bench import work
from tests.bench.contract import EVERY, Job, Place, System

dramatiq.set_broker(RedisBroker(url=f"{os.environ.get('BENCH_REDIS', 'redis://127.0.0.1')}/0"))
ACTORS = {"noop": dramatiq.actor(work.noop), "write": dramatiq.actor(work.write)}


class Dramatiq(System):
    name = "dramatiq"
    title = "Dramatiq (Redis, 8 threads each)"
    packages = ("dramatiq", "redis")
    records = "nothing"
    guarantees = "at least once; a dead worker's messages come back after a minute"
    pace = 3_000
    whole = True
    rounds = EVERY
    takes_many = False
    threads = 8

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._enqueued = 0

    def prepare(self) -> None:
        """Redis needs nothing."""

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        actor = ACTORS[job]
        for number in numbers:
            actor.send(number)
        self._enqueued += len(numbers)

    def start_workers(self, processes: int) -> None:
        self.workers.start(
            *("-m", "dramatiq", "tests.bench.systems.dramatiq"),
            f"--processes={processes}",
            f"--threads={self.threads}",
        )

    def recorded(self) -> int:
        """Messages that are gone: acknowledging one deletes it."""
        with redis.Redis.from_url(f"{self.place.redis}/0") as connection:
            return self._enqueued - int(connection.hlen("dramatiq:default.msgs"))


class DramatiqSingle(Dramatiq):
    name = "dramatiq-single"
    title = "Dramatiq (Redis, 1 thread each)"
    settings = {"threads": 1}
    rounds = 1
    measures = ("drain", "drain_db")
    pace = 500
    whole = False
    threads = 1
