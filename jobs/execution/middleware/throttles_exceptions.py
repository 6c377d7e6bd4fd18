"""ThrottlesExceptions: a circuit breaker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import Gate, KeyOf, key_of, span
from jobs.limits.declared import DeclaredLimit, checked_name
from jobs.limits.kinds import LimitKind, Want
from jobs.options import checked_tags

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.execution.context import CurrentJob


class ThrottlesExceptions(Gate):
    """Lets no job start while what it depends on is down, over all clusters, for each key.

    After `exceptions` in a row the breaker opens for `wait`: jobs that would start wait outside of
    any worker, and no attempt is spent. Then a single one is let through to try; if it succeeds all
    go on, if not the breaker stays open for another `wait`. `when` are the exceptions that count.
    The job that raised one goes by its own policy: whether it is tried again is no matter of this.

    With `snooze_queue` the whole queue of the job is paused as long as the breaker is open, and
    with `snooze_tag` every job that has this tag: others that need the same thing and do not say
    so.
    """

    def __init__(
        self,
        name: str,
        exceptions: int = 10,
        wait: float | dt.timedelta = 60,
        *,
        by: KeyOf = None,
        when: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        snooze_queue: bool = False,
        snooze_tag: str | None = None,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        self.name = checked_name(name)
        kinds = when if isinstance(when, tuple) else (when,)
        if not all(isinstance(one, type) and issubclass(one, BaseException) for one in kinds):
            raise InvalidDefinition(f"limit {name!r}: when {when!r} must be exception classes")
        if snooze_tag is not None:
            checked_tags([snooze_tag])
        self.by = by
        self.snooze_queue = snooze_queue
        self.snooze_tag = snooze_tag
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
        except self.when as error:
            job.apart(lambda: _report(self.name, key, failed=True))
            if self.snooze_queue or self.snooze_tag is not None:
                self._snooze(job, key, type(error).__name__)
            raise
        job.apart(lambda: _report(self.name, key, failed=False))
        return result

    def _snooze(self, job: CurrentJob, key: str, exception: str) -> None:
        wait = job.apart(lambda: _open_for(self.name, key))
        if wait is None:
            return
        of = f"{self.name} of {key}" if key else self.name
        reason = f"The breaker {of} is open: the last exception was {exception}."[:200]
        if self.snooze_queue:
            job.snooze_queue(wait, reason)
        if self.snooze_tag is not None:
            job.snooze_tag(self.snooze_tag, wait, reason)


def _open_for(name: str, key: str) -> dt.timedelta | None:
    """How long a breaker stays open; None while it is not."""
    from jobs.ledger import ledger
    from jobs.ledger.moments import moment
    from jobs.limits.known import counted_from

    wait = moment(counted_from(name, key)) - ledger().now()
    return wait if wait > dt.timedelta(0) else None


def _report(name: str, key: str, *, failed: bool) -> None:
    from jobs import transports
    from jobs.ledger import ledger

    if queues := ledger().report(name, key, failed=failed):
        transports.current().wake(queues)
