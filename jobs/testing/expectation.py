"""Expectation: what a test wants a pushed job to be, and in what a job differs from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs import arguments, registry
from jobs.arguments import Payload
from jobs.options import checked_tags
from jobs.testing.naming import name_of
from jobs.testing.pushed import OLD_CALL, PushedJob, comparable

TOLERANCE = dt.timedelta(seconds=1)
"""How far a delay may be off, since it was counted from a moment before the job was pushed."""

Where = Callable[[PushedJob], object]


@dataclass(frozen=True, slots=True)
class Expectation:
    """A definition, and what else is asked of a job; None asks nothing."""

    definition: str
    payload: Payload | None = None
    queue: str | None = None
    priority: int | None = None
    run_after: dt.datetime | dt.timedelta | None = None
    tags: tuple[str, ...] = ()
    where: Where | None = None

    @classmethod
    def of(
        cls,
        definition: Any,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        **rest: Any,
    ) -> Expectation:
        """Raises what `name_of` does, and InvalidArguments for a call that could not be enqueued:
        no job can be like that."""
        name = name_of(definition)
        payload = None
        if args is not None or kwargs is not None:
            payload = _payload(name, args or (), kwargs or {})
        return cls(name, payload, tags=checked_tags(tags), **rest)

    def holds(self, job: PushedJob) -> bool:
        return job.definition == self.definition and not any(self._differences(job))

    def why_not(self, job: PushedJob) -> list[str]:
        """In what a job is not as it is wanted, in words; of another definition that says all."""
        return list(self._differences(job)) if job.definition == self.definition else []

    def _differences(self, job: PushedJob) -> Iterator[str]:
        if self.payload is not None:
            yield from self._other_arguments(job, self.payload)
        for name in ("queue", "priority"):
            wanted, is_ = getattr(self, name), getattr(job, name)
            if wanted is not None and is_ != wanted:
                yield f"{name} is {is_!r}, not {wanted!r}"
        if self.run_after is not None and not self._is_in_time(job):
            yield f"run_after is {_moment(job)}, not {self.run_after!s}"
        for tag in self.tags:
            if tag not in job.tags:
                yield f"there is no tag {tag!r}"
        if self.where is not None and not self.where(job):
            yield "where() does not hold"

    def _other_arguments(self, job: PushedJob, payload: Payload) -> Iterator[str]:
        wanted = comparable(self.definition, payload)
        given = comparable(self.definition, job.payload)
        for name in {**wanted, **given}:
            if name not in given:
                yield f"{name} is not given, but {wanted[name]!r} is wanted"
            elif name not in wanted:
                yield f"{name} is {given[name]!r}, but is not wanted"
            elif wanted[name] != given[name]:
                yield f"{name} is {given[name]!r}, not {wanted[name]!r}"

    def _is_in_time(self, job: PushedJob) -> bool:
        if isinstance(self.run_after, dt.datetime):
            return job.run_after == self.run_after
        delay = job.run_after - job.pushed_at if job.run_after else dt.timedelta(0)
        assert self.run_after is not None
        return abs(delay - self.run_after) <= TOLERANCE

    def __str__(self) -> str:
        """The wanted call, in words."""
        words = []
        if self.payload is not None:
            wanted = comparable(self.definition, self.payload)
            words.append(", ".join(f"{name}={value!r}" for name, value in wanted.items()))
        for name in ("queue", "priority", "run_after"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"{name} {value!s}")
        words += [f"tag {tag}" for tag in self.tags]
        words += ["where() holds"] if self.where is not None else []
        return f"{self.definition} with {'; '.join(words)}" if words else self.definition


def _payload(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Payload:
    definition = registry.find(name)
    if definition is not None:
        return arguments.encode(definition, args, kwargs)
    # The function of an old call: its arguments are stored inside those of the job that calls it.
    old = registry.get(OLD_CALL)
    given = {"func": name, "args": list(args), "kwargs": dict(kwargs), "task": {}}
    stored: Payload = arguments.encode_any(old, (), given)["kwargs"]
    return {"args": stored["args"], "kwargs": stored["kwargs"]}


def _moment(job: PushedJob) -> str:
    return (
        f"{job.run_after} ({job.run_after - job.pushed_at} later)" if job.run_after else "at once"
    )
