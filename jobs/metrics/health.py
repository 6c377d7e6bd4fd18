"""Health: one answer for probes, the admin, commands and scheduled checks."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.conf import settings as django_settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from jobs.conf import settings as conf
from jobs.metrics import failed_count, pending_count
from jobs.metrics.counting import BoundedCount
from jobs.metrics.queues import queue_sizes
from jobs.metrics.recorded_migrations import all_recorded
from jobs.metrics.workers import live_clusters, worker_status
from jobs.models import Queue

MAX_FAILED = 100
"""More failed jobs than this that nobody has dealt with are a finding."""

MIGRATIONS_HOLD = 60.0
"""Seconds for which "all migrations are applied" is believed; it costs reading their list."""

_migrated_until: dict[tuple[str, str], float] = {}

logger = logging.getLogger("jobs.metrics")


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. `detail` is a short text without secrets, fit for anybody; what an
    exception said goes to the log alone."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What all checks found."""

    checks: dict[str, Check]
    at: dt.datetime = field(default_factory=timezone.now)

    @property
    def healthy(self) -> bool:
        return all(check.ok for check in self.checks.values())

    @property
    def status(self) -> str:
        return "healthy" if self.healthy else "unhealthy"

    @property
    def issues(self) -> list[str]:
        """What is wrong, in words."""
        return [f"{name}: {check.detail}" for name, check in self.checks.items() if not check.ok]

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "timestamp": self.at.isoformat(),
            "services": {name: check.detail for name, check in self.checks.items()},
            "checks": {name: check.ok for name, check in self.checks.items()},
            "issues": self.issues,
        }


def ready() -> HealthReport:
    """Whether this process can do its work: database, migrations, cache, queue, a live cluster.

    A backlog or failed jobs do not count: a web server that is taken out of service for them
    mends neither. Never raises for what it checks.
    """
    return HealthReport(_run(_READINESS))


def check() -> HealthReport:
    """Whether all is well: what `ready` checks, and also backlogs against each queue's
    `max_waiting`, failed jobs and clusters that do not respond. Never raises for what it checks."""
    return HealthReport(_run({**_READINESS, "queue": _backlogs, **_OPERATION}))


def _run(checks: dict[str, Callable[[], Check | None]]) -> dict[str, Check]:
    found: dict[str, Check] = {}
    for name, look in checks.items():
        database_is_down = name != "database" and "database" in found and not found["database"].ok
        if database_is_down and look not in _WITHOUT_DATABASE:
            # Each would wait for the same connection again.
            found[name] = Check(False, "unavailable")
            continue
        try:
            result = look()
        except Error:
            logger.warning("health check %r failed", name, exc_info=True)
            result = Check(False, "unavailable")
        if result is not None:
            found[name] = result
    return found


def _database() -> Check:
    connection = connections[conf.DATABASE]
    try:
        if not connection.in_atomic_block:
            # A connection that the server has dropped is no sign that the database is gone.
            connection.close_if_unusable_or_obsolete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Error:
        logger.warning("health check 'database' failed", exc_info=True)
        return Check(False, "disconnected")
    return Check(True, "connected")


def _migrations() -> Check:
    connection = connections[conf.DATABASE]
    key = (connection.alias, str(connection.settings_dict["NAME"]))
    if _migrated_until.get(key, 0.0) > time.monotonic():
        return Check(True, "applied")
    if not all_recorded(connection):
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return Check(False, f"{len(missing)} not applied")
    _migrated_until[key] = time.monotonic() + MIGRATIONS_HOLD
    return Check(True, "applied")


def _cache() -> Check | None:
    cache = caches[DEFAULT_CACHE_ALIAS]
    key, value = f"jobs.health.{uuid4().hex}", uuid4().hex
    try:
        cache.set(key, value, timeout=30)
        answer = cache.get(key)
        cache.delete(key)
    except Exception:
        # Every cache has exceptions of its own; the check's answer is that it does not work.
        logger.warning("health check of the cache failed", exc_info=True)
        return Check(False, "disconnected")
    if answer != value:
        return Check(False, "does not keep what it is given")
    return Check(True, "connected")


def _redis() -> Check | None:
    return _cache() if _cache_backend().rpartition(".")[2].startswith("Redis") else None


def _other_cache() -> Check | None:
    backend = _cache_backend().rpartition(".")[2]
    return None if backend.startswith("Redis") or backend == "DummyCache" else _cache()


def _cache_backend() -> str:
    return str(django_settings.CACHES[DEFAULT_CACHE_ALIAS]["BACKEND"])


def _queue() -> Check:
    return Check(True, f"ready (pending: {pending_count()})")


def _backlogs() -> Check:
    decided = Queue.objects.using(conf.DATABASE).values_list("name", "max_waiting")
    limits = {name: limit for name, limit in decided if limit is not None}
    if not limits:
        return _queue()
    # Counting must go one further than the highest limit to see that it is passed.
    sizes = queue_sizes(list(limits), max(limits.values()) + 1)
    backed_up = [
        f"Queue {name} is backed up ({_size(sizes[name])} jobs)"
        for name, limit in limits.items()
        if sizes[name] > limit
    ]
    return Check(False, "; ".join(backed_up)) if backed_up else _queue()


def _size(count: BoundedCount) -> str:
    return str(count) if count.capped else f"{int(count)}"


def _cluster() -> Check:
    if conf.TRANSPORT == "sync":
        return Check(True, "not needed: jobs run in the caller")
    alive = live_clusters()
    return Check(True, f"{alive} live") if alive else Check(False, "no live cluster")


def _failed_jobs() -> Check:
    count = failed_count()
    if count > MAX_FAILED:
        return Check(False, f"High number of failed jobs ({count})")
    return Check(True, str(count))


def _workers() -> Check:
    status = worker_status()
    if status.silent:
        return Check(False, f"{len(status.silent)} of {len(status.clusters)} clusters silent")
    return Check(True, f"{status.busy} busy, {status.idle} idle")


_READINESS: dict[str, Callable[[], Check | None]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "cache": _other_cache,
    "queue": _queue,
    "cluster": _cluster,
}
_OPERATION: dict[str, Callable[[], Check | None]] = {
    "failed_jobs": _failed_jobs,
    "workers": _workers,
}
_WITHOUT_DATABASE = (_redis, _other_cache)
