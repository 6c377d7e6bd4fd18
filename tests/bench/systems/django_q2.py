"""django-q2 as it comes, on its Redis broker and on its ORM broker."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from tests.bench.contract import EVERY, Job, Place, System

FUNCTIONS = {"noop": "tests.bench.work.noop", "write": "tests.bench.work.write_with_django"}
SETTINGS = "tests.bench.systems.django_q2_settings"


class DjangoQ2OnRedis(System):
    """The `Success` rows are counted by a trigger, as django-q2 keeps the newest 250 only."""

    name = "django-q2-redis"
    title = "django-q2 (Redis)"
    packages = ("django-q2", "Django", "redis", "psycopg")
    records = "row per success or failure; of successes the newest 250"
    guarantees = "at most once; what a dead worker or cluster held is lost"
    settings = {"workers": 2, "timeout": 60, "retry": 3600}
    pace = 150
    takes_many = False
    broker = "redis"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.environment = {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "BENCH_DJANGO_Q2_BROKER": self.broker,
            "BENCH_DATABASE": self.database(),
        }
        os.environ.update(self.environment)

    def database(self) -> str:
        return self.place.postgres

    def prepare(self) -> None:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        self.count_successes()

    def count_successes(self) -> None:
        import psycopg

        with psycopg.connect(self.place.postgres, autocommit=True) as connection:
            connection.execute(
                "CREATE SEQUENCE bench_recorded;"
                "CREATE FUNCTION bench_count() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM nextval('bench_recorded'); RETURN NULL; END $$;"
                "CREATE TRIGGER bench_count AFTER INSERT ON django_q_task "
                "FOR EACH ROW WHEN (NEW.success) EXECUTE FUNCTION bench_count()"
            )

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        from django_q.tasks import async_task

        for number in numbers:
            async_task(FUNCTIONS[job], number)

    def start_workers(self, processes: int) -> None:
        self.workers.start(
            "-m", "django", "qcluster", **self.environment, BENCH_WORKERS=str(processes)
        )

    def recorded(self) -> int:
        last, called = self.ask("SELECT last_value, is_called FROM bench_recorded")
        return last if called else 0


class DjangoQ2OnPostgresql(DjangoQ2OnRedis):
    name = "django-q2-orm"
    title = "django-q2 (PostgreSQL ORM)"
    packages = ("django-q2", "Django", "psycopg")
    guarantees = "at least once; a task comes back after `retry` seconds, also if it still runs"
    broker = "orm"


class DjangoQ2OnSqlite(DjangoQ2OnPostgresql):
    name = "django-q2-sqlite"
    title = "django-q2 (SQLite ORM)"
    rounds = EVERY
    packages = ("django-q2", "Django")
    settings = {
        **DjangoQ2OnPostgresql.settings,
        "sqlite": "WAL, synchronous=NORMAL, IMMEDIATE, as Jobsite",
    }

    @property
    def file(self) -> str:
        return str(self.place.folder / "site.sqlite3")

    def database(self) -> str:
        return self.file

    def count_successes(self) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.executescript(
                "CREATE TABLE bench_recorded (count integer);"
                "INSERT INTO bench_recorded VALUES (0);"
                "CREATE TRIGGER bench_count AFTER INSERT ON django_q_task WHEN NEW.success "
                "BEGIN UPDATE bench_recorded SET count = count + 1; END;"
            )

    def recorded(self) -> int:
        with sqlite3.connect(self.file) as connection:
            (count,) = connection.execute("SELECT count FROM bench_recorded").fetchone()
        return int(count)

    def prepare_writes(self) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.execute("CREATE TABLE bench_write (number integer NOT NULL)")

    def written(self) -> tuple[int, int]:
        with sqlite3.connect(self.file) as connection:
            rows, numbers = connection.execute(
                "SELECT count(*), count(DISTINCT number) FROM bench_write"
            ).fetchone()
        return rows, numbers
