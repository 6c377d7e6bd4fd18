"""ThrottlesExceptions: a circuit breaker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import Gate, KeyOf, key_of, span
from jobs.limits.declared import DeclaredLimit, checked_name
from jobs.limits.kinds import LimitKind, Want

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.execution.context import CurrentJob


class ThrottlesExceptions(Gate):
    """Lets no job start while what it depends on is down, over all clusters, for each key.

    After `exceptions` in a row the breaker opens for `wait`: jobs that would start wait outside of
    any worker, and no attempt is spent. Then a single one is let through to try; if it succeeds all
    go on, if not the breaker stays open for another `wait`. `when` are the exceptions that count.
    The job that raised one goes by its own policy: whether it is tried again is no matter of this.
    """

    def __init__(
        self,
        name: str,
        exceptions: int = 10,
        wait: float | dt.timedelta = 60,
        *,
        by: KeyOf = None,
        when: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        self.name = checked_name(name)
        kinds = when if isinstance(when, tuple) else (when,)
        if not all(isinstance(one, type) and issubclass(one, BaseException) for one in kinds):
            raise InvalidDefinition(f"limit {name!r}: when {when!r} must be exception classes")
        self.by = by
        self.when = kinds
        self._declared = DeclaredLimit(name, LimitKind.BREAKER, exceptions, span("wait", wait))

    def limit_of(self, definition: JobDefinition) -> str:
        return self.name

    def declared_for(self, definition: JobDefinition) -> DeclaredLimit | None:
        return self._declared

    def want(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Want | None:
        return Want(self.name, key_of(self.name, self.by, args, kwargs))

    def __call__(self, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        args, kwargs = job.call
        key = key_of(self.name, self.by, args, kwargs)
        try:
            result = proceed()
        except self.when:
            job.apart(lambda: _report(self.name, key, failed=True))
            raise
        job.apart(lambda: _report(self.name, key, failed=False))
        return result


def _report(name: str, key: str, *, failed: bool) -> None:
    from jobs import transports
    from jobs.ledger import ledger

    if queues := ledger().report(name, key, failed=failed):
        transports.current().wake(queues)
