"""Celery on Redis, acknowledging late (a dead worker's task runs again) or early (the default)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import redis
from celery import Celery

from tests.bench import work
from tests.bench.contract import EVERY, Job, System

LATE = "BENCH_CELERY_LATE"
_REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1")

app = Celery("bench", broker=f"{_REDIS}/0", backend=f"{_REDIS}/1")
app.conf.task_acks_late = os.environ.get(LATE) == "1"
app.task(name="noop")(work.noop)
app.task(name="write")(work.write)


class CeleryLate(System):
    name = "celery"
    title = "Celery (Redis, acks_late)"
    packages = ("celery", "kombu", "redis")
    records = "result in Redis, for a day"
    guarantees = "at least once; a dead worker's task comes back after an hour (visibility_timeout)"
    settings = {"task_acks_late": True, "result_backend": "Redis"}
    pace = 1_400
    whole = True
    rounds = EVERY
    takes_many = False
    late = True

    def prepare(self) -> None:
        app.set_default()

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        task = app.tasks[job]
        for number in numbers:
            task.delay(number)

    def start_workers(self, processes: int) -> None:
        self.workers.start(
            *("-m", "celery", "-A", "tests.bench.systems.celery", "worker"),
            *(f"--concurrency={processes}", "--loglevel=WARNING"),
            **{LATE: "1" if self.late else "0"},
        )

    def recorded(self) -> int:
        # The second database holds results and nothing else.
        with redis.Redis.from_url(f"{self.place.redis}/1") as connection:
            return int(connection.dbsize())


class CeleryEarly(CeleryLate):
    name = "celery-early"
    title = "Celery (Redis, acks early)"
    guarantees = "at most once; a dead worker's tasks are lost"
    settings = {"result_backend": "Redis"}
    rounds = 1
    measures = ("drain", "drain_db")
    whole = False
    late = False
