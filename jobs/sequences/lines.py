"""The lines in which jobs of a sequence stand: each new one behind the last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.models import UNFINISHED_STATES, Job, JobSequence

if TYPE_CHECKING:
    from jobs.dispatch import NewJob


def line_up(jobs: Sequence[NewJob]) -> list[UUID]:
    """Let each of these new jobs follow the one before it with its key, if that has not ended;
    return those jobs of the ledger that are followed now.

    In the transaction that inserts them. The rows of their keys stay locked until its end.
    """
    if not jobs:
        return []
    now = ledger().now()
    rows = JobSequence.objects.using(conf.DATABASE)
    labels = {job.line.key: job.line.shown[:300] for job in jobs if job.line is not None}
    fresh = [
        JobSequence(key=key, label=label, last_id=UUID(int=0), changed_at=now)
        for key, label in sorted(labels.items())
    ]
    rows.bulk_create(fresh, ignore_conflicts=True)
    locked = rows.select_for_update().filter(pk__in=labels).order_by("pk")
    last = {row.pk: row.last_id for row in locked}
    waited_for = _unfinished(list(last.values()))
    followed: list[UUID] = []
    for job in jobs:
        assert job.line is not None
        before = last[job.line.key]
        if before in waited_for:
            job.follows_id = before
            followed.append(before)
        last[job.line.key] = job.id
        waited_for.add(job.id)
    rows.bulk_update(
        [JobSequence(key=key, last_id=job_id, changed_at=now) for key, job_id in last.items()],
        ["last", "changed_at"],
        batch_size=500,
    )
    return followed


def release_ended(job_ids: Sequence[UUID]) -> None:
    """Let those go who follow jobs of these that have ended: one may have done so between the look
    at it and the commit of who follows."""
    from jobs import transports

    ended = set(job_ids) - _unfinished(job_ids)
    if ended and (queues := ledger().release_after(sorted(ended))):
        transports.current().wake(queues)


def _unfinished(job_ids: Sequence[UUID]) -> set[UUID]:
    rows = Job.objects.using(conf.DATABASE).filter(pk__in=list(job_ids)).unfinished()
    return set(rows.order_by().values_list("pk", flat=True))


def idle_lines(now: dt.datetime) -> QuerySet[JobSequence]:
    """Lines in which nobody stands any more, for retention."""
    last = Job.objects.using(conf.DATABASE).filter(pk=OuterRef("last_id"))
    rows = JobSequence.objects.using(conf.DATABASE).filter(
        changed_at__lt=now - dt.timedelta(hours=1)
    )
    return rows.filter(~Exists(last.in_state(*UNFINISHED_STATES))).order_by("changed_at")
