"""The marks of work that is being done, or was."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.models import IdempotencyMark, Job
from jobs.uniqueness.calls import Uniqueness

if TYPE_CHECKING:
    from jobs.execution.context import CurrentJob


def begin(label: str, job: CurrentJob, keep: dt.timedelta) -> IdempotencyMark | None:
    """Say that this attempt is at it; None if it may go on, else the mark of who has done it, or
    is at it.

    What an attempt has begun that failed, or whose worker died, may be begun again by anybody.
    """
    key = Uniqueness(label=label).key
    now = ledger().now()
    mark = IdempotencyMark(
        key=key,
        label=_shown(label, job)[:300],
        job_id=job.id,
        fence=job.fence,
        expires_at=now + keep,
    )
    rows = IdempotencyMark.objects.using(conf.DATABASE)
    with transaction.atomic(using=conf.DATABASE):
        rows.bulk_create([mark], ignore_conflicts=True)
        found = rows.select_for_update().get(pk=key)
        mine = (found.job_id, found.fence) == (job.id, job.fence)
        if not mine and found.expires_at > now and (found.done_at or _is_at_it(found, job)):
            return found
        rows.filter(pk=key).update(
            job_id=job.id, fence=job.fence, done_at=None, result=None, expires_at=mark.expires_at
        )
    return None


def done(label: str, job: CurrentJob, result: Any, keep: dt.timedelta) -> None:
    """Say that it is done, in the caller's transaction if there is one."""
    key = Uniqueness(label=label).key
    now = ledger().now()
    IdempotencyMark.objects.using(conf.DATABASE).filter(
        pk=key, job_id=job.id, fence=job.fence
    ).update(done_at=now, result=result, expires_at=now + keep)


def expired(now: dt.datetime) -> QuerySet[IdempotencyMark]:
    """Marks whose time is over, for retention."""
    rows = IdempotencyMark.objects.using(conf.DATABASE).filter(expires_at__lt=now)
    return rows.order_by("expires_at")


def _is_at_it(found: IdempotencyMark, job: CurrentJob) -> bool:
    if found.job_id == job.id:
        # An earlier attempt of this very job, which has ended.
        return False
    rows = Job.objects.using(conf.DATABASE).running()
    return rows.filter(pk=found.job_id, fence=found.fence).exists()


def _shown(label: str, job: CurrentJob) -> str:
    """The label without sensitive arguments."""
    return label if job.scrub is None else job.scrub.text(label)
