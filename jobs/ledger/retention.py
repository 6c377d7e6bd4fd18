"""Retention: removing rows whose time is over, in batches, so that nothing else has to wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from jobs.conf import settings as conf
from jobs.idempotency import marks
from jobs.ledger import ledger, removal
from jobs.limits.known import idle_keys
from jobs.models import (
    FINISHED_STATES,
    Alert,
    Cluster,
    ClusterStatus,
    FailedJob,
    FailureGroup,
    Job,
    JobMetric,
    Notice,
    ScheduleSlot,
    Worker,
    Workflow,
)
from jobs.models.metric import LENGTHS
from jobs.sequences.lines import idle_lines
from jobs.uniqueness.locks import free_locks

BATCH = 1000
"""Rows in one transaction, each with what belongs to it."""
FORGOTTEN = "forgotten"
"""Beside the keys of JOBS_RETENTION."""


@dataclass(slots=True)
class RetentionReport:
    """How many rows were removed."""

    jobs: int = 0
    failed_jobs: int = 0
    forgotten_failed_jobs: int = 0
    failure_groups: int = 0
    notices: int = 0
    slots: int = 0
    unique_locks: int = 0
    idempotency_marks: int = 0
    limit_keys: int = 0
    sequences: int = 0
    workers: int = 0
    clusters: int = 0
    workflows: int = 0
    alerts: int = 0
    metrics_by_minute: int = 0
    metrics_by_hour: int = 0
    metrics_by_day: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) for item in fields(self))

    def __str__(self) -> str:
        counts = ((getattr(self, item.name), item.name.replace("_", " ")) for item in fields(self))
        return ", ".join(f"{count:,} {name}" for count, name in counts if count)


Keep = Mapping[str, dt.timedelta | None]
"""How long rows are kept, by the keys of JOBS_RETENTION; None is for ever."""


def run_once(now: dt.datetime | None = None, *, keep: Keep | None = None) -> RetentionReport:
    """Remove what is older than JOBS_RETENTION says; return how much that was.

    Finished jobs go with their tags, attempts and log lines. Failed jobs are kept by `failed`, both
    the job and its dead letter; those that were forgotten go after JOBS_UNDO_WINDOW. A failure
    group is kept as long from the latest of its failures on, and goes once no failed job is left.
    Workers and clusters go once they have ended; one that still holds a job stays. Workflows go
    with all that is nested in them once the outermost one has ended. `now` is the database's clock
    unless given; `keep` takes the place of the setting.
    """
    limits = _limits(now, keep)
    report = RetentionReport()
    for state, before in _of_jobs(limits):
        report.jobs += removal.remove_finished(state, before, BATCH)
    for name, rows in _others(limits):
        setattr(report, name, _remove(rows))
    return report


def preview(now: dt.datetime | None = None, *, keep: Keep | None = None) -> RetentionReport:
    """Count what `run_once` would remove, and remove nothing. A cluster whose workers, or a group
    whose failed jobs, would go first is not counted."""
    limits = _limits(now, keep)
    report = RetentionReport()
    for state, before in _of_jobs(limits):
        report.jobs += removal.finished_before(state, before).order_by().count()
    for name, rows in _others(limits):
        setattr(report, name, rows.order_by().count())
    return report


def _limits(now: dt.datetime | None, keep: Keep | None) -> dict[str, dt.datetime]:
    """The moment before which each kind goes, for those that go at all."""
    ages = {**(conf.RETENTION if keep is None else keep), FORGOTTEN: conf.UNDO_WINDOW}
    until = now or ledger().now()
    return {key: until - age for key, age in ages.items() if age is not None}


def _of_jobs(limits: dict[str, dt.datetime]) -> list[tuple[str, dt.datetime]]:
    return [(state, limits[state]) for state in FINISHED_STATES if state in limits]


def _others(limits: dict[str, dt.datetime]) -> Iterator[tuple[str, QuerySet[Any]]]:
    """What else is past its time, each as a field of the report and its rows."""
    forgotten = FailedJob.everything.using(conf.DATABASE).forgotten()
    over = forgotten.filter(forgotten_at__lt=limits[FORGOTTEN])
    yield "forgotten_failed_jobs", over.order_by("forgotten_at")
    if "failed" in limits:
        failed = FailedJob.objects.using(conf.DATABASE).filter(failed_at__lt=limits["failed"])
        yield "failed_jobs", failed.order_by("failed_at")
        yield "failure_groups", _groups(limits["failed"])
        groups = FailureGroup.objects.filter(pk=OuterRef("group_id"))
        notices = Notice.objects.using(conf.DATABASE).filter(~Exists(groups))
        yield "notices", notices.order_by("pk")
    if "slots" in limits:
        slots = ScheduleSlot.objects.using(conf.DATABASE).filter(slot_at__lt=limits["slots"])
        yield "slots", slots.order_by("slot_at")
    if "succeeded" in limits:
        now = ledger().now()
        yield "unique_locks", free_locks(now)
        yield "idempotency_marks", marks.expired(now)
        yield "limit_keys", idle_keys(now)
        yield "sequences", idle_lines(now)
    if "workflows" in limits:
        yield "workflows", _workflows(limits["workflows"])
    for level in LENGTHS:
        if (key := f"metrics_by_{level}") in limits:
            rows = JobMetric.objects.using(conf.DATABASE).filter(level=level, at__lt=limits[key])
            yield key, rows.order_by("at")
    if "alerts" in limits:
        alerts = Alert.objects.using(conf.DATABASE).filter(closed_at__lt=limits["alerts"])
        yield "alerts", alerts.order_by("closed_at")
    if "workers" in limits:
        yield "workers", _workers(limits["workers"])
        yield "clusters", _clusters(limits["workers"])


def _groups(before: dt.datetime) -> QuerySet[FailureGroup]:
    left = FailedJob.everything.filter(fingerprint=OuterRef("pk"))
    groups = FailureGroup.objects.using(conf.DATABASE).filter(~Exists(left), last_seen__lt=before)
    return groups.order_by("last_seen")


def workflows_before(before: dt.datetime, states: Collection[str]) -> QuerySet[Workflow]:
    """Whole trees whose outermost workflow ended in one of these states before this."""
    return _workflows(before).filter(root__state__in=list(states))


def remove_workflows(before: dt.datetime, states: Collection[str]) -> int:
    """Remove these now; return how many workflows that was."""
    return _remove(workflows_before(before, states))


def _workflows(before: dt.datetime) -> QuerySet[Workflow]:
    """Whole trees, by the end of the outermost one."""
    ended = Workflow.objects.using(conf.DATABASE).filter(
        root__nested=False, root__finished_at__isnull=False, root__finished_at__lt=before
    )
    return ended.order_by("root__finished_at")


def _workers(before: dt.datetime) -> QuerySet[Worker]:
    ended = Worker.objects.using(conf.DATABASE).filter(stopped_at__lt=before)
    holding = Job.objects.using(conf.DATABASE).running().filter(worker__isnull=False)
    return ended.exclude(pk__in=holding.values("worker")).order_by("stopped_at")


def _clusters(before: dt.datetime) -> QuerySet[Cluster]:
    ended = Cluster.objects.using(conf.DATABASE).filter(
        status__in=(ClusterStatus.STOPPED, ClusterStatus.LOST), stopped_at__lt=before
    )
    return ended.filter(workers__isnull=True).order_by("stopped_at")


def _remove(rows: QuerySet[Any]) -> int:
    removed = 0
    while True:
        with transaction.atomic(using=conf.DATABASE):
            ids = list(rows.values_list("pk", flat=True)[:BATCH])
            # The condition again: a row may have changed since it was read.
            counts = rows.order_by().filter(pk__in=ids).delete()[1] if ids else {}
        removed += counts.get(rows.model._meta.label, 0)
        if len(ids) < BATCH:
            return removed
