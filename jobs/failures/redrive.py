"""Runs failed jobs again, each as a new job that is linked to the old one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from jobs import dispatch
from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.exceptions import JobsError
from jobs.execution.recover import RECOVERIES
from jobs.keyset import pages
from jobs.models import FailedJob, Job
from jobs.models.failure import FailedJobQuerySet
from jobs.workflows import retaking

JOB_IDS = 1000
"""A report names so many of the new jobs."""


@dataclass(slots=True)
class RedriveReport:
    """What a retry did. `skipped` were retried before or meanwhile, are gone, or were refused."""

    retried: int = 0
    skipped: int = 0
    job_ids: list[UUID] = field(default_factory=list)
    """The new jobs, the first 1,000 of them."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many could not be made into a job, by the reason."""


def retry(
    failed: FailedJobQuerySet | Iterable[UUID],
    actor: Actor,
    reason: str = "",
    *,
    scope: str = "",
) -> RedriveReport:
    """Make a new job of each of these failed jobs that was not retried yet.

    The failed job stays as it was and gets `retried_at` and `retried_as`; the new job has its
    `retry_of`, and the arguments, queue, priority, tags and options of the old call. However many
    operators retry at once, each failed job becomes one new job. A failed job whose definition is
    no longer registered, or whose arguments no longer fit it, is refused and stays as it is. The
    new job of a member of a workflow takes its place there.

    Works in batches of 500, each with its own transaction; one audit entry tells of all.
    `failed` is a queryset or ids of failed jobs; `scope` says in words which they are.
    """
    operation = Operation(actor, "retry", scope or "selected failed jobs", reason)
    report = RedriveReport()
    for page in pages(failed):
        with transaction.atomic(using=conf.DATABASE):
            batch = retry_batch(page)
            operation.add(batch.failed_ids)
        # Counted only now: a batch that was rolled back has retried nothing.
        report.retried += len(batch.job_ids)
        report.skipped += len(page) - len(batch.job_ids)
        report.job_ids += batch.job_ids[: JOB_IDS - len(report.job_ids)]
        report.refused += batch.refused
    return report


@dataclass(slots=True)
class Batch:
    """What became of one batch: the failed jobs that were retried, the new jobs in the same order,
    and those that could not be made into a job, counted by the reason."""

    failed_ids: list[UUID] = field(default_factory=list)
    job_ids: list[UUID] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    refused_ids: list[UUID] = field(default_factory=list)


def retry_batch(ids: Sequence[UUID], *, by_rule: bool = False) -> Batch:
    """Retry those of these failed jobs that nobody else has retried or holds, in the transaction of
    the caller. `by_rule` says that no operator but the rule of their definition asks for it, which
    counts against its limit."""
    rows = FailedJob.objects.using(conf.DATABASE).filter(pk__in=ids).unretried()
    batch, new_jobs = Batch(), dict[UUID, dispatch.NewJob]()
    # A row that another operator holds is being retried by them.
    locked = list(rows.defer("traceback").order_by("pk").select_for_update(skip_locked=True))
    places = retaking.places_of([failed.job_id for failed in locked])
    for failed in locked:
        try:
            new_job = dispatch.new_job_from(
                failed.definition,
                failed.arguments,
                queue=failed.queue,
                priority=failed.priority,
                options=options_of_retry(failed, by_rule=by_rule),
                tags=failed.tags,
                tenant=failed.tenant,
                retry_of=failed.job_id,
            )
            new_job.chain = places.get(failed.job_id)
            new_jobs[failed.pk] = new_job
        except JobsError as error:
            batch.refused[str(error)] += 1
            batch.refused_ids.append(failed.pk)
    if new_jobs:
        ids = dispatch.insert(list(new_jobs.values()))
        for key, made in zip(list(new_jobs), ids, strict=True):
            if new_jobs[key].id != made:
                del new_jobs[key]
                batch.refused[f"unique, and job {made} is there already"] += 1
                batch.refused_ids.append(key)
        if members := [new_job for new_job in new_jobs.values() if new_job.chain is not None]:
            retaking.retake(members)
        _mark(rows, new_jobs)
    batch.failed_ids = list(new_jobs)
    batch.job_ids = [new_job.id for new_job in new_jobs.values()]
    return batch


def options_of_retry(failed: FailedJob, *, by_rule: bool = False) -> dict[str, Any]:
    """The options of the old call for the new one, with the number of its line's recoveries."""
    recoveries = failed.recoveries + by_rule
    options = {name: value for name, value in failed.options.items() if name != RECOVERIES}
    return {**options, RECOVERIES: recoveries} if recoveries else options


def _mark(rows: FailedJobQuerySet, new_jobs: dict[UUID, dispatch.NewJob]) -> None:
    ids = [new_job.id for new_job in new_jobs.values()]
    made = Job.objects.using(conf.DATABASE).filter(pk__in=ids, retry_of_id=OuterRef("job_id"))
    marked = rows.filter(pk__in=list(new_jobs)).update(
        retried_at=Now(), retried_as=Subquery(made.values("pk")[:1])
    )
    if marked != len(new_jobs):
        # Without row locks, as on a SQLite in deferred mode, someone may have been faster.
        raise JobsError("Failed jobs of this batch were retried meanwhile; nothing was changed.")
