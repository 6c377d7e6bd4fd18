"""How jobs arrive in the ledger: one, many that are alike, or many of any kind.

Most are ready at once and, where they come by the thousand, differ in nothing but their ids and
arguments. Those take a short way, on which the rest is said once; all others are rows of one JSON
document, and the database decides by its own clock which of them have to wait.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from jobs.conf import settings
from jobs.ledger import rows
from jobs.ledger.flows import Flows

if TYPE_CHECKING:
    import datetime as dt

    from jobs.dispatch import NewJob

PER_STATEMENT = 1000
"""Jobs in one JSON document."""

BLANK = {
    "state": "'ready'",
    "attempts": "0",
    "exceptions": "0",
    "crashes": "0",
    "fence": "0",
    "cancel_requested": "false",
}
"""The columns that are the same in every job that is ready and new, as SQL."""

Item = TypeVar("Item")


class Arrivals(Flows):
    """What both databases share of an insertion."""

    def insert(self, jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
        self._arrange(jobs)
        if len(jobs) == 1 and can_run_at_once(jobs[0]) and not jobs[0].tags:
            return {jobs[0].id: self._insert_one(jobs[0])}
        tags = rows.tag_rows((job.id, job.tags) for job in jobs)
        enqueued: dict[UUID, dt.datetime] = {}
        with self.transaction() if tags or len(jobs) > PER_STATEMENT else nullcontext():
            for some in batches(jobs):
                enqueued |= self._insert_any(some)
            if tags:
                self._insert_tags(tags)
        return enqueued

    def insert_alike(self, job: NewJob, calls: Mapping[UUID, str]) -> None:
        is_alike = can_run_at_once(job) and job.queue not in settings.FAIR_QUEUES
        if not is_alike or not self._has_short_way():
            self.insert([_like(job, job_id, text) for job_id, text in calls.items()])
            return
        tags = rows.tag_rows((job_id, job.tags) for job_id in calls) if job.tags else None
        with self.transaction() if tags else nullcontext():
            self._insert_alike(rows.ready_row(job, self._moment), calls)
            if tags:
                self._insert_tags(tags)

    def _row_of(self, job: NewJob) -> dict[str, Any]:
        """The columns of a job that is ready at once, but those of BLANK."""
        arguments = rows.compact_json(job.arguments)
        return {"id": job.id.hex, "arguments": arguments, **rows.ready_row(job, self._moment)}

    def _has_short_way(self) -> bool:
        return True

    @abstractmethod
    def _insert_one(self, job: NewJob) -> dt.datetime:
        """Insert a job that is ready at once; return when."""

    @abstractmethod
    def _insert_alike(self, shared: Mapping[str, Any], calls: Mapping[UUID, str]) -> None:
        """Insert jobs with these columns in common, by id, each with its arguments."""

    @abstractmethod
    def _insert_any(self, jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
        """Insert jobs of any kind with one statement."""

    @abstractmethod
    def _insert_tags(self, document: str) -> None: ...


@cache
def insert_into(*columns: str) -> str:
    """The statement that inserts one ready job with these columns."""
    return _insert_into(columns, BLANK)


@cache
def insert_held_into(*columns: str, now: str) -> str:
    """The statement that inserts one job with these columns as running. It returns when it was
    enqueued, and whether its queue is paused. `now` is the database's time as SQL."""
    held = BLANK | {"state": "'running'", "attempts": "1", "fence": "1", "started_at": now}
    paused = (
        "SELECT 1 FROM jobs_queue WHERE name = jobs_job.queue AND paused_at IS NOT NULL "
        f"AND (paused_until IS NULL OR paused_until > {now})"
    )
    return f"{_insert_into(columns, held)} RETURNING enqueued_at, EXISTS ({paused})"


def _insert_into(columns: Sequence[str], fixed: Mapping[str, str]) -> str:
    names = ", ".join([*columns, *fixed])
    values = ", ".join([*["%s"] * len(columns), *fixed.values()])
    return f"INSERT INTO jobs_job ({names}) VALUES ({values})"


def batches(items: Iterable[Item], size: int = PER_STATEMENT) -> Iterator[list[Item]]:
    """The items in lists of at most this size."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def can_run_at_once(job: NewJob) -> bool:
    """Whether a new job waits neither for a time nor for another job."""
    at_once = job.due_at is None and job.delay is None
    return at_once and job.follows_id is None and not job.blocked


def _like(job: NewJob, job_id: UUID, text: str) -> NewJob:
    return replace(job, id=job_id, arguments=json.loads(text))
