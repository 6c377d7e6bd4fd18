"""What is told, once the transaction has committed, of workflows that an operator or a caller has
advanced. Workers tell of theirs with the outcomes of jobs."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from jobs import transports
from jobs.conf import settings as conf
from jobs.events import emit, job_cancelled
from jobs.ledger.flow_rows import Advance


def tell(advance: Advance) -> set[UUID]:
    """Wake workers for jobs that can start now, and send `job_cancelled` for those that will not
    run, after the commit; return the ids of these."""
    if advance.queues:
        wake = partial(transports.current().wake, set(advance.queues))
        transaction.on_commit(wake, using=conf.DATABASE)
    for link in advance.cancelled:
        send = partial(
            emit,
            job_cancelled,
            link.definition,
            job_id=link.id,
            queue=link.queue,
            attempt=link.attempts,
            detail=link.detail,
        )
        transaction.on_commit(send, using=conf.DATABASE)
    return {link.id for link in advance.cancelled}
