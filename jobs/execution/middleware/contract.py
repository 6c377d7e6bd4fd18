"""The contract of middleware: what stands around the execution of a job.

`@job(middleware=[...])` takes four kinds, in any order:

- **Middleware** is any callable of the current job and what is to be done: it runs `proceed()`, or
  does not, and may release, fail or skip the job. The first in the list is the outermost.
- What makes a job **unique** is asked when it is enqueued.
- What stands **in line** waits for a job that was enqueued before it.
- A **gate** is asked before the attempt starts. Where it is shut the job waits outside of any
  worker until it is woken, and no attempt is spent.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from jobs.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.execution.context import CurrentJob
    from jobs.limits.declared import DeclaredLimit
    from jobs.limits.kinds import Want
    from jobs.uniqueness.calls import Uniqueness

KeyOf = str | Callable[..., Any] | None
"""What a limit is kept for: a word, a callable of the job's arguments, or None for all alike."""


class Middleware(Protocol):
    """Anything that can be called like this, such as a function."""

    def __call__(self, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        """Run the job with `proceed()` and return what is to be its result."""


class Gate(ABC):
    """What lets a job start, or makes it wait."""

    @abstractmethod
    def want(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Want | None:
        """What a call with these arguments asks of a limit; None if nothing.

        Raises what a callable of the gate raises, and InvalidDefinition for a key that is none.
        """

    @abstractmethod
    def limit_of(self, definition: JobDefinition) -> str:
        """The name of the limit that a definition asks."""

    def declared_for(self, definition: JobDefinition) -> DeclaredLimit | None:
        """What the code says of the limit; None if it only names it."""
        return None


class Keyed(ABC):
    """What makes a key of a call, when a job is enqueued."""

    @abstractmethod
    def check(self, definition: JobDefinition) -> None:
        """Raises InvalidDefinition if it does not fit the definition."""

    @abstractmethod
    def of_call(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Uniqueness:
        """The key of a call with these arguments, and what goes with it. Raises what a callable
        raises."""


class AtEnqueue(Keyed):
    """What decides whether a job is enqueued: of those with one key only one counts."""


class InLine(Keyed):
    """What makes a job wait for another with its key that was enqueued before it."""


def checked(value: Any) -> tuple[Any, ...]:
    """The option `middleware` as a tuple. Raises InvalidDefinition."""
    if not isinstance(value, list | tuple):
        raise InvalidDefinition(f"middleware: {value!r} must be a list")
    for item in value:
        if isinstance(item, type):
            raise InvalidDefinition(f"middleware: {item!r} is a class; give an instance of it")
        if not (isinstance(item, Gate | Keyed) or callable(item)):
            raise InvalidDefinition(f"middleware: {item!r} must be callable, or a gate")
    if sum(isinstance(item, AtEnqueue) for item in value) > 1:
        raise InvalidDefinition("middleware: a job can be unique in one way only")
    if sum(isinstance(item, InLine) for item in value) > 1:
        raise InvalidDefinition("middleware: a job can stand in one line only")
    return tuple(value)


def in_line(definition: JobDefinition) -> InLine | None:
    """What makes its jobs wait for each other, if something does."""
    return next((item for item in definition.middleware if isinstance(item, InLine)), None)


def at_enqueue(definition: JobDefinition) -> AtEnqueue | None:
    """What decides whether a call is enqueued, if something does."""
    return next((item for item in definition.middleware if isinstance(item, AtEnqueue)), None)


def gates_of(definition: JobDefinition) -> list[Gate]:
    return [item for item in definition.middleware if isinstance(item, Gate)]


def wrapped(
    definition: JobDefinition, job: CurrentJob, call: Callable[[], Any]
) -> Callable[[], Any]:
    """The call with all middleware of its definition around it."""
    for item in reversed(definition.middleware):
        if callable(item):
            call = partial(item, job, call)
    return call


def key_of(limit: str, key: KeyOf, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The key of a call. Raises what a callable raises, and InvalidDefinition."""
    from jobs.limits.declared import checked_key

    if key is None:
        return ""
    return checked_key(limit, key(*args, **kwargs) if callable(key) else key)


def span(field: str, value: float | dt.timedelta | None) -> dt.timedelta | None:
    """A duration. Raises InvalidDefinition unless it is a positive one."""
    if value is None:
        return None
    length = dt.timedelta(seconds=value) if isinstance(value, int | float) else value
    if isinstance(value, bool) or not isinstance(length, dt.timedelta) or length <= dt.timedelta(0):
        raise InvalidDefinition(
            f"{field}: {value!r} must be a positive number of seconds or a timedelta"
        )
    return length
