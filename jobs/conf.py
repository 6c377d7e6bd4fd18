"""The settings of the engine, typed, with their defaults.

`from jobs.conf import settings` and read an attribute: the value comes from the Django setting
`JOBS_<NAME>`, checked, or from the default below. Durations are `timedelta`, or numbers of seconds.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from jobs.exceptions import JobsConfigurationError

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


def _error(name: str, value: Any, rule: str) -> JobsConfigurationError:
    return JobsConfigurationError(f"{name}: {value!r}: {rule}")


def _duration(name: str, value: Any) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        duration = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        duration = dt.timedelta(seconds=value)
    else:
        raise _error(name, value, "must be a timedelta or a number of seconds")
    if duration < dt.timedelta(0):
        raise _error(name, value, "must not be negative")
    return duration


def _number(name: str, value: Any, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _error(name, value, f"must be a whole number of at least {least}")
    return value


def _optional(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else convert(name, value)


def _queues(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(queue, str) and queue for queue in value):
        raise _error(name, value, "must be a list of queue names")
    if len(set(value)) != len(value):
        raise _error(name, value, "names a queue twice")
    for queue in value:
        if len(queue) > 64:
            raise _error(name, queue, "a queue name has at most 64 characters")
    if not value:
        raise _error(name, value, "must name at least one queue")
    return tuple(value)


def _seconds(name: str, value: Any) -> float:
    seconds = _duration(name, value).total_seconds()
    if seconds == 0:
        raise _error(name, value, "must be more than 0; None is no limit")
    return seconds


_POOL_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "queues": _queues,
    "processes": lambda name, value: _number(name, value, least=1),
    "timeout": _optional(_seconds),
    "max_jobs": _optional(lambda name, value: _number(name, value, least=1)),
    "max_time": _optional(_duration),
    "memory": _optional(lambda name, value: _number(name, value, least=1)),
    "nice": lambda name, value: _number(name, value, least=-20),
    "shutdown_grace": _duration,
}


def _pool(name: str, options: Mapping[str, Any]) -> Pool:
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in _POOL_FIELDS:
            near = difflib.get_close_matches(key, _POOL_FIELDS, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise _error(f"JOBS_POOLS[{name!r}]", key, f"unknown option{hint}")
        values[key] = _POOL_FIELDS[key](f"JOBS_POOLS[{name!r}][{key!r}]", value)
    return Pool(name=name, **values)


def _django_q2_defaults() -> dict[str, Any]:
    """What an existing Q_CLUSTER says of its workers, in the words of a pool."""
    cluster: Mapping[str, Any] = getattr(django_settings, "Q_CLUSTER", {})
    found = {
        "processes": cluster.get("workers"),
        "timeout": cluster.get("timeout"),
        "max_jobs": cluster.get("recycle"),
        # Kilobytes there, megabytes here.
        "memory": cluster["max_rss"] // 1024 if cluster.get("max_rss") else None,
    }
    return {key: value for key, value in found.items() if value}


class Settings:
    """All settings of the engine; each is read once and checked when it is first used."""

    def _get(self, name: str, default: Any) -> Any:
        return getattr(django_settings, f"JOBS_{name}", default)

    def _duration_of(self, name: str, default: float) -> dt.timedelta:
        return _duration(f"JOBS_{name}", self._get(name, default))

    @cached_property
    def DATABASE(self) -> str:
        """Alias of the database that holds the ledger."""
        return str(self._get("DATABASE", "default"))

    @cached_property
    def TRANSPORT(self) -> str:
        """`database`: workers of a cluster. `sync`: in the caller, after its transaction."""
        value = self._get("TRANSPORT", "database")
        if value not in TRANSPORTS:
            raise _error("JOBS_TRANSPORT", value, f"must be one of {', '.join(TRANSPORTS)}")
        return str(value)

    @cached_property
    def POOLS(self) -> dict[str, Pool]:
        """Pools by name. What a pool does not say comes from Q_CLUSTER, then from `Pool`."""
        declared = self._get("POOLS", {"default": {}})
        if not isinstance(declared, Mapping) or not declared:
            raise _error("JOBS_POOLS", declared, "must be a dict of pools by name")
        defaults = _django_q2_defaults()
        return {name: _pool(name, {**defaults, **options}) for name, options in declared.items()}

    @cached_property
    def QUEUES(self) -> tuple[str, ...]:
        """Every queue that some pool serves, in the order of the pools."""
        return tuple(dict.fromkeys(queue for pool in self.POOLS.values() for queue in pool.queues))

    @cached_property
    def HEARTBEAT(self) -> dt.timedelta:
        """A cluster silent for three of these is lost, and its jobs are rescued."""
        return self._duration_of("HEARTBEAT", 2)

    @cached_property
    def LEADER_TTL(self) -> dt.timedelta:
        """How long the leading cluster may be silent before another takes over."""
        return self._duration_of("LEADER_TTL", 6)

    @cached_property
    def HARD_TIMEOUT_GRACE(self) -> dt.timedelta:
        """From the exception that a timeout raises in the job to the kill of its process."""
        return self._duration_of("HARD_TIMEOUT_GRACE", 5)

    @cached_property
    def POLL_INTERVAL(self) -> dt.timedelta:
        """How often an idle worker looks on SQLite, at the longest."""
        return self._duration_of("POLL_INTERVAL", 0.1)

    @cached_property
    def LISTEN_POLL(self) -> dt.timedelta:
        """How often an idle worker looks on PostgreSQL although nothing woke it."""
        return self._duration_of("LISTEN_POLL", 2)

    @cached_property
    def MAX_CRASHES(self) -> int:
        """A job that has taken so many workers with it is quarantined as failed."""
        return _number("JOBS_MAX_CRASHES", self._get("MAX_CRASHES", 3), least=1)

    @cached_property
    def DJANGO_Q2_PICKLE(self) -> bool:
        """Whether arguments of old `async_task` calls may be stored as a signed pickle."""
        return bool(self._get("DJANGO_Q2_PICKLE", False))

    @cached_property
    def RETENTION(self) -> dict[str, dt.timedelta | None]:
        """How long rows are kept, by state of the job; None keeps them for ever."""
        defaults: dict[str, Any] = {
            "succeeded": dt.timedelta(days=7),
            "cancelled": dt.timedelta(days=7),
            "failed": dt.timedelta(days=30),
            "slots": dt.timedelta(days=90),
            "workers": dt.timedelta(days=7),
        }
        given = self._get("RETENTION", {})
        for key in given:
            if key not in defaults:
                raise _error("JOBS_RETENTION", key, f"must be one of {', '.join(defaults)}")
        return {
            key: _optional(_duration)(f"JOBS_RETENTION[{key!r}]", value)
            for key, value in {**defaults, **given}.items()
        }

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
