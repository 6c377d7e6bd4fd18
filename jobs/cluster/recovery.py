"""Recovery: what a worker's file says that its worker cannot say any more, or not soon."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from django.db import OperationalError

from jobs import transports
from jobs.cluster import journals
from jobs.cluster.journal import JournalReader
from jobs.cluster.session import refuse_what_is_too_much
from jobs.cluster.slot import Running, Slot
from jobs.execution import finishing
from jobs.ledger import Ledger
from jobs.ledger.outcome import ClaimedJob, Outcome
from jobs.ledger.records import outcome_of

STUCK = 0.02
"""Seconds for which a job may run while others that are claimed wait for its end."""
PATIENCE = 0.5
"""Seconds to wait for a worker that is just going from one job to the next."""

logger = logging.getLogger("jobs.cluster")


def settle(book: Ledger, worker_id: int, path: Path) -> None:
    """Write what a dead worker has finished, and give back what it has not started: what is left
    to be rescued is the job that it died in, if any."""
    with journals.reading(path) as (slot, journal), journal.locked(PATIENCE) as locked:
        if not locked:
            # A program that a job has left behind may hold it. The fence protects the ledger.
            logger.warning("the journal of worker %s is locked", worker_id)
        _take_over(book, worker_id, slot, journal, slot.running())


def relieve(book: Ledger, worker_id: int, path: Path) -> int:
    """Take from a worker that has got stuck in a job what waits behind that, and write what it has
    finished before. Return how many jobs were given back.

    Does nothing if the worker is not stuck, or has gone on meanwhile.
    """
    with journals.reading(path) as (slot, journal), journal.locked(PATIENCE) as locked:
        running = slot.running()
        if not locked or not is_stuck(slot, running):
            return 0
        return _take_over(book, worker_id, slot, journal, running)


def is_stuck(slot: Slot, running: Running | None) -> bool:
    """Whether others have waited long enough for the end of the job that runs."""
    return running is not None and slot.waiting > 0 and time.monotonic() - running.since > STUCK


def _take_over(
    book: Ledger, worker_id: int, slot: Slot, journal: JournalReader, running: Running | None
) -> int:
    # First: should we die in between, the worker itself looks for what it is said to hold, and
    # relief is asked for again.
    slot.relieve()
    records = journal.read()
    held = {(job.id.hex, job.fence): job for job in book.held_by([worker_id])}
    finished = [
        outcome_of(record, job, text)
        for record, text in records
        if (job := held.pop((record["job_id"], record["fence"]), None))
    ]
    if running is not None:
        held.pop((running.job_id.hex, running.fence), None)
    given_back = _give_back(book, list(held.values()))
    if finished:
        finishing.finish_each(lambda outcomes: _finish(book, outcomes), finished)
    slot.delivered(journal.size)
    return given_back


def _give_back(book: Ledger, jobs: Sequence[ClaimedJob]) -> int:
    count = book.give_back(jobs)
    if count:
        transports.current().wake({job.queue for job in jobs})
    return count


def _finish(book: Ledger, outcomes: Sequence[Outcome]) -> None:
    try:
        finishing.finish(book, outcomes)
    except OperationalError as error:
        refuse_what_is_too_much(error)
        raise
