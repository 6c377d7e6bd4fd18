"""The test kit: what a project needs to test its jobs, with unittest or pytest.

Names are loaded when they are first used, so that importing this package, as the plugin for pytest
does, imports neither Django nor models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.testing.clock import FrozenClock, frozen_clock
    from jobs.testing.declared import assert_schedules_valid, run_schedules
    from jobs.testing.drained import Drained
    from jobs.testing.draining import adrain, drain
    from jobs.testing.faking import FakeJobs, fake_jobs
    from jobs.testing.performed import Performed
    from jobs.testing.performing import aperform, perform
    from jobs.testing.pushed import PushedJob
    from jobs.testing.pushed_workflow import PushedWorkflow
    from jobs.testing.watching import Progress

_EXPORTS = {
    "Drained": "jobs.testing.drained",
    "FakeJobs": "jobs.testing.faking",
    "FrozenClock": "jobs.testing.clock",
    "Performed": "jobs.testing.performed",
    "Progress": "jobs.testing.watching",
    "PushedJob": "jobs.testing.pushed",
    "PushedWorkflow": "jobs.testing.pushed_workflow",
    "adrain": "jobs.testing.draining",
    "aperform": "jobs.testing.performing",
    "assert_schedules_valid": "jobs.testing.declared",
    "drain": "jobs.testing.draining",
    "fake_jobs": "jobs.testing.faking",
    "frozen_clock": "jobs.testing.clock",
    "perform": "jobs.testing.performing",
    "run_schedules": "jobs.testing.declared",
}

__all__ = [
    "Drained",
    "FakeJobs",
    "FrozenClock",
    "Performed",
    "Progress",
    "PushedJob",
    "PushedWorkflow",
    "adrain",
    "aperform",
    "assert_schedules_valid",
    "drain",
    "fake_jobs",
    "frozen_clock",
    "perform",
    "run_schedules",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
