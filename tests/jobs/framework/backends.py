"""Our back end in the roles that Django's own tests of its Tasks framework give to theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from jobs.backend import LedgerBackend
from jobs.compat import Task, TaskResult
from jobs.models import Attempt, FailedJob, Job
from jobs.results import result_of
from jobs.transports.sync import run_one


class RecordingBackend(LedgerBackend):
    """In the place of the dummy back end: enqueues, runs nothing, and lists what it has."""

    @property
    def results(self) -> list[TaskResult[Any]]:
        return [result_of(pk) for pk in Job.objects.order_by("id").values_list("pk", flat=True)]

    def clear(self) -> None:
        for model in (FailedJob, Attempt, Job):
            model._base_manager.all().delete()


class EagerBackend(LedgerBackend):
    """In the place of the immediate back end: runs the job before `enqueue` returns."""

    def enqueue(
        self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        result = super().enqueue(task, args, kwargs)
        run_one(UUID(result.id))
        result.refresh()
        return result
