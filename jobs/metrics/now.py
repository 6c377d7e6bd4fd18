"""What is now, and was just now, from the jobs themselves."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q
from django.utils import timezone

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.metrics.counting import LIMIT, BoundedCount, bounded_counts
from jobs.metrics.queues import queue_stats
from jobs.metrics.recent import HOUR, span, span_since
from jobs.models import FINISHED_STATES, FailedJob, Job, JobState
from jobs.models.job import JobQuerySet


def jobs_by_state(limit: int = LIMIT) -> dict[str, BoundedCount]:
    """How many jobs are in each state, exact up to `limit`; every state is there."""
    return bounded_counts({state.value: _in_state(state) for state in JobState}, limit)


def failed_count(limit: int = LIMIT) -> BoundedCount:
    """How many failed jobs wait for a decision: not retried yet. Exact up to `limit`."""
    rows = FailedJob.objects.using(conf.DATABASE).unretried()
    return bounded_counts({"failed": rows}, limit)["failed"]


def pending_count(queue: str | None = None, limit: int = LIMIT) -> BoundedCount:
    """How many jobs wait: ready, scheduled and blocked, on one queue or on all.

    Exact up to `limit` of each; of one queue, see `queue_stats`.
    """
    if queue is not None:
        return queue_stats([queue], limit)[0].pending
    states = (JobState.READY, JobState.SCHEDULED, JobState.BLOCKED)
    counts = bounded_counts({state: _in_state(state) for state in states}, limit)
    return sum(counts.values(), BoundedCount(0))


def average_processing_time(
    window: dt.timedelta | None = None, limit: int = LIMIT
) -> dt.timedelta | None:
    """The mean time from start to end of the last attempt, of jobs that succeeded.

    Of those that ended within the window, today by default: the newest `limit` of them. None if
    there are none. Waiting is not part of it.
    """
    now = ledger().now()
    since = now - window if window is not None else _midnight(now)
    run = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    jobs = span_since(since, now, limit).jobs(JobState.SUCCEEDED).filter(started_at__isnull=False)
    mean: dt.timedelta | None = jobs.order_by().aggregate(mean=Avg(run))["mean"]
    return mean


def jobs_processed_today(limit: int = 1_000_000) -> BoundedCount:
    """How many jobs succeeded since midnight in the current time zone. Exact up to `limit`, which
    is high: the count reads an index only."""
    jobs = _in_state(JobState.SUCCEEDED).filter(finished_at__gte=_midnight(ledger().now()))
    return bounded_counts({"today": jobs}, limit)["today"]


def throughput(window: dt.timedelta = HOUR, limit: int = LIMIT) -> float:
    """Jobs per minute that ran and ended, over the window or, where it holds more than `limit`
    successes or failures, over its newest part."""
    past = span(window, limit)
    return past.jobs().count() / past.minutes if past.minutes else 0.0


def failure_rates(
    window: dt.timedelta = HOUR,
    *,
    by: Literal["queue", "definition"] = "queue",
    limit: int = LIMIT,
) -> dict[str, float]:
    """The share of jobs that failed for good among those that ended, 0 to 1, by queue or by
    definition, over the window or its newest part, as for `throughput`."""
    rows = span(window, limit).jobs().order_by().values_list(by)
    counted = rows.annotate(ended=Count("pk"), bad=Count("pk", filter=Q(state=JobState.FAILED)))
    return {name: bad / ended for name, ended, bad in sorted(counted)}


def _in_state(state: JobState) -> JobQuerySet:
    jobs = Job.objects.using(conf.DATABASE).filter(state=state)
    # The index of finished jobs covers rows that have an end.
    return jobs.filter(finished_at__isnull=False) if state in FINISHED_STATES else jobs


def _midnight(now: dt.datetime) -> dt.datetime:
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
