"""Worker: claims for itself, runs, reports, and waits when there is nothing."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

from django.db import Error

from jobs import transports
from jobs.cluster import identity as identities
from jobs.cluster.appetite import Appetite
from jobs.cluster.holding import Holding
from jobs.cluster.identity import Identity
from jobs.cluster.idle import Idle
from jobs.cluster.journal import Journal
from jobs.cluster.knowledge import Unknown
from jobs.cluster.recycling import ServiceLife
from jobs.cluster.session import LedgerSession, thread_connection
from jobs.cluster.slot import Slot
from jobs.cluster.turns import Turns
from jobs.cluster.user_connections import UserConnections
from jobs.cluster.wake import Wake
from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.execution import admission, finishing, runner
from jobs.execution.policy import Policies, Policy
from jobs.execution.timeouts import Alarm
from jobs.ledger import Ledger, connect, ledger
from jobs.ledger.outcome import ClaimedJob, Outcome
from jobs.transports.doorbell import Doorbell

STOPPED = "stopped on request"
SETTLED = 10.0
"""Seconds after which a statement whose connection was lost is over on the server too."""
PATIENCE = 2.0
"""Seconds for which a leaving worker waits for the database, once all its work is delivered."""

NO_GATES = admission.Answer(True)


class Mode(Enum):
    """How long a worker works."""

    FOR_EVER = auto()
    ONE_JOB = auto()
    UNTIL_EMPTY = auto()
    """Until nothing is ready that this worker can run."""


logger = logging.getLogger("jobs.cluster")


class Worker:
    """One process, or `queue_work`'s own, that runs the jobs of a pool.

    Until `stop()` is called, usually by a signal. Its two connections are its own: one for the
    ledger, which no transaction of a job can touch, and what jobs open for themselves. `journal`
    is the file that others look into should this process die; without one they see the slot only.
    """

    def __init__(
        self,
        identity: Identity,
        pool: Pool,
        slot: Slot,
        wake: Wake,
        *,
        journal: Path | None = None,
        on_outcome: Callable[[Outcome], object] = lambda outcome: None,
        on_batch: Callable[[], object] = lambda: None,
    ) -> None:
        self.id = 0
        self._identity = identity
        self._pool = pool
        self._slot = slot
        self._wake = wake
        self._on_outcome = on_outcome
        self._on_batch = on_batch
        self._stopping = False
        self._life = ServiceLife(pool)
        self._unknown = Unknown()
        self._user_connections = UserConnections()
        self._alarm = Alarm()
        self._policies = Policies(pool)
        self._appetite = Appetite(self._policies.of)
        self._turns = Turns(pool.queues)
        self._journal = journal
        self._holding: Holding
        self._must_reconcile = False
        self._reconcile_again_at = math.inf
        self._session = LedgerSession(connect, pause=wake.wait, on_loss=self._connection_lost)
        self._idle = Idle(self._session, pool.queues, wake, on_broken_promise=self._reconcile_soon)

    def stop(self, *args: Any) -> None:
        """Take no further job, and end once the running one has ended. A signal handler."""
        self._stopping = True

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def run(self, mode: Mode = Mode.FOR_EVER) -> str:
        """Register, work until it is time to leave, and return why that was."""
        self._wake.arm()
        self._holding = Holding(
            self._slot, Journal.of(self._journal), ledger(thread_connection()).record
        )
        self._register()
        if self._journal is not None:
            self._idle.doorbell = Doorbell.beside(self._journal, self._pool.name, self.id)
        try:
            reason = self._work(mode)
            self._leave(reason)
        finally:
            self._session.close()
        return reason

    def _work(self, mode: Mode) -> str:
        while not (reason := self._reason_to_leave()):
            claimed = self._work_once()
            if mode is Mode.ONE_JOB and self._life.jobs:
                return "one job was run"
            if mode is not Mode.FOR_EVER and not claimed:
                return "nothing left to do"
            if claimed:
                self._idle.had_work()
            else:
                self._idle.wait(self._life.seconds_left())
        self._give_back(self._idle.given())
        return reason

    def _work_once(self) -> int:
        """Claim, run and report once; return how many jobs were claimed, or given."""
        claimed = self._idle.given() or self._claim()
        known = self._leave_unknown(claimed)
        kept = self._appetite.keep(known)
        self._give_back(known[kept:])
        self._holding.take(known[:kept])
        if kept > 1:
            self._on_batch()
        while not self._stopping and (job := self._holding.next()):
            self._run_next(job)
            if self._holding.is_due:
                self._deliver()
        self._give_back(self._holding.leave())
        self._deliver()
        return len(claimed)

    def _run_next(self, job: ClaimedJob) -> None:
        policy = self._policies.of(job)
        answer = self._ask_gates(job) if policy.gated else NO_GATES
        if not answer.admitted:
            self._holding.pass_over()
            return
        if not self._holding.start(self._deadline(policy)):
            self._give_back(self._holding.leave())
            return
        outcome = self._run(job, policy, answer.refusal)
        self._holding.end(outcome)

    def _ask_gates(self, job: ClaimedJob) -> admission.Answer:
        """Whether a job may start; if not, it is no longer ours."""
        self._user_connections.before_job()
        try:
            # Their callables may ask the database too, and then wait for it as the ledger does.
            return self._session.call(lambda ledger: admission.ask(ledger, job))
        finally:
            self._user_connections.after_job()

    def _leave_unknown(self, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
        """Give back what this worker's code does not know, for workers that do; return the rest."""
        known: list[ClaimedJob] = []
        unknown: list[ClaimedJob] = []
        for job in claimed:
            (known if self._unknown.knows(job.definition) else unknown).append(job)
        if unknown:
            self._give_back(unknown)
            self._publish_unknown()
        return known

    def _reason_to_leave(self) -> str:
        return STOPPED if self._stopping else self._life.is_over()

    def _register(self) -> None:
        self.id = self._session.call(
            lambda ledger: identities.register_worker(
                self._identity, self._pool, connection=ledger.connection
            ),
            give_up=lambda: self._stopping,
        )
        self._slot.ready(self.id)

    def _leave(self, reason: str) -> None:
        now = time.monotonic()
        self._slot.leave_by(now + self._pool.shutdown_grace.total_seconds())
        self._user_connections.close()
        session = self._row_session()
        session.call(
            lambda ledger: self._sign_off(ledger, reason),
            # The clock notes the end of a worker that could not do so itself.
            give_up=lambda: time.monotonic() > now + PATIENCE,
        )
        session.close()

    def _sign_off(self, ledger: Ledger, reason: str) -> None:
        if self._must_reconcile or self._holding.was_relieved:
            self._reconcile(ledger)
        identities.end_workers(ledger.now(), reason, pk=self.id)

    def _row_session(self) -> LedgerSession:
        """For this worker's row: over the connection that jobs use, while none runs."""
        return LedgerSession(thread_connection, pause=self._wake.wait)

    def _claim(self) -> list[ClaimedJob]:
        try:
            return self._session.call(self._claim_from, give_up=lambda: self._stopping)
        except Error:
            if not self._stopping:
                raise
            return []

    def _claim_from(self, ledger: Ledger) -> list[ClaimedJob]:
        if self._holding.was_relieved:
            # Who took away what waited may have died before it was given back.
            self._holding.was_relieved, self._must_reconcile = False, True
        if self._must_reconcile or time.monotonic() > self._reconcile_again_at:
            self._reconcile(ledger)
        queues, limit = self._turns.next(min(self._appetite.size(), self._life.jobs_left()))
        return ledger.claim(
            worker_id=self.id,
            queues=queues,
            limit=limit,
            except_definitions=self._unknown.names(),
        )

    def _reconcile(self, ledger: Ledger) -> None:
        """Give back what the ledger says we hold and we do not know of.

        A claim may have been committed although its answer was lost with the connection, or a job
        inserted for us by a process that ended before it could give it; and as the server may be
        at it still, there is a second look.
        """
        if not self._must_reconcile:
            self._reconcile_again_at = math.inf
        known = self._holding.ids
        strays = [job for job in ledger.held_by([self.id]) if job.id not in known]
        if strays:
            ledger.give_back(strays)
        self._must_reconcile = False

    def _reconcile_soon(self) -> None:
        self._must_reconcile = True
        self._reconcile_again_at = time.monotonic() + SETTLED

    def _connection_lost(self) -> None:
        self._reconcile_soon()
        self._user_connections.close()
        self._idle.had_work()

    def _run(self, job: ClaimedJob, policy: Policy, refusal: Exception | None) -> Outcome:
        started = time.perf_counter()
        self._user_connections.before_job()
        try:
            return runner.run(
                job,
                pool=self._pool,
                policy=policy,
                limit=self._alarm.limit,
                should_stop=lambda: self._stopping,
                refusal=refusal,
            )
        finally:
            self._life.count_job()
            self._user_connections.after_job()
            # A job may have installed an event loop of its own, which takes signals away.
            self._wake.arm()
            self._appetite.ran(job.definition, time.perf_counter() - started)

    def _deadline(self, policy: Policy) -> float | None:
        """When the process is to be killed, on the monotonic clock."""
        if policy.timeout is None:
            return None
        return time.monotonic() + policy.timeout + conf.HARD_TIMEOUT_GRACE.total_seconds()

    def _deliver(self) -> None:
        """Write the finished attempts, however long the database takes to come back.

        Repeating is safe: the ledger takes an attempt's end once, from the newest fence.
        """
        outcomes = self._holding.unwritten()
        if outcomes:
            outcomes = finishing.finish_each(self._finish, outcomes)
            self._holding.written()
        for outcome in [*self._holding.written_by_others(), *outcomes]:
            self._on_outcome(outcome)

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        self._session.call(lambda ledger: finishing.finish(ledger, outcomes))

    def _give_back(self, jobs: Iterable[ClaimedJob]) -> None:
        unstarted = list(jobs)
        if not unstarted:
            return
        if self._session.call(lambda ledger: ledger.give_back(unstarted)):
            transports.current().wake({job.queue for job in unstarted})

    def _publish_unknown(self) -> None:
        try:
            self._unknown.publish(self.id)
        except Error:
            logger.warning("could not write down what is unknown here", exc_info=True)
            self._user_connections.close()
