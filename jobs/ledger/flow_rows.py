"""What the ledger knows of a workflow while it advances it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.ledger.outcome import CancelledLink
from jobs.ledger.rows import as_uuid

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

Callback = dict[str, Any]
"""A call that a workflow keeps to make a job of it later: the columns of the job; times, or seconds
from when it is enqueued; and whether it wants to know the failed job."""

FLOW_COLUMNS = (
    "id, kind, state, allow_failures, callbacks, caught, then_fired, finally_fired, total, "
    "succeeded, failed, cancelled, cancelled_at"
)
"""In the order of the fields of `Flow`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A member of a workflow that has ended: one of its jobs, or a step that is no job."""

    workflow: UUID
    state: str
    job: UUID | None = None
    step: UUID | None = None


@dataclass(slots=True)
class Advance:
    """What came of it when workflows were advanced."""

    queues: set[str] = field(default_factory=set)
    """Those that have got jobs which can start."""
    cancelled: list[CancelledLink] = field(default_factory=list)
    """Jobs that waited, and will not run."""
    ended: list[Ended] = field(default_factory=list)
    """Still to be told to the workflows that they belong to."""
    looked_at: set[UUID] = field(default_factory=set)
    """Workflows that may be over although none of their members ends now."""


@dataclass(slots=True)
class Flow:
    """The row of a workflow, locked with its tree."""

    id: UUID
    kind: str
    state: str
    allow_failures: bool
    callbacks: dict[str, Callback]
    caught: bool
    then_fired: bool
    finally_fired: bool
    total: int
    succeeded: int
    failed: int
    cancelled: int
    is_stopped: bool

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Flow:
        """From a row of FLOW_COLUMNS, from either database."""
        values = list(row)
        values[0] = as_uuid(values[0])
        if isinstance(values[4], str):
            values[4] = json.loads(values[4])
        values[12] = values[12] is not None
        return cls(*values)

    @property
    def is_over(self) -> bool:
        if self.state not in ("waiting", "running"):
            return False
        # One that waits and has no members is over once it has started, or never will.
        may_be = self.state == "running" or self.total > 0 or self.is_stopped
        return may_be and self.succeeded + self.failed + self.cancelled >= self.total

    @property
    def outcome(self) -> str:
        """The state that it ends in."""
        if self.is_stopped and self.succeeded < max(self.total, 1):
            return "cancelled"
        if self.allow_failures or self.succeeded >= self.total:
            return "succeeded"
        return "failed" if self.failed else "cancelled"


def callback_job(
    flow: Flow, which: str, now: dt.datetime, failed_job: UUID | None = None
) -> NewJob | None:
    """The job of a callback, or None if the workflow has no such callback."""
    from jobs.dispatch import NewJob

    told = flow.callbacks.get(which)
    if told is None:
        return None
    kwargs = dict(told["arguments"]["kwargs"])
    if told.get("wants_failed_job"):
        kwargs["failed_job_id"] = str(failed_job) if failed_job is not None else None
    return NewJob(
        definition=told["definition"],
        queue=told["queue"],
        priority=told["priority"],
        arguments={"args": told["arguments"]["args"], "kwargs": kwargs},
        options=told["options"],
        tags=(*told["tags"], f"workflow:{flow.id}"),
        # Not in callbacks that an older version has written.
        tenant=told.get("tenant", ""),
        deadline=_moment(told["deadline"], now),
        retry_until=_moment(told["retry_until"], now),
        due_at=_moment(told["due_at"], now),
    )


def _moment(told: float | str | None, now: dt.datetime) -> dt.datetime | None:
    """Seconds from now, or a time as text."""
    if told is None:
        return None
    if isinstance(told, str):
        return dt.datetime.fromisoformat(told)
    return now + dt.timedelta(seconds=told)
