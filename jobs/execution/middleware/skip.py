"""Skip: a job that need not run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from jobs.execution.context import CurrentJob


class Skip:
    """Ends a job as succeeded, without running it, where `when` says so.

    `when` takes the job's arguments, or nothing. A text that it returns is the reason that the
    attempt shows.
    """

    def __init__(self, when: Callable[..., Any]) -> None:
        """Raises InvalidDefinition unless `when` is callable."""
        if not callable(when):
            raise InvalidDefinition(f"middleware: Skip({when!r}) must have a callable")
        self.when = when
        self._takes_arguments = _takes_arguments(when)

    def __call__(self, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        args, kwargs = job.call if self._takes_arguments else ((), {})
        if verdict := self.when(*args, **kwargs):
            job.skip(verdict if isinstance(verdict, str) else "its middleware said so")
        return proceed()


def _takes_arguments(function: Callable[..., Any]) -> bool:
    try:
        return bool(inspect.signature(function).parameters)
    except ValueError:
        # Some of the interpreter's own do not tell.
        return True
