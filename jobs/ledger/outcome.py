"""What passes between the ledger and those who run jobs: a claimed job, and how it ended."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any
from uuid import UUID

from jobs.ledger.moments import microseconds, moment


@dataclass(slots=True)
class ClaimedJob:
    """A job that a worker holds: what it needs to run it, and the fence it may write with."""

    id: UUID
    definition: str
    queue: str
    arguments: dict[str, Any]
    options: dict[str, Any]
    attempts: int
    """The number of this attempt."""
    exceptions: int
    crashes: int
    fence: int
    priority: int
    worker_id: int
    enqueued_at: dt.datetime
    started_at: dt.datetime
    """When it was claimed, by the database's clock."""
    retry_until: dt.datetime | None
    chain: UUID | None
    schedule_id: int | None
    slot_at: dt.datetime | None
    cancel_requested: bool
    clock: int = 0
    """The microseconds to add to this process's monotonic clock for those since the epoch by the
    database's: what `clock_from` gives when the job is received."""
    stored: bool = True
    """Whether the ledger has the job; it has not those that `jobs.testing` performs."""

    def __post_init__(self) -> None:
        if not self.clock:
            self.clock = clock_from(self.started_at)

    def now(self) -> int:
        """The database's time in microseconds since the epoch, told by this process's monotonic
        clock since the claim."""
        return self.clock + monotonic_ns() // 1000


def clock_from(now: dt.datetime) -> int:
    """See `ClaimedJob.clock`; `now` is the database's time."""
    return microseconds(now) - monotonic_ns() // 1000


@dataclass(slots=True, kw_only=True)
class Failure:
    """The facts of a job that failed for good."""

    reason: str
    fingerprint: str
    recoveries: int = 0
    """How often the rule of its definition has run its line of retries again."""
    recover_after: float | None = None
    """In how many seconds it does so again; None is never."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How one attempt ended, and what becomes of its job.

    `started` and `finished` are microseconds since the epoch. `delay`, in seconds, is used where
    `state` is scheduled.
    """

    job: ClaimedJob
    outcome: str
    state: str
    started: int
    finished: int
    result: Any = None
    delay: float = 0.0
    detail: str = ""
    exception_class: str = ""
    message: str = ""
    traceback: str = ""
    is_exception: bool = False
    is_crash: bool = False
    refund: bool = False
    """Whether the attempt is not spent, as when a shutdown interrupted it."""
    failure: Failure | None = None
    logs: list[LogLine] = field(default_factory=list)
    gated: bool = False
    """Whether the job may hold places in limits, to be freed now."""
    has_callback: bool = False
    """Whether the definition wants `on_failure` called."""
    error: BaseException | None = None
    """The exception itself, for receivers in this process; it is not stored."""
    record: str = ""
    """What of this is written, as `Ledger.record` has put it; nothing above changes after that."""

    @property
    def started_at(self) -> dt.datetime:
        return moment(self.started)

    @property
    def finished_at(self) -> dt.datetime:
        return moment(self.finished)


@dataclass(slots=True)
class CancelledLink:
    """A job of a chain or workflow that will not run, as another one did not succeed."""

    id: UUID
    definition: str
    queue: str
    attempts: int
    detail: str = "an earlier link of its chain did not succeed"


@dataclass(slots=True)
class Completion:
    """What a call of `Ledger.complete` has written."""

    accepted: list[Outcome] = field(default_factory=list)
    """Those of the given outcomes whose attempt was still the job's; `state` is the job's now."""
    cancelled: list[CancelledLink] = field(default_factory=list)
    woken: set[str] = field(default_factory=set)
    """The queues of jobs that have waited for a limit or a step of their workflow, and may start
    now."""
    enqueued_in: set[str] = field(default_factory=set)
    """The queues that hold new jobs which tell of failure groups."""


@dataclass(slots=True)
class LogLine:
    """One line that a job logged."""

    at: dt.datetime
    level: str
    message: str
