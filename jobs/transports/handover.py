"""Handover: a job that is inserted as one that an idle worker of this host holds already.

Where a worker waits, a single new job need not be claimed: the enqueuing process promises it to the
worker, inserts it as running there, and once that is committed gives it through the worker's bell.
That spares a statement, a commit and a wait for the disk between the call and the start.

Whatever goes wrong on the way, the ledger's own rules mend: it says that the worker holds the job.
A worker that no longer waits, or has ended, is not given the job, and the caller gives it back; if
the caller ends before that, the worker, which knows that a promise was broken, looks what it holds
and gives back what it does not know; and who rescues a dead worker's jobs finds this one too.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import Error

from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.rows import compact_json
from jobs.transports import doorbell

if TYPE_CHECKING:
    from jobs.dispatch import NewJob
    from jobs.ledger import Ledger

AT_MOST = 2048
"""Bytes of arguments and options. All of a job is written at once, and PIPE_BUF is 4096."""
_MOMENTS = ("enqueued_at", "started_at", "retry_until", "slot_at")

logger = logging.getLogger("jobs.transports")


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What became of a job."""

    enqueued_at: dt.datetime
    is_ready: bool
    """Nobody holds it: it waits to be claimed, as jobs do."""


def hand_over(book: Ledger, job: NewJob) -> HandedOver | None:
    """Insert a job that can run at once, and give it to an idle worker of this host.

    Returns None, with nothing done, if there is no such worker or the job is too large for it.
    """
    if len(compact_json(job.arguments)) + len(compact_json(job.options)) > AT_MOST:
        return None
    with doorbell.promise(job.queue) as promise:
        if promise is None:
            return None
        enqueued_at, may_start = book.insert_held(job, promise.worker_id)
        held = ClaimedJob(
            id=job.id,
            definition=job.definition,
            queue=job.queue,
            arguments=job.arguments,
            options=job.options,
            attempts=1,
            exceptions=0,
            crashes=0,
            fence=1,
            priority=job.priority,
            worker_id=promise.worker_id,
            enqueued_at=enqueued_at,
            started_at=enqueued_at,
            retry_until=job.retry_until,
            chain=job.chain,
            schedule_id=job.schedule_id,
            slot_at=job.slot_at,
            cancel_requested=False,
        )
        if may_start and promise.keep(_written(held)):
            return HandedOver(enqueued_at, is_ready=False)
        try:
            book.give_back([held])
        except Error:
            # It is in the ledger, so the call has not failed. The worker gives it back, as the
            # promise stays open; or who rescues from it.
            logger.warning("job %s waits for worker %s", job.id, promise.worker_id, exc_info=True)
        else:
            promise.call_off()
    return HandedOver(enqueued_at, is_ready=True)


def received(given: bytes) -> ClaimedJob:
    """The job that was given, as if it had been claimed."""
    values = json.loads(given)
    values["id"] = UUID(values["id"])
    if values["chain"]:
        values["chain"] = UUID(values["chain"])
    for name in _MOMENTS:
        if values[name]:
            values[name] = dt.datetime.fromisoformat(values[name])
    return ClaimedJob(**values)


def _written(job: ClaimedJob) -> bytes:
    """As a line of JSON. The clock is the same in all processes of a host."""
    values = {name: getattr(job, name) for name in doorbell.FORM}
    values["id"] = job.id.hex
    if job.chain:
        values["chain"] = job.chain.hex
    for name in _MOMENTS:
        if values[name]:
            values[name] = values[name].isoformat()
    return compact_json(values).encode() + doorbell.END
