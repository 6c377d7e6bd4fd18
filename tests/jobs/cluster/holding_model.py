"""What must be true of jobs and of the workers that hold them, whoever dies at whatever moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from jobs.cluster.holding import Holding
from jobs.cluster.journal import Journal
from jobs.cluster.slot import Slot
from jobs.ledger.outcome import ClaimedJob

REPEATABLE = "tests.jobs.sample_jobs.add"
ONCE = "tests.jobs.sample_jobs.once_at_most"
MAX_CRASHES = 3
ENDS = ("succeeded", "logs", "failed", "retry", "released")
"""The ways in which a job may end: `logs` is a success that has something to say, `retry` an
exception with another try to come."""
DEATHS = ("signal 9", "timed out", "shutdown", "host gone")


@dataclass
class Expected:
    """A job as it must stand in the ledger."""

    definition: str
    state: str = "ready"
    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    claims: int = 0
    records: int = 0
    logs: int = 0
    starts: int = 0
    cancel_requested: bool = False

    def runs_again(self, state: str) -> None:
        self.state = "cancelled" if self.cancel_requested else state


@dataclass
class Life:
    """One life of a worker, and what it must hold."""

    pk: int
    path: Path
    slot: Slot
    journal: Journal
    holding: Holding
    waiting: list[ClaimedJob] = field(default_factory=list)
    running: ClaimedJob | None = None
    ended: list[tuple[ClaimedJob, str]] = field(default_factory=list)
    """Ends that the ledger need not have yet."""
    unrecorded: ClaimedJob | None = None
    """Of these the last, where there was no room for it in the journal."""
    strays: list[ClaimedJob] = field(default_factory=list)
    """Jobs that were taken away by someone who died before he gave them back."""
    is_relieved: bool = False
    """Whether somebody took away what waits, and the worker does not know it yet."""
    has_relief: bool = False
    """Whether he lived to give it back, and to write what has ended."""

    def heed(self) -> None:
        """What the worker does when it learns of a relief."""
        if self.is_relieved:
            self.is_relieved = self.has_relief = False
            self.waiting.clear()

    @property
    def in_hand(self) -> list[ClaimedJob]:
        """Every job that may be here still, once each."""
        running = [self.running] if self.running else []
        jobs = [*self.waiting, *self.strays, *running, *(job for job, _ in self.ended)]
        return list({(job.id, job.fence): job for job in jobs}.values())


class Model:
    """The jobs."""

    def __init__(self) -> None:
        self.jobs: dict[UUID, Expected] = {}

    def holds(self, job: ClaimedJob) -> bool:
        """Whether this claim is the job's still."""
        expected = self.jobs[job.id]
        return expected.state == "running" and expected.claims == job.fence

    @property
    def is_asked(self) -> bool:
        """Whether some running job is asked to stop."""
        return any(job.cancel_requested for job in self.jobs.values() if job.state == "running")

    def claimed(self, job: ClaimedJob) -> None:
        expected = self.jobs[job.id]
        assert expected.state == "ready"
        expected.state = "running"
        expected.attempts += 1
        expected.claims += 1
        assert (job.fence, job.attempts) == (expected.claims, expected.attempts)

    def started(self, job: ClaimedJob) -> None:
        assert self.holds(job), "it is somebody else's by now"
        expected = self.jobs[job.id]
        expected.starts += 1
        assert expected.definition != ONCE or expected.starts == 1, "it was started twice"

    def given_back(self, jobs: list[ClaimedJob]) -> None:
        for job in jobs:
            self.jobs[job.id].state = "ready"
            self.jobs[job.id].attempts -= 1

    def written(self, ends: list[tuple[ClaimedJob, str]]) -> None:
        """These ends came to the ledger, perhaps not for the first time, perhaps too late."""
        for job, how in ends:
            if not self.holds(job):
                continue
            expected = self.jobs[job.id]
            expected.records += 1
            expected.exceptions += how in ("failed", "retry")
            expected.logs += how == "logs"
            if how in ("retry", "released"):
                # As it has asked for itself.
                expected.starts = 0
                expected.runs_again("scheduled" if how == "retry" else "ready")
            else:
                expected.state = "failed" if how == "failed" else "succeeded"

    def died(self, life: Life, way: str) -> None:
        """The worker was killed in this way, and rescued from."""
        # The job that it was in. Of a host that is gone nobody can tell which that was.
        in_it = life.in_hand if way == "host gone" else [life.running, life.unrecorded]
        blamed = [job for job in in_it if job is not None]
        self.written([end for end in life.ended if end[0] not in blamed])
        self.given_back([job for job in life.in_hand if self.holds(job) and job not in blamed])
        for job in blamed:
            if self.holds(job):
                self._rescued(self.jobs[job.id], way)

    def _rescued(self, expected: Expected, way: str) -> None:
        expected.records += 1
        may_repeat = expected.definition != ONCE
        if way == "shutdown" and may_repeat:
            expected.attempts -= 1
            expected.runs_again("ready")
            return
        if way == "timed out":
            expected.exceptions += 1
            expected.state = "failed"
            return
        expected.crashes += 1
        if may_repeat and expected.crashes < MAX_CRASHES:
            expected.runs_again("ready")
        else:
            expected.state = "failed"

    def promoted(self) -> None:
        for job in self.jobs.values():
            if job.state == "scheduled":
                job.state = "ready"

    def in_state(self, *states: str) -> set[UUID]:
        return {job_id for job_id, job in self.jobs.items() if job.state in states}
