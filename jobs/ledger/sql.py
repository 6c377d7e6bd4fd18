"""What both databases share: the transaction, and all that follows the end of an attempt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import DatabaseError

from jobs.conf import settings
from jobs.identifiers import uuid7
from jobs.ledger import groups, rows
from jobs.ledger.contract import Ledger
from jobs.ledger.flow_rows import Ended
from jobs.ledger.outcome import CancelledLink, ClaimedJob, Completion, Outcome
from jobs.ledger.records import record_of

if TYPE_CHECKING:
    import datetime as dt

    from jobs.dispatch import NewJob

ON_FAILURE = "jobs.callbacks.call_on_failure"
"""The definition of the job that calls `on_failure`."""

ON_OPENED = "jobs.failures.notify.tell_opened"
"""The definition of the job that tells of a failure group that has opened."""

FIRST = 100
"""The highest priority: a message about a full queue must not wait behind it."""

FINAL = ("succeeded", "failed", "cancelled")
ENDED = "('succeeded', 'failed', 'cancelled')"

# A cancelled job is not tried again; the request may come at any moment, so the row decides.
STATE_NOW = """CASE WHEN job.cancel_requested AND ended.state IN ('ready', 'scheduled')
            THEN 'cancelled' ELSE ended.state END"""


FREED = (
    "state = CASE WHEN due_at > %s THEN 'scheduled' ELSE 'ready' END, "
    "due_at = CASE WHEN due_at > %s THEN due_at ELSE %s END"
)
"""What becomes of a blocked job that waits for nobody any more; takes the time three times. From
when it was ready its wait is counted."""

Others = dict[tuple[UUID, int], str | None]
"""By job and fence: what has become of a job otherwise than was told."""


class SqlLedger(Ledger):
    """The part of the ledger that is the same on PostgreSQL and SQLite."""

    begin = "BEGIN"
    _begun = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction, or in the caller's where one is open.

        It is begun and ended by hand, as the connection need not be one that Django knows by an
        alias: a worker's ledger must not share the transaction of the job that it runs.
        """
        connection = self.connection
        if self._begun or connection.in_atomic_block or not connection.get_autocommit():
            yield
            return
        self._run(self.begin)
        self._begun = True
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._begun = False

    def _roll_back(self) -> None:
        try:
            self._run("ROLLBACK")
        except DatabaseError:
            # The connection is broken: closing it ends the transaction on the server.
            self.connection.close()

    def complete(self, outcomes: Sequence[Outcome]) -> Completion:
        if not outcomes:
            return Completion()
        # Only the update and the attempts: one statement where the database can.
        if all(_is_plain(outcome) for outcome in outcomes):
            return Completion(self._accepted(outcomes))
        with self.transaction():
            # Before any job: see `flows`.
            flows = self.lock_workflows(
                {outcome.job.chain for outcome in outcomes if outcome.job.chain is not None}
            )
            completion = Completion(self._accepted(outcomes))
            self._follow(completion, flows)
        return completion

    def record(self, outcome: Outcome) -> str:
        if not outcome.record:
            outcome.record = record_of(outcome, self._put)
        return outcome.record

    def _accepted(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        # By job and fence: one call may hold the ends of two claims of the same job.
        others = self._finish(
            "[" + ",".join([self.record(item) for item in outcomes]) + "]",
            all_succeeded=all(
                item.outcome == item.state == "succeeded" and not item.detail for item in outcomes
            ),
        )
        if not others:
            return list(outcomes)
        accepted = []
        for outcome in outcomes:
            state = others.get((outcome.job.id, outcome.job.fence), outcome.state)
            if state is not None:
                outcome.state = state
                accepted.append(outcome)
        return accepted

    def _follow(self, completion: Completion, flows: set[UUID]) -> None:
        """What else the ends of these attempts bring about."""
        accepted = completion.accepted
        if logs := rows.log_rows(accepted, self._moment):
            self._insert_logs(logs)
        self._come_back([item.job.id for item in accepted if _comes_back(item)])
        if failures := rows.failure_rows(accepted, uuid7, self._moment):
            self._insert_failures(failures)
        chained = [
            outcome.job.id
            for outcome in accepted
            if outcome.job.chain is not None and outcome.job.chain not in flows
        ]
        if chained:
            self._release_successors(chained)
            completion.cancelled = [
                CancelledLink(rows.as_uuid(row[0]), *row[1:]) for row in self._cancel_rest(chained)
            ]
        holders = [outcome.job.id for outcome in accepted if outcome.gated]
        if holders:
            completion.woken = self.free_places(holders)
        last = [item.job.id for item in accepted if item.gated and item.state in FINAL]
        if last:
            completion.woken |= self.release_after(last)
        called = [item for item in accepted if item.failure is not None and item.has_callback]
        if called:
            self.insert([_callback(outcome) for outcome in called])
        ended = [
            Ended(outcome.job.chain, str(outcome.state), job=outcome.job.id)
            for outcome in accepted
            if outcome.job.chain in flows and outcome.state in FINAL
        ]
        if ended:
            advance = self.advance(ended)
            completion.cancelled += advance.cancelled
            completion.woken |= advance.queues
        if failures:
            # Last: whoever counts into the same group waits for the end of this transaction.
            completion.enqueued_in = self._count_into_groups(accepted)

    def _count_into_groups(self, accepted: Sequence[Outcome]) -> set[str]:
        """Count failures into their groups; return the queues that hold a notification to send."""
        opening = uuid7()
        found = groups.group_rows(accepted, self._moment, opening)
        upserted = self._upsert_groups(groups.document_of(found))
        opened = {row[0] for row in upserted if rows.as_uuid(row[1]) == opening}
        told = [row for row in found if row["fingerprint"] in opened]
        if not told or not self._somebody_listens():
            return set()
        self.insert([_notification(row) for row in told])
        return {row["queue"] for row in told}

    def _somebody_listens(self) -> bool:
        if settings.has_notify_rules():
            return True
        sql = "SELECT 1 FROM jobs_notificationrule WHERE enabled LIMIT 1"
        return bool(self._fetch(sql, ()))

    def stored(self, value: dt.datetime | UUID) -> Any:
        return self._uuid(value) if isinstance(value, UUID) else self._moment(value)

    def look(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._fetch(sql, parameters)

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        with self._cursor() as cursor:
            cursor.execute(sql, parameters)

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def _count(self, sql: str, parameters: Sequence[Any]) -> int:
        with self._cursor() as cursor:
            cursor.execute(sql, parameters)
            return int(cursor.rowcount)

    def _cursor(self) -> AbstractContextManager[Any]:
        return self.connection.cursor()

    def held_by(self, worker_ids: Sequence[int]) -> list[ClaimedJob]:
        if not worker_ids:
            return []
        places = ", ".join(["%s"] * len(worker_ids))
        found = self._fetch(
            f"SELECT {rows.CLAIMED_COLUMNS} FROM jobs_job "
            f"WHERE state = 'running' AND worker_id IN ({places}) ORDER BY id",
            list(worker_ids),
        )
        return rows.claimed_jobs(found)

    def give_back(self, jobs: Sequence[ClaimedJob]) -> int:
        if not jobs:
            return 0
        shared = [job.id for job in jobs if job.queue in settings.FAIR_QUEUES]
        if not shared:
            return self._give_back(jobs)
        with self.transaction():
            count = self._give_back(jobs)
            self._come_back(shared)
        return count

    def were_written(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        if not outcomes:
            return []
        places = ", ".join(["%s"] * len(outcomes))
        found = self._fetch(
            f"SELECT job_id, fence, outcome FROM jobs_attempt WHERE job_id IN ({places})",
            [self._uuid(outcome.job.id) for outcome in outcomes],
        )
        # A rescuer ends an attempt with an outcome of its own.
        written = {(rows.as_uuid(job_id), fence, kind) for job_id, fence, kind in found}
        return [
            item for item in outcomes if (item.job.id, item.job.fence, str(item.outcome)) in written
        ]

    def release_lease(self, name: str, holder: UUID) -> None:
        self._run(
            "DELETE FROM jobs_lease WHERE name = %s AND holder = %s", [name, self._uuid(holder)]
        )

    @abstractmethod
    def _give_back(self, jobs: Sequence[ClaimedJob]) -> int:
        """See `give_back`; one statement, of at least one job."""

    @abstractmethod
    def _come_back(self, job_ids: Sequence[UUID]) -> None:
        """See `Turns`."""

    @abstractmethod
    def free_places(self, job_ids: Sequence[UUID]) -> set[str]:
        """See `Places`."""

    @abstractmethod
    def _moment(self, value: dt.datetime | None) -> str | None:
        """A datetime as the text that this database compares."""

    @abstractmethod
    def _put(self, microseconds: int) -> str:
        """A moment, in microseconds since the epoch, as text that this database reads."""

    @abstractmethod
    def _uuid(self, value: UUID) -> Any:
        """A UUID as a parameter."""

    @abstractmethod
    def _insert_logs(self, document: str) -> None: ...

    @abstractmethod
    def _insert_failures(self, document: str) -> None: ...

    @abstractmethod
    def _upsert_groups(self, document: str) -> list[tuple[Any, ...]]:
        """See `groups.count_in`."""

    @abstractmethod
    def _finish(self, document: str, *, all_succeeded: bool) -> Others:
        """Write the attempts and the state of their jobs that these records say.

        Return, by job and fence, those that did not come out so: with the state that their job has
        instead, or None where nothing was written.
        """

    @abstractmethod
    def _release_successors(self, job_ids: Sequence[UUID]) -> None:
        """Let the successors of those of these links that succeeded go."""

    @abstractmethod
    def _cancel_rest(self, job_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
        """Cancel what is left of the chains of those that did not succeed; return the id,
        definition, queue and attempts of each."""


def _is_plain(outcome: Outcome) -> bool:
    return not (
        outcome.failure is not None
        or outcome.job.chain is not None
        or outcome.logs
        or outcome.gated
        or _comes_back(outcome)
    )


def _comes_back(outcome: Outcome) -> bool:
    """Whether the job is ready again at once on a queue that tenants share."""
    return outcome.state == "ready" and outcome.job.queue in settings.FAIR_QUEUES


def _callback(outcome: Outcome) -> NewJob:
    from jobs.dispatch import NewJob

    return NewJob(
        definition=ON_FAILURE,
        queue=outcome.job.queue,
        priority=outcome.job.priority,
        arguments={"args": [], "kwargs": {"job_id": str(outcome.job.id)}},
        tags=(f"failed:{outcome.job.id}",),
    )


def _notification(group: dict[str, Any]) -> NewJob:
    from jobs.dispatch import NewJob

    fingerprint, opening = group["fingerprint"], str(UUID(group["opening"]))
    return NewJob(
        definition=ON_OPENED,
        queue=group["queue"],
        priority=FIRST,
        arguments={"args": [], "kwargs": {"fingerprint": fingerprint, "opening": opening}},
        tags=(f"group:{fingerprint}",),
    )
