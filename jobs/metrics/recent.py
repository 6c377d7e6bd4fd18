"""The recent past, cut so short that reading it is cheap."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.metrics.counting import LIMIT
from jobs.models import Job, JobState
from jobs.models.job import JobQuerySet

HOUR = dt.timedelta(hours=1)
RUN_STATES = (JobState.SUCCEEDED, JobState.FAILED)
"""How a job ends that has run."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time until now. `cut` says that more jobs ended in the one that was asked for
    than are read, so that this is the newest part of it."""

    since: dt.datetime
    until: dt.datetime
    cut: bool = False

    @property
    def minutes(self) -> float:
        return (self.until - self.since).total_seconds() / 60

    def jobs(self, *states: str) -> JobQuerySet:
        """The jobs that ended in these states within the span, through the index of the same."""
        jobs = Job.objects.using(conf.DATABASE).in_state(*(states or RUN_STATES))
        return jobs.filter(finished_at__gt=self.since, finished_at__isnull=False)


def span(window: dt.timedelta = HOUR, limit: int = LIMIT) -> Span:
    """The last `window`, or as much of it that no more than `limit` jobs of a state ended in it.

    Figures about a span are exact for the span. "Now" is the database's clock.
    """
    now = ledger().now()
    return span_since(now - window, now, limit)


def span_since(since: dt.datetime, now: dt.datetime, limit: int = LIMIT) -> Span:
    """From a moment until now, cut as `span` does."""
    whole = Span(since, now)
    starts = [since]
    for state in RUN_STATES:
        ended = whole.jobs(state).order_by("-finished_at").values_list("finished_at", flat=True)
        starts += [moment for moment in ended[limit : limit + 1] if moment is not None]
    newest = max(starts)
    return Span(newest, now, cut=newest > since)
