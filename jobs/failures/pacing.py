"""How much of a bulk operation may be done now: its rate, and the size of its batches."""

from __future__ import annotations

import datetime as dt

from jobs.models import BulkOperation

BATCH = 500
SLOW, QUICK = 0.4, 0.1
"""Seconds of a batch: after a slow one the next is half as large, after a quick one twice."""
SMALLEST = 10
BURST = 2.0
"""Seconds of its rate that an operation may catch up after nobody has advanced it for longer."""


def allow(operation: BulkOperation, now: dt.datetime) -> int:
    """How many may be retried now. What the rate gives leave for since the last time is added to
    the operation's allowance; a fraction stays there for the next time."""
    operation.started_at = operation.started_at or now
    since = operation.advanced_at or now
    operation.advanced_at = max(now, since)
    if operation.rate is None:
        return operation.batch
    earned = operation.rate * max((now - since).total_seconds(), 0.0)
    most = max(operation.rate * BURST, 1.0)
    operation.allowance = min(operation.allowance + earned, most)
    # A sum of fractions may end a hair below the whole number that it is.
    return min(int(operation.allowance + 1e-6), operation.batch)


def spend(operation: BulkOperation, count: int) -> None:
    """Take from the allowance what was retried."""
    if operation.rate is not None:
        operation.allowance -= count


def wait_of(operation: BulkOperation) -> float:
    """In how many seconds there is leave for a batch that is worth a transaction: what the rate
    gives in a tenth of a second, or for one where that is less."""
    if operation.rate is None:
        return 0.0
    wanted = min(max(1.0, operation.rate / 10), operation.batch)
    return max((wanted - operation.allowance) / operation.rate, 0.0)


def adapt(operation: BulkOperation, seconds: float) -> None:
    """Make the next batch smaller or larger by how long the last one took."""
    if seconds > SLOW:
        operation.batch = max(operation.batch // 2, SMALLEST)
    elif seconds < QUICK:
        operation.batch = min(operation.batch * 2, BATCH)
