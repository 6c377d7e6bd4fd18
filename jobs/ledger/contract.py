"""The contract of the ledger: every statement of the hot path, for many rows at once."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.ledger.flow_rows import Advance, Ended
from jobs.ledger.outcome import ClaimedJob, Completion, Outcome

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jobs.dispatch import NewJob
    from jobs.limits.kinds import Want


class Ledger(ABC):
    """The ledger over one connection. Not shared between threads.

    Every method is one transaction, or part of the caller's where one is open. "Now" is the
    database's clock.
    """

    room_in: float | None

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def now(self) -> dt.datetime:
        """The database's clock."""

    @abstractmethod
    def look(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query that changes nothing, in the quickest way that the connection has."""

    @abstractmethod
    def stored(self, value: dt.datetime | UUID) -> Any:
        """A moment or an id as a parameter of `look`."""

    @abstractmethod
    def insert(self, jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
        """Insert jobs and their tags, all or none; return when each was enqueued."""

    @abstractmethod
    def insert_held(self, job: NewJob, worker_id: int) -> tuple[dt.datetime, bool]:
        """Insert a job that can run at once, without tags, as one that this worker has claimed:
        its first attempt, with fence 1.

        Return when it was enqueued, and whether it may start: if its queue is paused, it is to be
        given back.
        """

    @abstractmethod
    def insert_alike(self, job: NewJob, calls: Mapping[UUID, str]) -> None:
        """Insert jobs, all or none, that are like this one, tags included, but for their ids and
        their arguments, which are given as JSON. The fast way for many."""

    @abstractmethod
    def claim(
        self,
        *,
        worker_id: int,
        queues: Sequence[str],
        limit: int,
        except_definitions: Sequence[str] = (),
    ) -> list[ClaimedJob]:
        """Take up to `limit` ready jobs for this worker, and spend an attempt of each.

        Queues are served in the given order, and inside one: priority, deadline, age. Paused
        queues give nothing, and jobs with a paused tag are put aside. No job is given to two
        workers, and none waits for another's claim.
        """

    @abstractmethod
    def claim_job(self, job_id: UUID, *, worker_id: int) -> ClaimedJob | None:
        """Take this one job if it is ready."""

    @abstractmethod
    def record(self, outcome: Outcome) -> str:
        """The end of an attempt as one line of JSON: what `complete` writes of it. It is kept in
        the outcome, and a journal may keep it for a worker that dies before `complete`."""

    @abstractmethod
    def complete(self, outcomes: Sequence[Outcome]) -> Completion:
        """Write how attempts ended, and return what was written.

        An outcome is not accepted where the job was rescued or taken over meanwhile: then nothing
        of the late finisher is written. One that was to run again is cancelled if somebody asked
        for that, and says so. All else happens in the same transaction: attempts, logs, failed
        jobs and the count of their groups, the next link of a chain or the cancelling of its rest,
        what follows in a workflow, and the jobs that call `on_failure` and tell of groups that
        open.
        """

    @abstractmethod
    def lock_workflows(self, ids: Collection[UUID]) -> set[UUID]:
        """Lock the trees of these workflows until the transaction ends; return those of the ids
        that are workflows. To be called before rows of jobs are changed."""

    @abstractmethod
    def advance(
        self,
        ended: Iterable[Ended] = (),
        *,
        stopped: Collection[UUID] = (),
        started: Iterable[UUID] = (),
        looked_at: Iterable[UUID] = (),
    ) -> Advance:
        """Bring about what follows from the ends of these members of locked workflows. See
        `flows`."""

    @abstractmethod
    def were_written(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Those of these outcomes that an earlier call of `complete` wrote: its answer may have
        been lost with the connection, and then a repetition is refused."""

    @abstractmethod
    def admit(self, job: ClaimedJob, wants: Sequence[Want]) -> bool:
        """Let a claimed job start with a place in each limit; False if it has to wait, and is not
        this claim's any more. See `places`."""

    @abstractmethod
    def spend(self, limit: str, key: str, cost: float) -> None:
        """Count so much against a limit on starts."""

    @abstractmethod
    def report(self, limit: str, key: str, *, failed: bool) -> set[str]:
        """Tell a breaker how a job ended; return the queues of those who were woken by that."""

    @abstractmethod
    def wake_keys(self, key_ids: Iterable[int]) -> set[str]:
        """Wake jobs that wait for these keys of limits, as many as there is room for; return their
        queues."""

    @abstractmethod
    def mend_places(self) -> set[str]:
        """Free and wake what was left behind; return the queues of those who were woken."""

    @abstractmethod
    def release_after(self, job_ids: Sequence[UUID]) -> set[str]:
        """Let those jobs go that follow these in a sequence; return their queues."""

    @abstractmethod
    def close_gaps(self, job_ids: Sequence[UUID]) -> set[str]:
        """The same for jobs that were cancelled, which may have followed others themselves."""

    @abstractmethod
    def mend_sequences(self) -> set[str]:
        """Let those go that follow a job which has ended, or is gone; return their queues."""

    @abstractmethod
    def let_go(self) -> set[str]:
        """Make jobs ready whose tags are not paused any more, some thousands at a time; return
        their queues."""

    @abstractmethod
    def mend_turns(self) -> int:
        """Bring the queues that tenants share into order; return how many jobs were moved. See
        `turns`."""

    @abstractmethod
    def waiting_tenants(self, queue: str, limit: int) -> dict[str, UUID]:
        """The tenants with ready jobs on this queue, the first ones by name, each with the job
        whose turn comes first."""

    @abstractmethod
    def give_back(self, jobs: Sequence[ClaimedJob]) -> int:
        """Return claimed jobs that were not started; no attempt is spent or recorded."""

    @abstractmethod
    def promote(self, limit: int = 1000) -> set[str]:
        """Make due scheduled jobs ready, and those whose limit has room again or whose tag is not
        paused any more; return the queues that got some. `room_in` then says when the next limit
        may have room."""

    @abstractmethod
    def held_by(self, worker_ids: Sequence[int]) -> list[ClaimedJob]:
        """The running jobs of these workers."""

    @abstractmethod
    def take_lease(self, name: str, holder: UUID, ttl: dt.timedelta) -> bool:
        """Take or renew a lease; False while another holds it."""

    @abstractmethod
    def release_lease(self, name: str, holder: UUID) -> None:
        """Give a lease back, if it is this holder's."""

    @abstractmethod
    def heartbeat(self, cluster_id: UUID) -> bool | None:
        """Say that a cluster lives, and runs if it was starting; return whether it is asked to
        start anew. None if it was declared lost or has stopped."""
