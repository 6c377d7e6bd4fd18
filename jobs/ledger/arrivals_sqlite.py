"""How jobs arrive on SQLite: many that are alike as one JSON object, arguments by id."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from jobs.ledger import rows
from jobs.ledger.arrivals import BLANK, Arrivals, batches, insert_held_into, insert_into
from jobs.ledger.rows import json_columns

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

_GIVEN = json_columns(
    "id", "definition", "queue", "priority", "deadline", "claim_rank", "tenant", "due_at",
    "arguments", "options", "retry_until", "retry_of_id", "schedule_id", "slot_at", "chain",
    "follows_id", "blocked",
)  # fmt: skip

_INSERT = f"""
INSERT INTO jobs_job (
    id, definition, queue, state, priority, deadline, claim_rank, tenant, due_at, arguments,
    options, attempts, exceptions, crashes, fence, enqueued_at, retry_until, retry_of_id,
    schedule_id, slot_at, chain, follows_id, cancel_requested
)
SELECT
    id, definition, queue,
    CASE
        WHEN follows_id IS NOT NULL OR blocked THEN 'blocked'
        WHEN due_at > %s THEN 'scheduled'
        ELSE 'ready'
    END,
    priority, deadline, claim_rank, tenant, due_at, arguments, options,
    0, 0, 0, 0, %s, retry_until, retry_of_id, schedule_id, slot_at, chain, follows_id, 0
FROM (SELECT {_GIVEN} FROM json_each(%s))
"""


class SqliteArrivals(Arrivals):
    """See the module."""

    def _insert_one(self, job: NewJob) -> dt.datetime:
        now = timezone.now()
        row = {**self._row_of(job), "enqueued_at": self._moment(now)}
        self._run(insert_into(*row), list(row.values()))
        return now

    def insert_held(self, job: NewJob, worker_id: int) -> tuple[dt.datetime, bool]:
        now = timezone.now()
        text = self._moment(now)
        held = self._row_of(self._as_held(job))
        row = {**held, "worker_id": worker_id, "enqueued_at": text}
        sql = insert_held_into(*row, now="%s")
        found = self._fetch(sql, [*row.values(), text, text])
        return now, not found[0][1]

    def _insert_alike(self, shared: Mapping[str, Any], calls: Mapping[UUID, str]) -> None:
        shared = {**shared, "enqueued_at": self._moment(timezone.now())}
        names = ", ".join([*shared, *BLANK])
        values = ", ".join([*["%s"] * len(shared), *BLANK.values()])
        sql = (
            f"INSERT INTO jobs_job (id, arguments, {names}) "
            f"SELECT key, value, {values} FROM json_each(%s)"
        )
        with self.transaction():
            for some in batches(calls.items()):
                document = ",".join([f'"{job_id.hex}":{text}' for job_id, text in some])
                self._run(sql, [*shared.values(), f"{{{document}}}"])

    def _insert_any(self, jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
        now = timezone.now()
        given = rows.new_job_rows(jobs, self._moment)
        for row, job in zip(given, jobs, strict=True):
            if job.delay and not job.due_at:
                row["due_at"] = self._moment(now + job.delay)
        self._run(_INSERT, [self._moment(now), self._moment(now), json.dumps(given)])
        return {job.id: now for job in jobs}

    def _insert_tags(self, document: str) -> None:
        self._run(
            "INSERT OR IGNORE INTO jobs_jobtag (job_id, name) "
            f"SELECT {json_columns('job_id', 'name')} FROM json_each(%s)",
            [document],
        )
