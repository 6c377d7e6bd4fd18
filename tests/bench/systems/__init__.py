"""One module for each system that takes part, behind `tests.bench.contract.System`."""

from __future__ import annotations

from importlib import import_module

from tests.bench.contract import System

MODULES = {
    "jobsite": "jobsite:Jobsite",
    "jobsite-sqlite": "jobsite:JobsiteOnSqlite",
    "pgqueuer": "pgqueuer:PgQueuer",
    "pgqueuer-batched": "pgqueuer:PgQueuerBatched",
    "celery": "celery:CeleryLate",
    "celery-early": "celery:CeleryEarly",
    "dramatiq": "dramatiq:Dramatiq",
    "dramatiq-single": "dramatiq:DramatiqSingle",
    "oban": "oban:Oban",
    "oban-single": "oban:ObanSingle",
    "huey": "huey:Huey",
    "huey-threads": "huey:HueyThreads",
    "taskiq": "taskiq:TaskIQ",
    "rq": "rq:RQ",
    "rq-forking": "rq:RQForking",
    "procrastinate": "procrastinate:Procrastinate",
    "procrastinate-single": "procrastinate:ProcrastinateSingle",
    "django-tasks-db": "django_tasks_db:DjangoTasksDb",
    "django-q2-redis": "django_q2:DjangoQ2OnRedis",
    "django-q2-orm": "django_q2:DjangoQ2OnPostgresql",
    "django-q2-sqlite": "django_q2:DjangoQ2OnSqlite",
}
"""Class by name, in the order in which the systems take turns."""


def find(name: str) -> type[System]:
    """The class of a system; its own packages need not be installed.

    Raises ImportError where what it needs is missing, and KeyError for an unknown name.
    """
    module, _, attribute = MODULES[name].partition(":")
    found: type[System] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
