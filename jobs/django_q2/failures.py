"""What is written once an old call has failed for good, whatever ended it."""

from __future__ import annotations

from django.db import router, transaction
from django_q.models import Task

from jobs.conf import settings
from jobs.django_q2 import cached, hooks
from jobs.django_q2.calls import OldCall
from jobs.django_q2.rows import Ending, error_text, save_row
from jobs.execution.context import current_job
from jobs.models import FailedJob, Job


def record_failure(error: BaseException) -> None:
    """Write the failure where the call wants it, and enqueue its hook.

    The row may be there already: an attempt that raised wrote it. One whose worker died, or whose
    arguments are gone, could not. Runs as `on_failure`, so the failed job is the current one.
    """
    current = current_job()
    if current is None:
        raise RuntimeError("record_failure runs as the on_failure of a job")
    failed = FailedJob.everything.using(settings.DATABASE).get(job_id=current.id)
    call = OldCall.stored(**failed.arguments["kwargs"])
    ending = _ending(failed)
    with transaction.atomic(using=settings.DATABASE):
        if call.options.cached:
            cached.save(call, ending)
        elif not _has_row_of(call, ending):
            save_row(call, ending)
        hooks.enqueue(call, current.id, current.queue)


def _ending(failed: FailedJob) -> Ending:
    job = Job.objects.using(settings.DATABASE).filter(pk=failed.job_id).only("started_at").first()
    return Ending(
        success=False,
        result=error_text(failed),
        # Its own row may have been pruned before its failure.
        started=(job.started_at if job is not None else None) or failed.enqueued_at,
        stopped=failed.failed_at,
    )


def _has_row_of(call: OldCall, ending: Ending) -> bool:
    """Whether the attempt that failed has written its row, and not only an earlier one."""
    database = router.db_for_write(Task)
    rows = Task.objects.using(database).filter(pk=call.options.id)
    return bool(rows.filter(stopped__gte=ending.started).exists())
