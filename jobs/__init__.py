"""Jobsite's engine: background work for Django that people can see and steer.

The public API. Names are loaded when they are first used, so that this package can be imported
before Django's apps are ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition, job
    from jobs.execution.backoff import Backoff
    from jobs.execution.context import CurrentJob, current_job
    from jobs.execution.middleware.concurrency import ConcurrencyLimit, WithoutOverlapping
    from jobs.execution.middleware.idempotent import Idempotent
    from jobs.execution.middleware.in_sequence import InSequence
    from jobs.execution.middleware.rate_limited import RateLimited
    from jobs.execution.middleware.skip import Skip
    from jobs.execution.middleware.throttles_exceptions import ThrottlesExceptions
    from jobs.execution.middleware.unique import Debounce, Unique, UniqueUntilStart
    from jobs.execution.recover import Recover
    from jobs.execution.steps import steps
    from jobs.workflows.groups import batch, chain, workflow

_EXPORTS = {
    "Backoff": "jobs.execution.backoff",
    "ConcurrencyLimit": "jobs.execution.middleware.concurrency",
    "CurrentJob": "jobs.execution.context",
    "Debounce": "jobs.execution.middleware.unique",
    "Idempotent": "jobs.execution.middleware.idempotent",
    "InSequence": "jobs.execution.middleware.in_sequence",
    "JobDefinition": "jobs.definitions",
    "RateLimited": "jobs.execution.middleware.rate_limited",
    "Skip": "jobs.execution.middleware.skip",
    "ThrottlesExceptions": "jobs.execution.middleware.throttles_exceptions",
    "Unique": "jobs.execution.middleware.unique",
    "UniqueUntilStart": "jobs.execution.middleware.unique",
    "WithoutOverlapping": "jobs.execution.middleware.concurrency",
    "Recover": "jobs.execution.recover",
    "batch": "jobs.workflows.groups",
    "chain": "jobs.workflows.groups",
    "current_job": "jobs.execution.context",
    "job": "jobs.definitions",
    "steps": "jobs.execution.steps",
    "workflow": "jobs.workflows.groups",
}

__all__ = [
    "Backoff",
    "ConcurrencyLimit",
    "CurrentJob",
    "Debounce",
    "Idempotent",
    "InSequence",
    "JobDefinition",
    "RateLimited",
    "Recover",
    "Skip",
    "ThrottlesExceptions",
    "Unique",
    "UniqueUntilStart",
    "WithoutOverlapping",
    "batch",
    "chain",
    "current_job",
    "job",
    "steps",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
