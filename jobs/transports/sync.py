"""The transport `sync`: jobs run in the caller, through the same runner, once it has committed.

For tests and debugging. A job that waits for a time, or for its next attempt, stays in the ledger
as it would with workers: nothing sleeps, and `jobs.transports.sync.run_due` runs what is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from jobs.conf import Pool, settings
from jobs.execution import admission, finishing, runner
from jobs.ledger import Ledger, ledger
from jobs.ledger.outcome import ClaimedJob
from jobs.transports.contract import Transport

WORKER_ID = 0
"""No process of a cluster: the caller."""


class SyncTransport(Transport):
    """See the module."""

    def dispatched(self, job_ids: Sequence[UUID], ready_in: Collection[str]) -> None:
        for job_id in job_ids:
            run_one(job_id)

    def wake(self, queues: Iterable[str]) -> None:
        return None


def pool() -> Pool:
    """The pool by whose limits jobs run in the caller: the first one of the site."""
    return next(iter(settings.POOLS.values()))


def run_one(job_id: UUID) -> bool:
    """Run this job now if it is ready; False if it is not."""
    book = ledger()
    claimed = book.claim_job(job_id, worker_id=WORKER_ID)
    if claimed is None:
        return False
    _run(book, claimed)
    # What the end set free, such as the next link of a chain.
    run_due(limit=100)
    return True


def run_due(limit: int | None = None) -> int:
    """Run jobs in the caller until none is ready, or so many have run; return how many ran.

    Jobs of every queue of the site's pools, and what they enqueue.
    """
    book, ran = ledger(), 0
    while limit is None or ran < limit:
        book.promote()
        claimed = book.claim(worker_id=WORKER_ID, queues=settings.QUEUES, limit=1)
        if not claimed:
            break
        for job in claimed:
            _run(book, job)
            ran += 1
    return ran


def _run(book: Ledger, claimed: ClaimedJob) -> None:
    answer = admission.ask(book, claimed)
    if not answer.admitted:
        return
    outcome = runner.run(claimed, pool=pool(), interruptible=True, refusal=answer.refusal)
    finishing.finish(book, [outcome])
    if isinstance(outcome.error, KeyboardInterrupt):
        raise outcome.error
