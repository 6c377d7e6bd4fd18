"""Cancels jobs: those that wait at once, those that run by asking them to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from django.db import connections, transaction

from jobs import queue_names, transports
from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.events import emit, job_cancelled
from jobs.keyset import PAGE, pages
from jobs.ledger import ledger
from jobs.ledger.flow_rows import Ended
from jobs.models import WAITING_STATES, Job, JobState
from jobs.models.job import JobQuerySet
from jobs.workflows import effects

ONE_AT_A_TIME = 0x6A6F6273_63616E63
"""Key of PostgreSQL's advisory lock: "jobs" and "canc" in ASCII."""


@dataclass(slots=True)
class CancelReport:
    """What a cancellation did.

    `cancelled` counts jobs that waited, and the blocked jobs that waited for them; `requested`
    jobs that run and were asked to stop; `skipped` the rest, and `reasons` says why.
    """

    cancelled: int = 0
    requested: int = 0
    skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def cancel(
    jobs: JobQuerySet | Iterable[UUID], actor: Actor, reason: str = "", *, scope: str = ""
) -> CancelReport:
    """Cancel these jobs.

    A waiting job ends as cancelled, and so does every job that is blocked by it, directly or not;
    a workflow that it belongs to goes on as after any other end.
    A running job gets `cancel_requested`, which it sees in `current_job().should_stop()`. A
    finished job is skipped. `job_cancelled` is sent for each cancelled job after the commit.

    Works in batches of 500, each with its own transaction; one audit entry tells of all. `jobs` is
    a queryset or ids; `scope` says in words which they are.
    """
    work = _Cancellation(Operation(actor, "cancel", scope or "selected jobs", reason), actor)
    for page in pages(jobs):
        work.cancel(page)
    return work.report


def clear_queue(name: str, actor: Actor, reason: str = "") -> CancelReport:
    """Cancel all jobs that wait in a queue, and those on other queues that are blocked by them.

    Running jobs go on. Jobs enqueued after this began stay. Raises UnknownQueue.
    """
    name = queue_names.resolve(name)
    work = _Cancellation(Operation(actor, "clear_queue", f"queue {name}", reason), actor)
    for page in _waiting_pages(name):
        work.cancel_waiting(page)
    return work.report


def _waiting_pages(queue: str) -> Iterator[list[UUID]]:
    """Ids of the waiting jobs of a queue, as long as there are any, in the order of an index."""
    begun = ledger().now()
    orders = {
        JobState.READY: ("claim_rank", "pk"),
        JobState.SCHEDULED: ("due_at",),
        JobState.BLOCKED: ("follows_id",),
    }
    for state, order in orders.items():
        rows = Job.objects.using(conf.DATABASE).filter(
            state=state, queue=queue, enqueued_at__lte=begun
        )
        ids = rows.order_by(*order).values_list("pk", flat=True)[:PAGE]
        while page := sorted(ids.all()):
            yield page


class _Cancellation:
    """One operation in progress."""

    def __init__(self, operation: Operation, actor: Actor) -> None:
        self.operation = operation
        self.report = CancelReport()
        self._detail = f"cancelled by {actor.name}"
        self._followers: set[UUID] = set()

    def cancel(self, page: Sequence[UUID]) -> None:
        # A job that was blocked by one of an earlier page was counted with it.
        left = set(page) - self._followers
        left -= self._end_waiting(left)
        left -= self._ask_running(left)
        for job_id in self._unfinished(left):
            # It was locked, so it changes hands just now. Waiting for one row at a time, while
            # no other is held, cannot end in a deadlock.
            left -= self._end_waiting([job_id], wait=True) or self._ask_running([job_id], wait=True)
        self._skip(left)

    def cancel_waiting(self, page: Sequence[UUID]) -> None:
        left = set(page) - self._end_waiting(page)
        for job_id in self._unfinished(left):
            left -= self._end_waiting([job_id], wait=True)
        self._skip(left)

    def _end_waiting(self, ids: Iterable[UUID], *, wait: bool = False) -> set[UUID]:
        """Cancel those that wait, with all that they block; return the ids that were cancelled."""
        ended: set[UUID] = set()
        members: list[Ended] = []
        with transaction.atomic(using=conf.DATABASE):
            self._serialize()
            flows = self._lock_workflows(ids)
            found = self._end(self._jobs(ids).waiting().select_for_update(skip_locked=not wait))
            while found:
                ended |= found.keys()
                members += [
                    Ended(chain, str(JobState.CANCELLED), job=job_id)
                    for job_id, chain in found.items()
                    if chain in flows
                ]
                # Rows that are blocked by what this transaction holds change for nobody else.
                found = self._end(self._blocked_by(found).select_for_update())
                self._followers |= found.keys()
            if members:
                followed = effects.tell(ledger().advance(members))
                ended |= followed
                self._followers |= followed
            self.operation.add(sorted(ended))
            if ended and (queues := ledger().close_gaps(sorted(ended))):
                wake = partial(transports.current().wake, queues)
                transaction.on_commit(wake, using=conf.DATABASE)
        self.report.cancelled += len(ended)
        return ended

    def _end(self, locked: JobQuerySet) -> dict[UUID, UUID | None]:
        """Cancel these; return their chains by their ids."""
        facts = list(
            locked.order_by("pk").values_list("pk", "definition", "queue", "attempts", "chain")
        )
        ids = [fact[0] for fact in facts]
        # Not `Now()`: SQLite's has fewer digits than the times that it is compared with.
        ended = ledger().now() if ids else None
        self._jobs(ids).waiting().update(state=JobState.CANCELLED, finished_at=ended)
        for job_id, definition, queue, attempts, _ in facts:
            send = partial(
                emit,
                job_cancelled,
                definition,
                job_id=job_id,
                queue=queue,
                attempt=attempts,
                detail=self._detail,
            )
            transaction.on_commit(send, using=conf.DATABASE)
        return {fact[0]: fact[4] for fact in facts}

    def _lock_workflows(self, ids: Iterable[UUID]) -> set[UUID]:
        """Lock the workflows that these jobs belong to, as must be done before the jobs are."""
        chains = self._jobs(ids).filter(chain__isnull=False).order_by().values_list("chain")
        return ledger().lock_workflows({chain for (chain,) in chains.distinct() if chain})

    def _ask_running(self, ids: Iterable[UUID], *, wait: bool = False) -> set[UUID]:
        with transaction.atomic(using=conf.DATABASE):
            rows = self._jobs(ids).running().filter(cancel_requested=False)
            locked = rows.order_by("pk").select_for_update(skip_locked=not wait)
            found = list(locked.values_list("pk", flat=True))
            self._jobs(found).running().update(cancel_requested=True)
            self.operation.add(found)
        self.report.requested += len(found)
        return set(found)

    def _unfinished(self, ids: Iterable[UUID]) -> list[UUID]:
        open_states = (*WAITING_STATES, JobState.RUNNING)
        rows = self._jobs(ids).in_state(*open_states).filter(cancel_requested=False)
        return list(rows.values_list("pk", flat=True))

    def _skip(self, ids: set[UUID]) -> None:
        if not ids:
            return
        self.report.skipped += len(ids)
        states = dict(self._jobs(ids).values_list("pk", "state"))
        for job_id in ids:
            match states.get(job_id):
                case None:
                    why = "no such job"
                case JobState.RUNNING:
                    why = "is running"
                case state:
                    why = f"is {state}"
            self.report.reasons[why] += 1

    def _jobs(self, ids: Iterable[UUID]) -> JobQuerySet:
        return Job.objects.using(conf.DATABASE).filter(pk__in=list(ids))

    def _blocked_by(self, ids: Iterable[UUID]) -> JobQuerySet:
        blocked = Job.objects.using(conf.DATABASE).in_state(JobState.BLOCKED)
        # Who comes next in a sequence goes on.
        return blocked.filter(follows_id__in=list(ids), chain__isnull=False)

    def _serialize(self) -> None:
        """Let one cancellation at a time lock rows: two that follow different chains into each
        other's rows would block each other for ever. SQLite has one writer anyway."""
        connection = connections[conf.DATABASE]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
