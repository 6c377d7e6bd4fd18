"""Jobsite itself, with the whole site loaded: admin, conversations, analytics, their schedules."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from typing import ClassVar

from tests.bench.contract import EVERY, LONG_MEASURES, MEASURES, OWN_MEASURES, Job, Place, System
from tests.bench.leash import leashed

SETTINGS = "tests.bench.systems.jobsite_settings"
QUEUE = "default"
OURS = "tests.bench."
"""How the paths of the benchmark's definitions begin."""
AGE = 5
"""An aged ledger has so many finished jobs for each that is ready."""


class Jobsite(System):
    name = "jobsite"
    title = "Jobsite (PostgreSQL)"
    packages: ClassVar[tuple[str, ...]] = ("Django", "django-q2", "psycopg")
    records = "job row and attempt row: times, worker, outcome, result"
    guarantees = "at least once; a dead worker's job is rescued at once, a dead host's in 6 s"
    whole = True
    rounds = EVERY
    measures: ClassVar[tuple[str, ...]] = (*MEASURES, *OWN_MEASURES)
    on_request: ClassVar[tuple[str, ...]] = LONG_MEASURES

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.environment = {"DJANGO_SETTINGS_MODULE": SETTINGS, "DATABASE_URL": self.database()}
        os.environ.update(self.environment)

    def database(self) -> str:
        return self.place.postgres

    def prepare(self) -> None:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        from tests.bench.systems import jobsite_jobs

        definition = getattr(jobsite_jobs, job)
        for number in numbers:
            definition.enqueue(number)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        from tests.bench.systems import jobsite_jobs

        getattr(jobsite_jobs, job).enqueue_many(numbers)

    def enqueue_long(self, seconds: float) -> None:
        """Enqueue a job that only takes its time."""
        from tests.bench.systems import jobsite_jobs

        jobsite_jobs.sleep.enqueue(seconds)

    def age(self, jobs: int) -> None:
        """Fill the ledger: so many noops ready, so many jobs scheduled, AGE times as many done."""
        filler = self._filler(f"--succeeded={AGE * jobs}", f"--scheduled={jobs}", f"--noops={jobs}")
        if filler.wait():
            raise RuntimeError("the ledger could not be filled: see the log of this run")
        self._settle()

    def fill_failures(self, jobs: int) -> None:
        """Fill the ledger with so many failed jobs."""
        if self._filler(f"--failed={jobs}").wait():
            raise RuntimeError("the ledger could not be filled: see the log of this run")

    def _settle(self) -> None:
        """A site of some age has been vacuumed, and its last checkpoint is over."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")

    def _filler(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.bench.fill", *options]
        return subprocess.Popen(leashed(command))

    def keep_succeeded(self, seconds: float) -> None:
        """Let the cluster that is started next remove succeeded jobs after so long."""
        self.environment["BENCH_RETENTION"] = str(seconds)

    def pause(self) -> None:
        """Let no more jobs start."""
        from jobs.audit import Actor
        from jobs.pausing import pause

        pause(QUEUE, Actor.of_code("benchmark"))

    def resume(self) -> None:
        from jobs.audit import Actor
        from jobs.pausing import resume

        resume(QUEUE, Actor.of_code("benchmark"))

    def unfinished(self) -> int:
        """Jobs of the benchmark that are not recorded as done."""
        from jobs.models import Job

        return Job.objects.unfinished().filter(definition__startswith=OURS).count()

    def failed(self) -> int:
        """Jobs of the benchmark that did not succeed."""
        from jobs.models import Job

        return (
            Job.objects.in_state("failed", "cancelled").filter(definition__startswith=OURS).count()
        )

    def start_workers(self, processes: int) -> None:
        self.workers.start("manage.py", "qcluster", **self.environment, JOBS_WORKERS=str(processes))

    def recorded(self) -> int:
        """Finished jobs whose attempts are all there: one each, and it is the first."""
        from jobs.models import Attempt, Job

        ours = Job.objects.filter(definition__startswith=OURS, state="succeeded")
        attempts = Attempt.objects.filter(job__definition__startswith=OURS, outcome="succeeded")
        return min(ours.count(), attempts.count())


class JobsiteOnSqlite(Jobsite):
    name = "jobsite-sqlite"
    title = "Jobsite (SQLite)"
    packages = ("Django", "django-q2")
    measures = MEASURES
    on_request = OWN_MEASURES

    @property
    def file(self) -> str:
        return str(self.place.folder / "site.sqlite3")

    def database(self) -> str:
        return f"sqlite:///{self.file}"

    def _settle(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def prepare_writes(self) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.execute("CREATE TABLE bench_write (number integer NOT NULL)")

    def written(self) -> tuple[int, int]:
        with sqlite3.connect(self.file) as connection:
            rows, numbers = connection.execute(
                "SELECT count(*), count(DISTINCT number) FROM bench_write"
            ).fetchone()
        return rows, numbers
