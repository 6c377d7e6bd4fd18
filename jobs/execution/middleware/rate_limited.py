"""RateLimited: so many starts in a period."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import Gate, KeyOf, key_of
from jobs.limits.declared import DeclaredLimit, checked_name, rate_limit
from jobs.limits.kinds import LimitKind, Want

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

_KINDS = (LimitKind.FIXED_WINDOW, LimitKind.SLIDING_WINDOW, LimitKind.TOKEN_BUCKET)


class RateLimited(Gate):
    """Lets so many jobs start in a period, over all clusters, for each key.

    `RateLimited("calcom", "60/m")`; without a rate the limit's own row, or JOBS_LIMITS, says how
    much. `by` is a word, or a callable of the job's arguments, for what it is kept; `kind` is
    `sliding` (in any period), `fixed` (in each period of the calendar) or `bucket` (a steady rate,
    with bursts of up to `burst`). `cost` is how much a job counts, a number or a callable of its
    arguments: 0 counts nothing at the start, for jobs that tell with `current_job().spend(…)` what
    they have used. Definitions that name the same limit share it.
    """

    def __init__(
        self,
        name: str,
        rate: str | tuple[int, Any] | None = None,
        *,
        by: KeyOf = None,
        kind: str = LimitKind.SLIDING_WINDOW,
        burst: int | None = None,
        cost: float | Callable[..., float] = 1,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        self.name = checked_name(name)
        if kind not in _KINDS:
            rule = f"must be one of {', '.join(_KINDS)}"
            raise InvalidDefinition(f"limit {name!r}: kind {kind!r} {rule}")
        if rate is None and burst is not None:
            raise InvalidDefinition(f"limit {name!r}: burst {burst!r} needs a rate")
        self._declared = (
            rate_limit(name, rate, LimitKind(kind), burst) if rate is not None else None
        )
        self.by = by
        self.cost = cost if callable(cost) else _checked_cost(name, cost)

    def limit_of(self, definition: JobDefinition) -> str:
        return self.name

    def declared_for(self, definition: JobDefinition) -> DeclaredLimit | None:
        return self._declared

    def want(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Want | None:
        cost = self.cost
        if callable(cost):
            cost = _checked_cost(self.name, cost(*args, **kwargs))
        return Want(self.name, key_of(self.name, self.by, args, kwargs), cost)


def _checked_cost(name: str, cost: object) -> float:
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < 1e9:
        raise InvalidDefinition(f"limit {name!r}: cost {cost!r} must be a number from 0 on")
    return float(cost)
