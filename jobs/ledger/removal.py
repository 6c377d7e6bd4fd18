"""Removing finished jobs with all that is theirs: one statement for many, as retention must keep
up with what all workers finish."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.db import connections, transaction
from django.db.models.signals import post_delete, pre_delete

from jobs.conf import settings as conf
from jobs.models import Attempt, Job, JobLog, JobTag
from jobs.models.job import JobQuerySet

OWNED = (JobLog, JobTag, Attempt)
"""What goes with a job."""

_DELETIONS = ", ".join(
    f"of_{model._meta.db_table} AS (DELETE FROM {model._meta.db_table} "
    "WHERE job_id = ANY (ARRAY(SELECT id FROM old)))"
    for model in OWNED
)

# The ids as arrays: each table is looked into by its index, whatever the statistics say of it.
# What another transaction holds is left for the next time.
_REMOVE = f"""
WITH old AS MATERIALIZED (
    SELECT id, finished_at FROM jobs_job
    WHERE state = %s AND finished_at IS NOT NULL AND finished_at < %s
    AND finished_at >= COALESCE(%s, '-infinity'::timestamptz)
    ORDER BY finished_at
    LIMIT %s
    FOR UPDATE SKIP LOCKED
), {_DELETIONS}, of_jobs_job AS (
    DELETE FROM jobs_job WHERE id = ANY (ARRAY(SELECT id FROM old))
)
SELECT COUNT(*), MAX(finished_at) FROM old
"""


def remove_finished(state: str, before: dt.datetime, batch: int) -> int:
    """Remove the jobs that ended in this state before a moment, with their tags, attempts and log
    lines, in transactions of `batch` jobs; return how many.

    What other apps attach to jobs goes as Django's deletion has it: by their `on_delete`, and with
    the signals that somebody receives.
    """
    remove = _remove_by_django if _others_care() else _REMOVERS[_vendor()]
    removed, newest = 0, None
    while True:
        # Where the last batch ended: before it lie the entries of the jobs that are gone.
        count, newest = remove(state, before, newest, batch)
        removed += count
        if count < batch:
            return removed


def finished_before(state: str, before: dt.datetime) -> JobQuerySet:
    """The jobs that ended in this state before a moment, the longest ago first."""
    jobs = Job.objects.using(conf.DATABASE).filter(
        state=state, finished_at__lt=before, finished_at__isnull=False
    )
    return jobs.order_by("finished_at")


Removed = tuple[int, dt.datetime | None]
"""How many jobs, and the latest end among them."""


def _remove_on_postgresql(
    state: str, before: dt.datetime, since: dt.datetime | None, batch: int
) -> Removed:
    with connections[conf.DATABASE].cursor() as cursor:
        cursor.execute(_REMOVE, [state, before, since, batch])
        count, newest = cursor.fetchone()
        return count, newest


def _remove_on_sqlite(
    state: str, before: dt.datetime, since: dt.datetime | None, batch: int
) -> Removed:
    with transaction.atomic(using=conf.DATABASE):
        ids, newest = _batch(state, before, since, batch)
        document = json.dumps([job_id.hex for job_id in ids])
        with connections[conf.DATABASE].cursor() as cursor:
            for model, column in (*((model, "job_id") for model in OWNED), (Job, "id")):
                cursor.execute(
                    f"DELETE FROM {model._meta.db_table} "
                    f"WHERE {column} IN (SELECT value FROM json_each(%s))",
                    [document],
                )
    return len(ids), newest


def _remove_by_django(
    state: str, before: dt.datetime, since: dt.datetime | None, batch: int
) -> Removed:
    with transaction.atomic(using=conf.DATABASE):
        ids, newest = _batch(state, before, since, batch)
        finished_before(state, before).order_by().filter(pk__in=ids).delete()
    return len(ids), newest


def _batch(
    state: str, before: dt.datetime, since: dt.datetime | None, batch: int
) -> tuple[list[Any], dt.datetime | None]:
    rows = finished_before(state, before)
    if since is not None:
        rows = rows.filter(finished_at__gte=since)
    found = list(rows.values_list("pk", "finished_at")[:batch])
    return [pk for pk, _ in found], found[-1][1] if found else since


_REMOVERS = {"postgresql": _remove_on_postgresql, "sqlite": _remove_on_sqlite}


def _vendor() -> str:
    return str(connections[conf.DATABASE].vendor)


def _others_care() -> bool:
    """Whether the deletion of a job concerns anybody but this app."""
    app = Job._meta.app_label
    referring = (relation.related_model for relation in Job._meta.related_objects)
    return (
        any(model._meta.app_label != app for model in referring if not isinstance(model, str))
        or pre_delete.has_listeners(Job)
        or post_delete.has_listeners(Job)
    )
