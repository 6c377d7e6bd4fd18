"""django-q2's own rows of finished tasks, from which `result` and `fetch` read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django_q.models import Task

from jobs.django_q2.calls import OldCall
from jobs.models import FailedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call ended: `result` is what it returned, or the text of its error."""

    success: bool
    result: Any
    started: dt.datetime
    stopped: dt.datetime


def error_text(failed: FailedJob) -> str:
    """The result of a failed task as django-q2 words it: the message and the traceback."""
    return f"{failed.message} : {failed.traceback}" if failed.traceback else failed.message


def save_row(call: OldCall, ending: Ending) -> None:
    """Write the task's row: a new one, or over that of a failed attempt. A success stays."""
    database = router.db_for_write(Task)
    with transaction.atomic(using=database):
        row = (
            Task.objects.using(database)
            .only("id", "success", "attempt_count")
            .filter(pk=call.options.id)
            .first()
        )
        if row is None:
            _insert(call, ending, database)
        elif not row.success:
            # django-q2 runs the hook whenever a row that has one is saved: ours is a job.
            row.hook = None
            row.started, row.stopped = ending.started, ending.stopped
            row.result, row.success = ending.result, ending.success
            row.attempt_count += 1
            row.save(
                using=database,
                update_fields=["started", "stopped", "result", "success", "attempt_count"],
            )


def _insert(call: OldCall, ending: Ending, database: str) -> None:
    options = call.options
    Task(
        id=options.id,
        name=options.name,
        func=call.func,
        args=tuple(call.args),
        kwargs=call.kwargs,
        group=options.group,
        cluster=options.cluster,
        started=ending.started,
        stopped=ending.stopped,
        result=ending.result,
        success=ending.success,
        attempt_count=1,
    ).save(using=database, force_insert=True)
    if options.hook:
        # Afterwards, and without a signal, for the same reason as above.
        Task.objects.using(database).filter(pk=options.id).update(hook=options.hook)
