"""The settings of the engine, typed, with their defaults.

`from jobs.conf import settings` and read an attribute: the value comes from the Django setting
`JOBS_<NAME>`, checked, or from the default below. Durations are `timedelta`, or numbers of seconds.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from jobs.exceptions import JobsConfigurationError
from jobs.failures.rules import Rule, rule_of_setting
from jobs.setting_rules import (
    duration,
    encryption_keys,
    flag,
    optional,
    queue_list,
    refused,
    seconds,
    short_text,
    span,
    whole,
)

DEFAULT_QUEUES = (
    "critical", "high", "default", "webhooks", "notifications", "ai", "analytics", "low",
)  # fmt: skip
TRANSPORTS = ("database", "sync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Workers that serve an ordered list of queues."""

    name: str
    queues: tuple[str, ...] = DEFAULT_QUEUES
    processes: int = 2
    timeout: float | None = None
    """Seconds a job may run unless it says otherwise; None is no limit."""
    max_jobs: int | None = None
    """A worker is replaced after so many jobs."""
    max_time: dt.timedelta | None = None
    """A worker is replaced at this age."""
    memory: int | None = None
    """Megabytes; a worker above is replaced after its job."""
    nice: int = 0
    shutdown_grace: dt.timedelta = dt.timedelta(seconds=30)


_POOL_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "queues": queue_list,
    "processes": partial(whole, least=1),
    "timeout": optional(seconds),
    "max_jobs": optional(partial(whole, least=1)),
    "max_time": optional(span),
    "memory": optional(partial(whole, least=1)),
    "nice": partial(whole, least=-20, most=19),
    "shutdown_grace": duration,
}


def _pool(name: Any, options: Any, defaults: Mapping[str, Any]) -> Pool:
    if not isinstance(name, str) or not name:
        raise refused("JOBS_POOLS", name, "the name of a pool must be a text")
    if not isinstance(options, Mapping):
        raise refused(f"JOBS_POOLS[{name!r}]", options, "must be a dict of options")
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in _POOL_FIELDS:
            near = difflib.get_close_matches(str(key), _POOL_FIELDS, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise refused(f"JOBS_POOLS[{name!r}]", key, f"unknown option{hint}")
        values[key] = _POOL_FIELDS[key](f"JOBS_POOLS[{name!r}][{key!r}]", value)
    return Pool(name=name, **{**defaults, **values})


def _django_q2_defaults() -> dict[str, Any]:
    """What an existing Q_CLUSTER says of its workers, in the words of a pool."""
    cluster: Mapping[str, Any] = getattr(django_settings, "Q_CLUSTER", None) or {}
    found = {
        "processes": ("workers", cluster.get("workers")),
        "timeout": ("timeout", cluster.get("timeout")),
        "max_jobs": ("recycle", cluster.get("recycle")),
        "memory": ("max_rss", cluster.get("max_rss")),
    }
    checked = {
        name: _POOL_FIELDS[name](f"Q_CLUSTER[{key!r}]", value)
        for name, (key, value) in found.items()
        if value
    }
    if "memory" in checked:
        # Kilobytes there, megabytes here.
        checked["memory"] = max(1, checked["memory"] // 1024)
    return checked


def default_journal_dir() -> Path:
    """In memory where the system has a place for that, which outlives every process."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return place / f"jobs-{os.geteuid()}"


class Settings:
    """All settings of the engine; each is read once and checked when it is first used."""

    def _get(self, name: str, default: Any) -> Any:
        return getattr(django_settings, f"JOBS_{name}", default)

    def _span(self, name: str, default: float) -> dt.timedelta:
        return span(f"JOBS_{name}", self._get(name, default))

    @cached_property
    def DATABASE(self) -> str:
        """Alias of the database that holds the ledger."""
        return str(self._get("DATABASE", "default"))

    @cached_property
    def TRANSPORT(self) -> str:
        """`database`: workers of a cluster. `sync`: in the caller, after its transaction."""
        value = self._get("TRANSPORT", "database")
        if value not in TRANSPORTS:
            raise refused("JOBS_TRANSPORT", value, f"must be one of {', '.join(TRANSPORTS)}")
        return str(value)

    @cached_property
    def POOLS(self) -> dict[str, Pool]:
        """Pools by name. What a pool does not say comes from Q_CLUSTER, then from `Pool`."""
        declared = self._get("POOLS", {"default": {}})
        if not isinstance(declared, Mapping) or not declared:
            raise refused("JOBS_POOLS", declared, "must be a dict of pools by name")
        defaults = _django_q2_defaults()
        return {name: _pool(name, options, defaults) for name, options in declared.items()}

    @cached_property
    def QUEUES(self) -> tuple[str, ...]:
        """Every queue that some pool serves, in the order of the pools."""
        return tuple(dict.fromkeys(queue for pool in self.POOLS.values() for queue in pool.queues))

    @cached_property
    def HEARTBEAT(self) -> dt.timedelta:
        """A cluster silent for three of these is lost, and its jobs are rescued."""
        return self._span("HEARTBEAT", 2)

    @cached_property
    def LEADER_TTL(self) -> dt.timedelta:
        """How long the leading cluster may be silent before another takes over."""
        return self._span("LEADER_TTL", 6)

    @cached_property
    def HARD_TIMEOUT_GRACE(self) -> dt.timedelta:
        """From the exception that a timeout raises in the job to the kill of its process."""
        return duration("JOBS_HARD_TIMEOUT_GRACE", self._get("HARD_TIMEOUT_GRACE", 5))

    @cached_property
    def POLL_INTERVAL(self) -> dt.timedelta:
        """How often an idle worker looks on SQLite, at the longest."""
        return self._span("POLL_INTERVAL", 0.1)

    @cached_property
    def LISTEN_POLL(self) -> dt.timedelta:
        """How often an idle worker looks on PostgreSQL although nothing woke it."""
        return self._span("LISTEN_POLL", 2)

    @cached_property
    def AGING(self) -> dt.timedelta | None:
        """Within so long each worker begins once with each of its later queues, so that these move
        though an earlier one never runs dry; None is strict order."""
        value = self._get("AGING", 30)
        return None if value is None else span("JOBS_AGING", value)

    @cached_property
    def FAIR_QUEUES(self) -> frozenset[str]:
        """Queues that tenants share: their jobs are served in rounds; see `jobs.ledger.turns`."""
        value = self._get("FAIR_QUEUES", ())
        if isinstance(value, list | tuple) and not value:
            return frozenset()
        return frozenset(queue_list("JOBS_FAIR_QUEUES", value))

    @cached_property
    def LIMITS(self) -> dict[str, Any]:
        """What limits allow that code only names; see `jobs.limits.declared`."""
        value = self._get("LIMITS", {})
        if not isinstance(value, Mapping):
            raise refused("JOBS_LIMITS", value, "must be a dict of limits by name")
        return dict(value)

    @cached_property
    def CLAIM_SIZE(self) -> int:
        """The most jobs that a worker claims at once, where a queue is deep and its jobs short."""
        return whole("JOBS_CLAIM_SIZE", self._get("CLAIM_SIZE", 500), least=1, most=5000)

    @cached_property
    def JOURNAL_DIR(self) -> Path:
        """Where workers keep what they have finished and not yet written to the ledger."""
        value = self._get("JOURNAL_DIR", None)
        if value is None:
            return default_journal_dir()
        if not isinstance(value, str | Path) or not Path(value).is_absolute():
            raise refused("JOBS_JOURNAL_DIR", value, "must be an absolute path")
        return Path(value)

    @cached_property
    def MAX_CRASHES(self) -> int:
        """A job that has taken so many workers with it is quarantined as failed."""
        return whole("JOBS_MAX_CRASHES", self._get("MAX_CRASHES", 3), least=1)

    @cached_property
    def RELEASE(self) -> str:
        """What the site calls the version of its code; empty tells nothing."""
        return short_text("JOBS_RELEASE", self._get("RELEASE", ""), most=100)

    @cached_property
    def UNDO_WINDOW(self) -> dt.timedelta:
        """How long failed jobs that were forgotten can be restored; 0 deletes them at once."""
        return duration("JOBS_UNDO_WINDOW", self._get("UNDO_WINDOW", dt.timedelta(hours=1)))

    @cached_property
    def ENCRYPTION_KEYS(self) -> tuple[str, ...]:
        """Keys for the sensitive arguments of jobs: the first encrypts, each decrypts."""
        return encryption_keys("JOBS_ENCRYPTION_KEYS", self._get("ENCRYPTION_KEYS", ()))

    @cached_property
    def DJANGO_Q2_PICKLE(self) -> bool:
        """Whether arguments of old `async_task` calls may be stored as a signed pickle."""
        return flag("JOBS_DJANGO_Q2_PICKLE", self._get("DJANGO_Q2_PICKLE", False))

    @cached_property
    def RETENTION(self) -> dict[str, dt.timedelta | None]:
        """How long rows are kept, by state of the job; None keeps them for ever."""
        defaults: dict[str, Any] = {
            "succeeded": dt.timedelta(days=7),
            "cancelled": dt.timedelta(days=7),
            "failed": dt.timedelta(days=30),
            "slots": dt.timedelta(days=90),
            "workers": dt.timedelta(days=7),
            "workflows": dt.timedelta(days=30),
            "alerts": dt.timedelta(days=90),
            "metrics_by_minute": dt.timedelta(days=2),
            "metrics_by_hour": dt.timedelta(days=60),
            "metrics_by_day": dt.timedelta(days=3 * 365),
        }
        given = self._get("RETENTION", {})
        if not isinstance(given, Mapping):
            raise refused("JOBS_RETENTION", given, "must be a dict of ages by kind")
        for key in given:
            if key not in defaults:
                raise refused("JOBS_RETENTION", key, f"must be one of {', '.join(defaults)}")
        return {
            key: optional(duration)(f"JOBS_RETENTION[{key!r}]", value)
            for key, value in {**defaults, **given}.items()
        }

    @cached_property
    def NOTIFY(self) -> dict[str, Rule]:
        """Rules of notifications beside those of the admin, by name."""
        given = self._get("NOTIFY", {})
        if not isinstance(given, Mapping):
            raise refused("JOBS_NOTIFY", given, "must be a dict of rules by name")
        return {name: rule_of_setting(name, options) for name, options in given.items()}

    @cached_property
    def METRICS_TOKEN(self) -> str:
        """What Prometheus sends to read /metrics; without it only users may."""
        return short_text("JOBS_METRICS_TOKEN", self._get("METRICS_TOKEN", ""), most=200)

    @cached_property
    def BASE_URL(self) -> str:
        """Where the site is served, for links in messages; empty leaves them out."""
        value = self._get("BASE_URL", "")
        if not isinstance(value, str) or (value and not value.startswith(("http://", "https://"))):
            raise refused("JOBS_BASE_URL", value, "must begin with http:// or https://")
        return value.rstrip("/")

    def has_notify_rules(self) -> bool:
        """Whether JOBS_NOTIFY names any rule, valid or not: asked where a failure is written, which
        a wrong setting must not prevent."""
        return bool(self._get("NOTIFY", {}))

    def names(self) -> list[str]:
        """The names of all settings, as they stand in Django's."""
        return [f"JOBS_{name}" for name in vars(type(self)) if name.isupper() and name != "QUEUES"]

    def check(self) -> list[JobsConfigurationError]:
        """Read every setting; return what is wrong with them."""
        # By message: what is derived from a wrong setting is wrong for the same reason.
        found: dict[str, JobsConfigurationError] = {}
        for name in [name for name in vars(type(self)) if name.isupper()]:
            try:
                getattr(self, name)
            except JobsConfigurationError as error:
                found.setdefault(str(error), error)
        return list(found.values())

    def forget(self) -> None:
        """Read the settings anew when they are next used."""
        self.__dict__.clear()


settings = Settings()


def _forget_changed(*, setting: str, **kwargs: Any) -> None:
    if setting.startswith("JOBS_") or setting == "Q_CLUSTER":
        settings.forget()


setting_changed.connect(_forget_changed, dispatch_uid="jobs.conf")

assert set(_POOL_FIELDS) == {field.name for field in fields(Pool)} - {"name"}
