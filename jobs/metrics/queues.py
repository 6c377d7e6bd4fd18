"""Queues: how much waits in each, how long, and whether it is too much."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Min
from django.db.models.functions import Coalesce, Greatest

from jobs import queue_names
from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.metrics.counting import LIMIT, BoundedCount, bounded_counts
from jobs.metrics.recent import HOUR, span
from jobs.models import FailedJob, Job, JobState, Queue
from jobs.models.failure import FailedJobQuerySet
from jobs.models.job import JobQuerySet

RESTING = (JobState.SCHEDULED, JobState.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One queue. The figures of the past are of the last hour, or the newest part of it in which
    no more than 10,000 jobs of the site ended."""

    name: str
    ready: BoundedCount
    scheduled: BoundedCount
    blocked: BoundedCount
    running: BoundedCount
    wait: dt.timedelta | None
    """How long the oldest ready job has been ready; None if there is none."""
    paused: bool
    paused_until: dt.datetime | None
    paused_reason: str
    max_waiting: int | None
    """More ready jobs than this is a backlog."""
    succeeded: int
    failed: int
    throughput: float
    """Jobs per minute."""
    dead: BoundedCount
    """Its dead letters: failed jobs that nobody has retried or forgotten."""

    @property
    def backed_up(self) -> bool:
        return self.max_waiting is not None and self.ready > self.max_waiting

    @property
    def pending(self) -> BoundedCount:
        """All that wait, for whatever."""
        return self.ready + self.scheduled + self.blocked

    @property
    def failure_rate(self) -> float | None:
        """The share of failed jobs among those that ended, 0 to 1; None if none ended."""
        ended = self.succeeded + self.failed
        return self.failed / ended if ended else None


def queue_sizes(queues: Sequence[str] | None = None, limit: int = LIMIT) -> dict[str, BoundedCount]:
    """How many jobs of each queue are ready, exact up to `limit`; of all queues by default."""
    names = queue_names.known() if queues is None else queues
    return bounded_counts({name: _ready(name) for name in names}, limit)


def queue_wait(name: str, limit: int = LIMIT) -> dt.timedelta | None:
    """How long the oldest ready job of a queue has been ready, None if none is.

    Exact up to `limit` ready jobs. Of a longer queue the first and the last `limit` in the order
    of the claim are looked at: the next to run, and those that priority leaves behind.
    """
    now = ledger().now()
    orders = (("claim_rank", "pk"), ("-claim_rank", "-pk"))
    # A job became ready when it was enqueued or, if that was later, when it was due.
    became_ready = Greatest(Coalesce("due_at", "enqueued_at"), "enqueued_at")
    found: list[dt.datetime] = []
    for order in orders:
        looked_at = _ready(name).order_by(*order).annotate(since=became_ready)[:limit]
        facts = looked_at.aggregate(oldest=Min("since"), count=Count("pk"))
        if facts["oldest"] is not None:
            found.append(facts["oldest"])
        if facts["count"] < limit:
            break
    return max(now - min(found), dt.timedelta(0)) if found else None


def queue_stats(
    queues: Sequence[str] | None = None, limit: int = LIMIT, window: dt.timedelta = HOUR
) -> list[QueueStats]:
    """Tell of each of these queues, of all by default, in the order in which they are served.

    Counts are exact up to `limit` for each queue; those of running jobs up to `limit` on all queues
    together: if there are more, all of them are capped.
    """
    names = list(queue_names.known() if queues is None else queues)
    decided = Queue.objects.using(conf.DATABASE).in_bulk(names)
    paused = set(
        Queue.objects.using(conf.DATABASE).paused(ledger().now()).values_list("pk", flat=True)
    )
    ready = queue_sizes(names, limit)
    resting = bounded_counts(
        {(state, name): _resting(state, name) for state in RESTING for name in names}, limit
    )
    running = _running_per_queue(names, limit)
    dead = bounded_counts({name: _dead(name) for name in names}, limit)
    past = span(window, limit)
    ended = Counter(
        {
            (queue, state): count
            for queue, state, count in past.jobs()
            .order_by()
            .values_list("queue", "state")
            .annotate(count=Count("pk"))
        }
    )
    stats = []
    for name in names:
        row = decided.get(name) or Queue(name=name)
        succeeded, failed = ended[name, JobState.SUCCEEDED], ended[name, JobState.FAILED]
        stats.append(
            QueueStats(
                name=name,
                ready=ready[name],
                scheduled=resting[JobState.SCHEDULED, name],
                blocked=resting[JobState.BLOCKED, name],
                running=running[name],
                wait=queue_wait(name, limit) if ready[name] else None,
                paused=name in paused,
                paused_until=row.paused_until if name in paused else None,
                paused_reason=row.paused_reason if name in paused else "",
                max_waiting=row.max_waiting,
                succeeded=succeeded,
                failed=failed,
                throughput=(succeeded + failed) / past.minutes if past.minutes else 0.0,
                dead=dead[name],
            )
        )
    return stats


def _dead(name: str) -> FailedJobQuerySet:
    rows: FailedJobQuerySet = FailedJob.objects.using(conf.DATABASE).unretried().filter(queue=name)
    return rows


def _ready(name: str) -> JobQuerySet:
    return Job.objects.using(conf.DATABASE).ready().on_queues([name])


def _resting(state: str, name: str) -> JobQuerySet:
    (part,) = Job.objects.using(conf.DATABASE).on_queues([name]).by_state(state)
    return part


def _running_per_queue(names: Sequence[str], limit: int) -> dict[str, BoundedCount]:
    """From `limit` + 1 of all that run: no index leads to one queue's."""
    sample = Job.objects.using(conf.DATABASE).running().order_by().values("queue")
    found = Counter(row["queue"] for row in sample[: limit + 1])
    capped = found.total() > limit
    return {name: BoundedCount(found[name], capped=capped) for name in names}
