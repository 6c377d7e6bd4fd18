"""Forgets failed jobs."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.keyset import pages
from jobs.models import FailedJob
from jobs.models.failure import FailedJobQuerySet


def forget(
    failed: FailedJobQuerySet | Iterable[UUID], actor: Actor, reason: str = "", *, scope: str = ""
) -> int:
    """Delete these failed jobs and return how many there were.

    The rows of the jobs themselves stay as history until retention removes them. Works in batches
    of 500, each with its own transaction; one audit entry tells of all. `failed` is a queryset or
    ids of failed jobs; `scope` says in words which they are.
    """
    return _delete(failed, Operation(actor, "forget", scope or "selected failed jobs", reason))


def flush(failed: FailedJobQuerySet, actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Delete all failed jobs that match, as `forget` does, and return how many there were.

    Those that fail while this runs stay.
    """
    return _delete(failed, Operation(actor, "flush", scope or "failed jobs that match", reason))


def _delete(failed: FailedJobQuerySet | Iterable[UUID], operation: Operation) -> int:
    deleted = 0
    for page in pages(failed):
        with transaction.atomic(using=conf.DATABASE):
            rows = FailedJob.objects.using(conf.DATABASE).filter(pk__in=page)
            # One that is being retried or deleted at this moment is another operator's.
            free = list(
                rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)
            )
            FailedJob.objects.using(conf.DATABASE).filter(pk__in=free).delete()
            operation.add(free)
        deleted += len(free)
    return deleted
