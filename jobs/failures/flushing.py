"""Forgets failed jobs, and restores those that were forgotten a short while ago."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.keyset import pages
from jobs.models import FailedJob
from jobs.models.failure import FailedJobQuerySet


def forget(
    failed: FailedJobQuerySet | Iterable[UUID], actor: Actor, reason: str = "", *, scope: str = ""
) -> int:
    """Forget these failed jobs and return how many there were.

    For JOBS_UNDO_WINDOW they are hidden from everything and can be restored; then retention deletes
    them. Without a window they are deleted at once. The rows of the jobs themselves stay as history
    until retention removes them. Works in batches of 500, each with its own transaction; one audit
    entry tells of all. `failed` is a queryset or ids of failed jobs; `scope` says in words which
    they are.
    """
    return _forget(failed, Operation(actor, "forget", scope or "selected failed jobs", reason))


def flush(failed: FailedJobQuerySet, actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Forget all failed jobs that match, as `forget` does, and return how many there were.

    Those that fail while this runs stay.
    """
    return _forget(failed, Operation(actor, "flush", scope or "failed jobs that match", reason))


def restore(
    forgotten: FailedJobQuerySet | Iterable[UUID],
    actor: Actor,
    reason: str = "",
    *,
    scope: str = "",
) -> int:
    """Bring forgotten failed jobs back as they were, and return how many there were.

    One that its rule runs again does so at its time, or now if that has passed meanwhile. In
    batches and audited as `forget` is.
    """
    operation = Operation(actor, "restore", scope or "selected forgotten failed jobs", reason)
    restored = 0
    for page in pages(forgotten):
        with transaction.atomic(using=conf.DATABASE):
            rows = FailedJob.everything.using(conf.DATABASE).forgotten().filter(pk__in=page)
            free = _free(rows)
            rows.filter(pk__in=free).update(forgotten_at=None, forgotten_in=None)
            operation.add(free)
        restored += len(free)
    return restored


def _forget(failed: FailedJobQuerySet | Iterable[UUID], operation: Operation) -> int:
    forgotten = 0
    for page in pages(failed):
        with transaction.atomic(using=conf.DATABASE):
            rows = FailedJob.objects.using(conf.DATABASE).filter(pk__in=page)
            free = _free(rows)
            operation.add(free)
            if free and conf.UNDO_WINDOW:
                rows.filter(pk__in=free).update(forgotten_at=Now(), forgotten_in=operation.entry)
            else:
                rows.filter(pk__in=free).delete()
        forgotten += len(free)
    return forgotten


def _free(rows: FailedJobQuerySet) -> list[UUID]:
    """The ids of these rows, locked, without those that somebody works on at this moment."""
    locked = rows.order_by("pk").select_for_update(skip_locked=True)
    return list(locked.values_list("pk", flat=True))
