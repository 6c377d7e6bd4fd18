"""Unique, UniqueUntilStart and Debounce: of calls that are the same only one counts."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.compat import normalize_json
from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import AtEnqueue, span
from jobs.uniqueness.calls import ON_CONFLICT, Uniqueness

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

UniqueBy = Callable[..., Any] | Sequence[str] | None
"""What makes two calls the same: a callable of the arguments, names of parameters, or None for all
arguments."""


class Unique(AtEnqueue):
    """Lets a job be enqueued only while no other of the same key waits or runs.

    `by` is what makes two calls the same: names of parameters, or a callable of the arguments;
    without it all arguments. `period`, seconds or a timedelta, keeps others out for so long from
    the enqueueing on, even if the job has ended. Another call, meanwhile, gives way to the job that
    is there: `on_conflict` is `skip`, `replace` (it gets the new arguments, if it still waits),
    `reschedule` (it gets the new time) or `raise` (DuplicateJob). `enqueue` then returns the result
    of the job that is there. With `shared="name"` several definitions share their keys.
    """

    until_start = False

    def __init__(
        self,
        by: UniqueBy = None,
        *,
        period: float | dt.timedelta | None = None,
        on_conflict: str = "skip",
        shared: str | None = None,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        if isinstance(by, str):
            raise InvalidDefinition(f"unique: by {by!r} must be a list of parameters")
        if on_conflict not in ON_CONFLICT:
            rule = f"must be one of {', '.join(ON_CONFLICT)}"
            raise InvalidDefinition(f"unique: on_conflict {on_conflict!r} {rule}")
        self.by = by
        self.period = span("period", period)
        self.on_conflict = on_conflict
        self.shared = shared

    def check(self, definition: JobDefinition) -> None:
        """Raises InvalidDefinition for a name that is no parameter of the function."""
        if self.by is None or callable(self.by):
            return
        for name in self.by:
            if name not in definition.signature.parameters:
                raise InvalidDefinition(
                    f"unique: by {name!r} is no parameter of {definition.label}"
                )

    def of_call(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Uniqueness:
        """What makes this call unique. Raises what a callable raises."""
        return Uniqueness(
            label=f"{self.shared or definition.path}: {self._key(definition, args, kwargs)}",
            until_start=self.until_start,
            period=self.period,
            on_conflict=self.on_conflict,
        )

    def _key(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> str:
        if callable(self.by):
            return _text(self.by(*args, **kwargs))
        bound = definition.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        return _text({name: given[name] for name in (self.by or given)})


class UniqueUntilStart(Unique):
    """The same, but only while the job waits: once it has started another may be enqueued."""

    until_start = True


class Debounce(Unique):
    """Lets the last of several calls win: the job starts once `wait` has passed without another,
    with the arguments of the last, and not later than `longest` after the first.
    """

    until_start = True

    def __init__(
        self,
        wait: float | dt.timedelta,
        *,
        longest: float | dt.timedelta | None = None,
        by: UniqueBy = (),
        shared: str | None = None,
    ) -> None:
        """`by` is what makes two calls the same; by default all calls are. Raises
        InvalidDefinition, naming the field, the value and the rule."""
        super().__init__(by, on_conflict="replace", shared=shared)
        self.wait = span("wait", wait)
        self.longest = span("longest", longest)
        if self.wait is None:
            raise InvalidDefinition(f"debounce: wait {wait!r} must be given")
        if self.longest is not None and self.longest < self.wait:
            raise InvalidDefinition(f"debounce: longest {longest!r} must not be less than wait")

    def of_call(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Uniqueness:
        return Uniqueness(
            label=f"{self.shared or definition.path}: {self._key(definition, args, kwargs)}",
            until_start=True,
            on_conflict=self.on_conflict,
            wait=self.wait,
            longest=self.longest,
        )

    def _key(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> str:
        # Calls differ in what they say, not in what they are about.
        return super()._key(definition, args, kwargs) if self.by else ""


def _text(value: Any) -> str:
    """A key as text: the same for the same JSON."""
    from django.db.models import Model

    def plain(one: Any) -> Any:
        if isinstance(one, Model):
            return f"{one._meta.label_lower}:{one.pk}"
        if isinstance(one, Mapping):
            return {str(name): plain(item) for name, item in one.items()}
        if isinstance(one, list | tuple):
            return [plain(item) for item in one]
        return one

    if isinstance(value, str):
        return value
    return json.dumps(normalize_json(plain(value)), sort_keys=True, separators=(",", ":"))
