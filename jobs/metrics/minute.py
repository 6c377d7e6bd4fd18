"""A minute of the ledger as figures: one statement each for what ended, what was tried in vain, and
what came, whatever their number."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from jobs.identifiers import uuid7_floor
from jobs.ledger import Ledger
from jobs.metrics.figures import Figures
from jobs.metrics.histogram import Histogram, bucket_sql

Pair = tuple[str, str]
"""Queue and definition."""

# SQLite's own functions of time know milliseconds alone.
_SINCE_1970 = (
    "(unixepoch({0}) * 1000000 + CAST(substr(substr({0}, 21) || '000000', 1, 6) AS integer))"
)
_MICROSECONDS = {
    "postgresql": "CAST(GREATEST(EXTRACT(EPOCH FROM ({end} - {start})) * 1000000, 1) AS bigint)",
    "sqlite": "max({end} - {start}, 1)",
}
_READY_AT = {
    "postgresql": "GREATEST(enqueued_at, due_at)",
    "sqlite": "max(enqueued_at, COALESCE(due_at, enqueued_at))",
}
# Both histograms from one reading: the pairs of buckets are few.
_ENDED = """
SELECT queue, definition, state, {wait_bucket}, {run_bucket}, COUNT(*),
    SUM({wait}) / 1000000.0, SUM({run}) / 1000000.0
FROM jobs_job
WHERE state IN ('succeeded', 'failed') AND finished_at >= %s AND finished_at < %s
    AND started_at IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
"""
_CANCELLED = """
SELECT queue, definition, COUNT(*) FROM jobs_job
WHERE state = 'cancelled' AND finished_at >= %s AND finished_at < %s GROUP BY 1, 2
"""
_IN_VAIN = """
SELECT job.queue, job.definition, COUNT(*)
FROM jobs_attempt AS attempt JOIN jobs_job AS job ON job.id = attempt.job_id
WHERE attempt.outcome IN ('failed', 'timed_out', 'lost')
    AND attempt.finished_at >= %s AND attempt.finished_at < %s
GROUP BY 1, 2
"""
_CAME = """
SELECT queue, definition, COUNT(*) FROM jobs_job WHERE id >= %s AND id < %s GROUP BY 1, 2
"""


def figures_of_minute(book: Ledger, start: dt.datetime, end: dt.datetime) -> dict[Pair, Figures]:
    """What happened from `start` until before `end`, by queue and definition.

    A wait is from when the job was last ready to its last attempt; a run is that attempt. A job
    that came is counted by the time inside its id, which its caller made.
    """
    found: dict[Pair, Figures] = defaultdict(Figures)
    vendor = book.connection.vendor
    period = [book.stored(start), book.stored(end)]
    _count_ended(found, book.look(_ended_sql(vendor), period))
    for queue, definition, count in book.look(_CANCELLED, period):
        found[queue, definition].cancelled += count
    for queue, definition, count in book.look(_IN_VAIN, period):
        figures = found[queue, definition]
        # The last attempt of a job that has failed for good is no retry.
        figures.retried += max(count - figures.failed, 0)
    ids = [book.stored(uuid7_floor(start)), book.stored(uuid7_floor(end))]
    for queue, definition, count in book.look(_CAME, ids):
        found[queue, definition].enqueued += count
    return dict(found)


def _ended_sql(vendor: str) -> str:
    wait = _between(vendor, _READY_AT[vendor], "started_at")
    run = _between(vendor, "started_at", "finished_at")
    return _ENDED.format(
        wait=wait, run=run, wait_bucket=bucket_sql(wait), run_bucket=bucket_sql(run)
    )


def _between(vendor: str, start: str, end: str) -> str:
    """Whole microseconds from one column to another, at least 1."""
    if vendor == "sqlite":
        start, end = _SINCE_1970.format(start), _SINCE_1970.format(end)
    return _MICROSECONDS[vendor].format(start=start, end=end)


def _count_ended(found: dict[Pair, Figures], rows: list[tuple[Any, ...]]) -> None:
    for queue, definition, state, wait, run, count, waited, ran in rows:
        figures = found[queue, definition]
        if state == "succeeded":
            figures.succeeded += count
        else:
            figures.failed += count
        figures.wait.add(Histogram({wait: count}))
        figures.run.add(Histogram({run: count}))
        figures.wait_seconds += float(waited)
        figures.run_seconds += float(ran)
