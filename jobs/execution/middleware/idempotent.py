"""Idempotent: what was done once is not done again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobs.arguments import encode_result
from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import span

if TYPE_CHECKING:
    from jobs.execution.context import CurrentJob

KEEP = dt.timedelta(days=7)


class Idempotent:
    """Ends a job without running it where its work was done before, or another job is at it.

    `by` is a callable of the job's arguments that says what the work is, such as the id of an
    event; the job's result is then that of the one that did it. It is remembered for `keep`, a week
    by default. With `atomic` the job's work and the mark of it are one transaction of the ledger's
    database: what the job writes there is written once even if its worker is killed at the worst
    moment. Without it such a job runs again, as any job does.
    """

    def __init__(
        self,
        by: Callable[..., Any],
        *,
        keep: float | dt.timedelta = KEEP,
        atomic: bool = False,
        shared: str | None = None,
    ) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        if not callable(by):
            raise InvalidDefinition(f"idempotent: by {by!r} must be a callable")
        self.by = by
        self.keep = span("keep", keep) or KEEP
        self.atomic = atomic
        self.shared = shared

    def __call__(self, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        from jobs.idempotency import marks

        args, kwargs = job.call
        label = f"{self.shared or job.definition}: {self.by(*args, **kwargs)}"
        other = job.apart(lambda: marks.begin(label, job, self.keep))
        if other is not None:
            word = "done" if other.done_at else "being done"
            job.skip(f"it is {word} by job {other.job_id}", result=other.result)
        if self.atomic:
            return self._in_one_transaction(label, job, proceed)
        result = proceed()
        stored = _stored(result, job)
        job.apart(lambda: marks.done(label, job, stored, self.keep))
        return result

    def _in_one_transaction(self, label: str, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        from django.db import transaction

        from jobs.conf import settings as conf
        from jobs.idempotency import marks

        with transaction.atomic(using=conf.DATABASE):
            result = proceed()
            marks.done(label, job, _stored(result, job), self.keep)
        return result


def _stored(result: Any, job: CurrentJob) -> Any:
    value = encode_result(result)
    return value if job.scrub is None else job.scrub.json(value)
