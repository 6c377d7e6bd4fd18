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

_EXPORTS = {
    "Backoff": "jobs.execution.backoff",
    "CurrentJob": "jobs.execution.context",
    "JobDefinition": "jobs.definitions",
    "current_job": "jobs.execution.context",
    "job": "jobs.definitions",
}

__all__ = ["Backoff", "CurrentJob", "JobDefinition", "current_job", "job"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
