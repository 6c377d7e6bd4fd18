"""django-tasks-db: the database back end of Django's Tasks framework, with its own worker."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.bench.contract import Job, Place, System

SETTINGS = "tests.bench.systems.django_tasks_db_settings"


class DjangoTasksDb(System):
    name = "django-tasks-db"
    title = "django-tasks-db (PostgreSQL)"
    packages = ("django-tasks-db", "Django", "psycopg")
    records = "job row: times, worker, result"
    guarantees = "at most once; a dead worker's job stays running for ever"
    settings = {"interval": "0.1 s, as its default of 1 s would decide the pickup"}
    pace = 400
    takes_many = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.environment = {"DJANGO_SETTINGS_MODULE": SETTINGS, "BENCH_DATABASE": place.postgres}
        os.environ.update(self.environment)

    def prepare(self) -> None:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        from tests.bench.systems import django_tasks_db_tasks

        task = getattr(django_tasks_db_tasks, job)
        for number in numbers:
            task.enqueue(number)

    def start_workers(self, processes: int) -> None:
        for _ in range(processes):
            self.workers.start(
                *("-m", "django", "db_worker", "--interval=0.1", "--no-reload", "--verbosity=0"),
                "--no-startup-delay",
                **self.environment,
            )

    def recorded(self) -> int:
        from django_tasks_db.models import DBTaskResult

        return int(DBTaskResult.objects.successful().count())
