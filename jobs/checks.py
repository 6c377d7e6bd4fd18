"""System checks of the engine, each with an id, the finding and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from django.utils.module_loading import import_string

from jobs.conf import settings
from jobs.ledger import VENDORS

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
BROKER = "jobs.django_q2.broker.LedgerBroker"


def check_settings(**kwargs: Any) -> Iterable[CheckMessage]:
    """E001: a JOBS_* setting is not valid."""
    return [
        Error(str(error), hint="See docs/configuration.md.", id="jobs.E001")
        for error in settings.check()
    ]


def check_names(**kwargs: Any) -> Iterable[CheckMessage]:
    """W006: a misspelt setting would go unnoticed, and its default hold."""
    names = settings.names()
    for name in dir(django_settings):
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
        if name.startswith("JOBS_") and name not in names and near:
            yield Warning(
                f"{name} is no setting of the engine, and nothing reads it.",
                hint=f"Did you mean {near[0]}?",
                id="jobs.W006",
            )


def check_database(**kwargs: Any) -> Iterable[CheckMessage]:
    """E002, E003: JOBS_DATABASE exists and is a supported one."""
    alias = settings.DATABASE
    if alias not in connections:
        yield Error(
            f"JOBS_DATABASE: {alias!r} is not in DATABASES.",
            hint=f"Use one of {', '.join(connections)}.",
            id="jobs.E002",
        )
    elif connections[alias].vendor not in VENDORS:
        yield Error(
            f"JOBS_DATABASE: {alias!r} is a {connections[alias].display_name} database.",
            hint="The ledger needs PostgreSQL or SQLite.",
            id="jobs.E003",
        )


def check_transactions(**kwargs: Any) -> Iterable[CheckMessage]:
    """W005: on SQLite a transaction must take the write lock when it begins; one that asks for it
    half-way fails with "database is locked" instead of waiting."""
    database = connections.settings.get(settings.DATABASE, {})
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    is_sqlite = str(database.get("ENGINE", "")).endswith("sqlite3")
    if is_sqlite and mode not in ("IMMEDIATE", "EXCLUSIVE"):
        yield Warning(
            f"DATABASES[{settings.DATABASE!r}]['OPTIONS']['transaction_mode'] is {mode!r}: under "
            "load jobs fail with 'database is locked'.",
            hint="Set it to 'IMMEDIATE'.",
            id="jobs.W005",
        )


def check_backend(**kwargs: Any) -> Iterable[CheckMessage]:
    """W001: no task back end runs jobs."""
    from jobs.backend import LedgerBackend

    tasks = getattr(django_settings, "TASKS", None) or {}
    if any(_is_ours(params.get("BACKEND", ""), LedgerBackend) for params in tasks.values()):
        return []
    return [
        Warning(
            "TASKS names no jobs.backend.LedgerBackend, so @task functions do not become jobs.",
            hint='TASKS = {"default": {"BACKEND": "jobs.backend.LedgerBackend", "QUEUES": []}}',
            id="jobs.W001",
        )
    ]


def _is_ours(path: str, backend: type) -> bool:
    try:
        found = import_string(path)
    except ImportError:
        # The framework's own check says so.
        return False
    return isinstance(found, type) and issubclass(found, backend)


def check_definitions(**kwargs: Any) -> Iterable[CheckMessage]:
    """W002: a definition names a queue that no pool serves, so its jobs would wait for ever."""
    from jobs import registry

    if settings.check():
        # Which queues are served is not known; E001 tells why.
        return
    # Jobs of internal definitions go where those go that they serve.
    for definition in registry.dispatchable():
        if definition.queue_name not in settings.QUEUES:
            yield Warning(
                f"{definition.path} goes to the queue {definition.queue_name!r}, which no pool "
                "serves.",
                hint=f"Add it to a pool in JOBS_POOLS, or use one of {', '.join(settings.QUEUES)}.",
                id="jobs.W002",
            )


def check_sensitive(**kwargs: Any) -> Iterable[CheckMessage]:
    """E006: jobs with sensitive arguments could neither be enqueued nor run."""
    from jobs import registry
    from jobs.privacy import encryption

    if settings.check():
        # E001 may be about the keys.
        return
    for definition in registry.all():
        if definition.sensitive and (why := encryption.unavailable()):
            yield Error(
                f"{definition.path} has sensitive arguments ({', '.join(definition.sensitive)}): "
                f"{why}",
                hint="Install jobsite[encryption] and set JOBS_ENCRYPTION_KEYS; see "
                "docs/configuration.md.",
                id="jobs.E006",
            )


def check_cache(**kwargs: Any) -> Iterable[CheckMessage]:
    """W003: clusters tell qinfo and qmonitor of themselves through the cache (trap T20)."""
    default = django_settings.CACHES.get("default", {})
    if default.get("BACKEND") == LOCMEM:
        yield Warning(
            "The default cache lives in each process's memory, so qinfo and qmonitor see no "
            "cluster.",
            hint="Use a shared cache: Redis, the database or files.",
            id="jobs.W003",
        )


def check_django_q2(**kwargs: Any) -> Iterable[CheckMessage]:
    """W004, E004: django-q2 beside the engine, with its own broker, or before it."""
    if not apps.is_installed("django_q"):
        return
    cluster = getattr(django_settings, "Q_CLUSTER", None) or {}
    if cluster.get("broker_class") != BROKER:
        yield Warning(
            "Q_CLUSTER has no broker_class of ours, so async_task() calls go to another broker "
            "and are not run by this cluster.",
            hint=f'Q_CLUSTER = {{…, "broker_class": "{BROKER}"}}',
            id="jobs.W004",
        )
    names = [config.name for config in apps.get_app_configs()]
    if "django_q" in names and names.index("django_q") < names.index("jobs"):
        yield Error(
            "django_q stands before jobs in INSTALLED_APPS, so manage.py qcluster starts "
            "django-q2's own cluster.",
            hint='Put "jobs" before "django_q".',
            id="jobs.E004",
        )


def register_checks() -> None:
    """Register all of them; called once, when the app is ready."""
    from jobs.limits.checks import check_limits

    for check in (
        check_settings,
        check_names,
        check_database,
        check_transactions,
        check_backend,
        check_definitions,
        check_sensitive,
        check_cache,
        check_django_q2,
        check_limits,
    ):
        checks.register(check, "jobs")
