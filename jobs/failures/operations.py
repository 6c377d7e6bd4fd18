"""Bulk operations: many failed jobs retried at a rate, in batches that anybody may carry on.

An operation is a row. Each batch is one transaction that holds the row, retries the next failed
jobs behind its cursor, and writes cursor and counts with them. Whoever advances it may be killed at
any moment: a batch is done with its count, or not at all, and the next advances from there.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from jobs import audit
from jobs.audit import SAMPLE, Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption, JobsError
from jobs.failures import pacing, redrive
from jobs.failures.scope import checked, failed_jobs_in
from jobs.ledger import ledger
from jobs.metrics.counting import bounded_counts
from jobs.models import AuditEntry, BulkOperation, OperationState

HIGHEST_RATE = 100_000
COUNTED = 1_000_000
"""The total is exact up to this."""
REASONS_KEPT = 50
"""So many different reasons of refusals are kept by their words; the rest count as one."""
OTHER_REASONS = "for other reasons"

logger = logging.getLogger("jobs.failures")


@dataclass(frozen=True, slots=True)
class Advance:
    """What one batch did. `wait` is how many seconds the rate asks for until the next; None where
    there is none, as the operation has ended or was stopped."""

    done: int = 0
    skipped: int = 0
    refused: int = 0
    wait: float | None = None


class NotThisOperation(JobsError):
    """The state of the operation does not allow this."""


def start(
    scope: Mapping[str, Any],
    actor: Actor,
    reason: str = "",
    *,
    words: str,
    rate: int | None = None,
) -> BulkOperation:
    """Order the retry of all failed jobs of a scope that were not retried yet: of those that there
    are now. The clock of the leading cluster carries it out, or whoever calls `advance`.

    `words` says the scope for people. `rate` is so many a second at the most; None is as fast as
    batches go. One audit entry is written now, and each batch adds to its count. Raises
    InvalidOption for a scope or a rate that is none, and for a scope without any failed job.
    """
    kept, pace = checked(scope), checked_rate(rate)
    rows = failed_jobs_in(kept)
    last = rows.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        raise InvalidOption("scope", words, "no failed job of it waits for a retry")
    total = bounded_counts({"total": rows.filter(pk__lte=last)}, COUNTED)["total"]
    with transaction.atomic(using=conf.DATABASE):
        entry = audit.record(actor, "retry", words, 0, reason=reason)
        operation = BulkOperation.objects.using(conf.DATABASE).create(
            scope=kept,
            words=words,
            rate=pace,
            bound=last,
            batch=pacing.BATCH,
            total=int(total),
            total_is_capped=total.capped,
            started_by=actor.user,
            started_by_name=actor.name[:150],
            reason=reason,
            audit_entry=entry,
        )
        _tell(operation, [])
    # What the database has put in, such as the time.
    operation.refresh_from_db()
    return operation


def checked_rate(rate: Any) -> int | None:
    """A rate, or None for none. Raises InvalidOption."""
    whole = isinstance(rate, int) and not isinstance(rate, bool)
    if rate is not None and not (whole and 1 <= rate <= HIGHEST_RATE):
        raise InvalidOption(
            "rate", rate, f"must be a whole number from 1 to {HIGHEST_RATE:,}, per second"
        )
    return rate if whole else None


def stop(operation: BulkOperation, actor: Actor, reason: str = "") -> None:
    """Stop it. The batch that is under way is completed; what is done stays done.

    Raises NotThisOperation unless it is waiting or running.
    """
    with transaction.atomic(using=conf.DATABASE):
        # Waits for the batch under way, so that none follows what is told here.
        stopped = (
            _rows(operation.pk).active().update(state=OperationState.STOPPED, finished_at=Now())
        )
        if not stopped:
            raise _refused(operation, "stopped")
        operation.refresh_from_db()
        _tell(operation, [])
        _record(actor, "stop operation", operation, reason)


def resume(operation: BulkOperation, actor: Actor, reason: str = "") -> None:
    """Let one go on that was stopped or has failed, from where it is.

    Raises NotThisOperation for any other.
    """
    with transaction.atomic(using=conf.DATABASE):
        resumed = (
            _rows(operation.pk)
            .halted()
            .update(
                state=OperationState.WAITING,
                advanced_at=None,
                allowance=0,
                finished_at=None,
                error="",
            )
        )
        if not resumed:
            raise _refused(operation, "resumed")
        operation.refresh_from_db()
        _tell(operation, [])
        _record(actor, "resume operation", operation, reason)


def advance(operation_id: int, now: dt.datetime | None = None) -> Advance:
    """Do the next batch, in one transaction, and return what it did.

    Several may call this at once: each batch is done by one of them. `now` is the database's clock
    unless given. An error of any kind but a lost connection ends the operation as failed, with what
    was done before, and is logged.
    """
    started = time.monotonic()
    try:
        with transaction.atomic(using=conf.DATABASE):
            # The first statement writes: it holds the row, and on SQLite the database, to the end.
            held = _rows(operation_id).active().update(state=OperationState.RUNNING)
            if not held:
                return Advance()
            return _next_batch(_rows(operation_id).get(), now or ledger().now(), started)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("bulk operation %s failed", operation_id)
        _rows(operation_id).active().update(
            state=OperationState.FAILED,
            error=f"{type(error).__name__}: {error}",
            finished_at=Now(),
        )
        return Advance()


def drive(
    operation: BulkOperation,
    *,
    told: Callable[[BulkOperation], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Advance an operation in this process until it ends or somebody stops it. `told` is called
    after each batch, with the operation as it stands."""
    while True:
        step = advance(operation.pk)
        operation.refresh_from_db()
        told(operation)
        if step.wait is None:
            return
        if step.wait:
            pause(step.wait)


def _next_batch(operation: BulkOperation, now: dt.datetime, started: float) -> Advance:
    size = pacing.allow(operation, now)
    if size < 1:
        operation.save(update_fields=["started_at", "advanced_at", "allowance"])
        return Advance(wait=pacing.wait_of(operation))
    ids = _next_ids(operation, size)
    batch = redrive.retry_batch(ids)
    done, refused = len(batch.job_ids), batch.refused.total()
    skipped = len(ids) - done - refused
    operation.done += done
    operation.skipped += skipped
    operation.refused = _merged(operation.refused, batch.refused)
    if ids:
        operation.cursor = ids[-1]
    pacing.spend(operation, done)
    ended = len(ids) < size
    if ended:
        operation.state, operation.finished_at = OperationState.FINISHED, now
    pacing.adapt(operation, time.monotonic() - started)
    operation.save()
    _tell(operation, batch.failed_ids)
    return Advance(done, skipped, refused, None if ended else pacing.wait_of(operation))


def _next_ids(operation: BulkOperation, size: int) -> list[UUID]:
    rows = failed_jobs_in(operation.scope).filter(pk__lte=operation.bound)
    if operation.cursor is not None:
        rows = rows.filter(pk__gt=operation.cursor)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:size])


def _merged(before: Mapping[str, int], new: Counter[str]) -> dict[str, int]:
    merged = Counter(before)
    for why, count in new.items():
        known = why in merged or len(merged) < REASONS_KEPT
        merged[why if known else OTHER_REASONS] += count
    return dict(merged)


def _tell(operation: BulkOperation, ids: list[UUID]) -> None:
    """Have the audit entry say what was done until now."""
    entries = AuditEntry.objects.using(conf.DATABASE).filter(pk=operation.audit_entry_id)
    after = entries.values_list("after", flat=True).get() or {}
    sample: list[str] = after.get("ids", [])
    sample += [str(one) for one in ids[: SAMPLE - len(sample)]]
    entries.update(
        count=operation.done,
        after={
            "operation": operation.pk,
            "rate": operation.rate,
            "total": operation.total,
            "skipped": operation.skipped,
            "refused": operation.refused,
            "ids": sample,
        },
    )


def _record(actor: Actor, action: str, operation: BulkOperation, reason: str) -> None:
    after = {"operation": operation.pk, "done": operation.done, "total": operation.total}
    audit.record(actor, action, str(operation), after=after, reason=reason)


def _rows(operation_id: int) -> Any:
    return BulkOperation.objects.using(conf.DATABASE).filter(pk=operation_id)


def _refused(operation: BulkOperation, action: str) -> NotThisOperation:
    operation.refresh_from_db()
    return NotThisOperation(
        f"Operation {operation.pk} is {operation.state} and cannot be {action}."
    )
