"""Jobs that fail through the real ledger, for tests of what follows."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.dispatch import NewJob, insert
from jobs.failures.fingerprint import fingerprint
from jobs.ledger import Ledger
from jobs.ledger.outcome import ClaimedJob, Completion, Failure, Outcome
from jobs.models import FailureGroup, GroupStatus
from tests.jobs.claims import end_of
from tests.jobs.factories import ago

TRACEBACK = 'Traceback\n  File "/srv/site/shop/orders.py", line 7, in charge\n    raise\n'
DEFINITION = "tests.jobs.sample_jobs.add"
TELL = "jobs.failures.notify.tell_opened"


def jobs_of(
    book: Ledger,
    count: int,
    *,
    queue: str = "default",
    definition: str = DEFINITION,
    worker_id: int = 7,
) -> list[ClaimedJob]:
    """So many new jobs, claimed."""
    arguments = {"args": [1], "kwargs": {}}
    insert([NewJob(definition=definition, queue=queue, arguments=arguments) for _ in range(count)])
    return book.claim(worker_id=worker_id, queues=[queue], limit=count, except_definitions=[TELL])


def failed(job: ClaimedJob, message: str = "no", kind: str = "shop.errors.Declined") -> Outcome:
    """How a job ended that failed for good at once, with an exception of the site's code."""
    return end_of(
        job,
        "failed",
        exception_class=kind,
        message=message,
        traceback=TRACEBACK,
        is_exception=True,
        failure=Failure(reason="exception", fingerprint=fingerprint(kind, message, TRACEBACK)),
    )


def fail(
    book: Ledger,
    messages: Iterable[str] = ("no",),
    *,
    queue: str = "default",
    definition: str = DEFINITION,
) -> Completion:
    """Let a job fail with each of these messages, all in one batch."""
    wanted = list(messages)
    claimed = jobs_of(book, len(wanted), queue=queue, definition=definition)
    return book.complete(
        [failed(job, message) for job, message in zip(claimed, wanted, strict=True)]
    )


def resolved_long_ago() -> None:
    """Have every group resolved an hour ago."""
    FailureGroup.objects.update(
        status=GroupStatus.RESOLVED, resolved_at=ago(hours=1), resolved_by="ada"
    )
