"""Draining: running in this process what the test's ledger has."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import override_settings

from jobs import queue_names
from jobs.conf import settings
from jobs.execution import admission, finishing, steps
from jobs.ledger import Ledger, ledger
from jobs.ledger.outcome import ClaimedJob
from jobs.models import Job, JobState, LimitKey
from jobs.testing.clock import FrozenClock, current_clock, frozen_clock
from jobs.testing.drained import Drained
from jobs.testing.performed import Performed
from jobs.testing.watching import Progress, refuse_event_loop, watch
from jobs.transports.sync import WORKER_ID

logger = logging.getLogger("jobs.testing")

ENDLESS = 1000
"""Attempts after which a drain without a limit takes it that jobs enqueue each other for ever."""


def drain(
    queue: str | Iterable[str] | None = None,
    *,
    limit: int | None = None,
    with_scheduled: bool = False,
    raise_errors: bool = True,
) -> Drained:
    """Run what is ready, and what that enqueues, in this process; return the attempts.

    In the order in which a single worker would claim: queue by queue, then priority, deadline, age.
    `queue` is one queue or several; by default those that the site's pools serve. Ends when nothing
    is ready, or after `limit` attempts.

    `with_scheduled` also runs what waits for a time, retries included: the clock is moved on to
    each time, that of an enclosing `frozen_clock()` or one for this call.

    `raise_errors` raises the exception of the first job that has failed for good, or that waits for
    a retry which this call does not run; its attempt has been written before.

    Also inside a transaction, as in a TestCase: there each job's `on_commit` callbacks are called
    when the job has ended, as nothing surrounds a job on a worker; and a job that has broken the
    transaction loses what it wrote, and no more.

    Raises UnknownQueue, and AssertionError if jobs seem to enqueue each other for ever.
    """
    refuse_event_loop("drain")
    queues = _queues(queue)
    with ExitStack() as stack:
        if settings.TRANSPORT == "sync":
            # What jobs enqueue has its turn like all others.
            stack.enter_context(override_settings(JOBS_TRANSPORT="database"))
        clock = None
        if with_scheduled:
            clock = current_clock() or stack.enter_context(frozen_clock())
        return _drain(ledger(), queues, limit, clock, raise_errors)


async def adrain(
    queue: str | Iterable[str] | None = None,
    *,
    limit: int | None = None,
    with_scheduled: bool = False,
    raise_errors: bool = True,
) -> Drained:
    """`drain` for a test that is a coroutine itself."""
    return await sync_to_async(drain)(
        queue, limit=limit, with_scheduled=with_scheduled, raise_errors=raise_errors
    )


def _queues(queue: str | Iterable[str] | None) -> list[str]:
    if queue is None:
        return list(settings.QUEUES)
    return [queue_names.resolve(name) for name in ([queue] if isinstance(queue, str) else queue)]


def _drain(
    book: Ledger, queues: list[str], limit: int | None, clock: FrozenClock | None, strict: bool
) -> Drained:
    drained = Drained()
    while limit is None or len(drained) < limit:
        claimed = _next(book, queues, clock)
        if claimed is None:
            break
        if len(drained) == ENDLESS and limit is None:
            book.give_back([claimed])
            raise AssertionError(
                f"drain() ran {ENDLESS} attempts, and {claimed.definition} is to run next: do jobs "
                "enqueue each other for ever? A limit says how many are meant."
            )
        answer = admission.ask(book, claimed)
        if not answer.admitted:
            continue
        attempt = _run(book, claimed, answer.refusal)
        drained.attempts.append(attempt)
        if strict:
            _raise_error(attempt, retries_run=clock is not None)
    return drained


def _next(book: Ledger, queues: list[str], clock: FrozenClock | None) -> ClaimedJob | None:
    """Claim the next job, at its time if the clock may be moved."""
    while True:
        while book.promote():
            pass
        claimed = book.claim(worker_id=WORKER_ID, queues=queues, limit=1)
        if claimed:
            return claimed[0]
        due = _next_due(queues) if clock is not None else None
        if clock is None or due is None or due <= clock.now():
            return None
        clock.move_to(due)


def _next_due(queues: list[str]) -> dt.datetime | None:
    waiting = Job.objects.using(settings.DATABASE).in_state(JobState.SCHEDULED)
    times = waiting.on_queues(queues).order_by("due_at").values_list("due_at", flat=True)
    keys = LimitKey.objects.using(settings.DATABASE).filter(wake_at__isnull=False)
    rooms = keys.order_by("wake_at").values_list("wake_at", flat=True)
    return min((at for at in (times.first(), rooms.first()) if at is not None), default=None)


def _run(book: Ledger, claimed: ClaimedJob, refusal: Exception | None) -> Performed:
    with _as_in_autocommit():
        outcome, watched = watch(claimed, refusal, partial(steps.load, claimed.id))
    if watched.reports:
        _store(claimed, watched.reports[-1])
    if watched.kept:
        steps.save(claimed.id, claimed.fence, watched.kept)
    finishing.finish(book, [outcome])
    if isinstance(outcome.error, KeyboardInterrupt):
        raise outcome.error
    return Performed(outcome, watched)


@contextmanager
def _as_in_autocommit() -> Iterator[None]:
    """Let a job run inside the test's transaction as it does on a worker, where there is none."""
    connection = connections[settings.DATABASE]
    # Of the connection: the functions of `transaction` have other names in newer versions.
    savepoint = connection.savepoint() if connection.in_atomic_block else None
    if savepoint is None:
        yield
        return
    before = len(connection.run_on_commit)
    yield
    if connection.needs_rollback or not connection.is_usable():
        # First, as nothing is executed in a transaction that is marked so.
        transaction.set_rollback(False, using=settings.DATABASE)
        connection.savepoint_rollback(savepoint)
        del connection.run_on_commit[before:]
        return
    connection.savepoint_commit(savepoint)
    while len(connection.run_on_commit) > before:
        entry: Any = connection.run_on_commit.pop(before)
        _, callback, robust = entry
        try:
            callback()
        except Exception:
            # As Django does where it commits.
            if not robust:
                raise
            logger.exception("a robust callback of on_commit failed")


def _store(claimed: ClaimedJob, progress: Progress) -> None:
    rows = Job.objects.using(settings.DATABASE).running()
    rows.filter(pk=claimed.id, fence=claimed.fence).update(progress=progress._asdict())


def _raise_error(attempt: Performed, *, retries_run: bool) -> None:
    wait = attempt.will_retry_in
    left = wait is not None and wait > dt.timedelta(0) and not retries_run
    error = attempt.error
    if error is not None and (attempt.failed_for_good or left):
        error.add_note(f"In {attempt.definition}, job {attempt.job_id}, run by drain()")
        raise error
