"""ConcurrencyLimit and WithoutOverlapping: so many jobs at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.execution.middleware.contract import Gate, KeyOf, key_of, span
from jobs.limits.declared import DeclaredLimit, checked_name
from jobs.limits.kinds import LimitKind, Want

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition


class ConcurrencyLimit(Gate):
    """Lets `amount` jobs run at once, over all clusters, for each key.

    `by` is a word, or a callable of the job's arguments. Without a `name` the limit belongs to the
    definition; definitions that name the same limit share it. A place is freed with the end of the
    attempt, and so when its worker or its host dies; `expire_after`, seconds or a timedelta, lets
    it count no more after so long, even if the job still runs.
    """

    def __init__(
        self,
        by: KeyOf = None,
        amount: int = 1,
        *,
        name: str | None = None,
        expire_after: float | dt.timedelta | None = None,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        self.name = checked_name(name) if name is not None else None
        self.amount = amount
        # Says at once what is wrong with the amount.
        DeclaredLimit(self.name or "jobs at once", LimitKind.CONCURRENCY, amount)
        self.by = by
        self.expire_after = span("expire_after", expire_after)

    def declared_for(self, definition: JobDefinition) -> DeclaredLimit:
        return DeclaredLimit(self.limit_of(definition), LimitKind.CONCURRENCY, self.amount)

    def limit_of(self, definition: JobDefinition) -> str:
        """The name of the limit for a definition."""
        return self.name or definition.path[-100:]

    def want(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Want | None:
        limit = self.limit_of(definition)
        key = key_of(limit, self.by, args, kwargs)
        return Want(limit, key, expire_after=self.expire_after)


class WithoutOverlapping(ConcurrencyLimit):
    """Lets one job at a time run for each key: `WithoutOverlapping(lambda order_id: order_id)`.

    With `shared="name"` jobs of several definitions do not overlap either, where they name the
    same.
    """

    def __init__(
        self,
        by: KeyOf = None,
        *,
        shared: str | None = None,
        expire_after: float | dt.timedelta | None = None,
    ) -> None:
        super().__init__(by, 1, name=shared, expire_after=expire_after)
