"""The back end of the Tasks framework: `TASKS = {"default": {"BACKEND":
"jobs.backend.LedgerBackend"}}`.

Nothing of models is imported here before it is used: the framework makes its back ends, and has
them validate tasks, while the modules of tasks are imported, which may be before apps are ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage

from jobs.compat import BaseTaskBackend, InvalidTask, Task, TaskResult, task_enqueued
from jobs.definitions import JobDefinition


class LedgerBackend(BaseTaskBackend):
    """Every task is a job of the ledger, with all that the framework can offer."""

    task_class = JobDefinition  # type: ignore[assignment]
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def enqueue(
        self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Insert a job in the caller's transaction and return its result, still READY; of a unique
        one that gave way to another, the result of that.

        Raises InvalidTask, InvalidArguments (a TypeError), InvalidOption (a ValueError), or
        DuplicateJob where a unique job wants that.
        """
        from jobs import dispatch, results

        self.validate_task(task)
        definition = self._definition(task)
        job = dispatch.new_job(definition, args, kwargs)
        inserted = dispatch.insert_timed([job])
        if job.id in inserted.instead:
            return results.result_of(inserted.instead[job.id])
        enqueued_at = inserted.enqueued[job.id]
        result = results.enqueued_result(definition, job.id, job.arguments, enqueued_at)
        task_enqueued.send_robust(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result of a job of this site.

        Raises TaskResultDoesNotExist for an unknown or malformed id.
        """
        from jobs import results

        return results.result_of(result_id)

    def validate_task(self, task: Task) -> None:
        """See BaseTaskBackend. Raises InvalidTask."""
        super().validate_task(task)
        if len(task.queue_name) > 64:
            raise InvalidTask(f"queue_name {task.queue_name!r} has more than 64 characters.")

    def _definition(self, task: Task) -> JobDefinition:
        """The task as ours; one declared for another back end and moved here by `.using()` runs
        with the default policy."""
        if isinstance(task, JobDefinition):
            return task
        from jobs import registry

        declared = registry.adopt(task)
        return declared.using(
            priority=task.priority, queue_name=task.queue_name, run_after=task.run_after
        )

    def check(self, **kwargs: Any) -> Iterable[CheckMessage]:
        """The engine's checks cover the back end; see `jobs.checks`."""
        return []
