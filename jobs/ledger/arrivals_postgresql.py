"""How jobs arrive on PostgreSQL: many that are alike by `COPY`, which costs half of an `INSERT`.

What the server can say itself it says: when a job was enqueued is the column's default, by the
server's clock.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.backends.postgresql.base import CursorDebugWrapper
from django.db.backends.utils import CursorWrapper

from jobs.ledger import rows
from jobs.ledger.arrivals import BLANK, Arrivals, batches, insert_held_into, insert_into

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

_INSERT = """
INSERT INTO jobs_job (
    id, definition, queue, state, priority, deadline, claim_rank, tenant, due_at, arguments,
    options, attempts, exceptions, crashes, fence, enqueued_at, retry_until, retry_of_id,
    schedule_id, slot_at, chain, follows_id, cancel_requested
)
SELECT
    new.id, new.definition, new.queue,
    CASE
        WHEN new.follows_id IS NOT NULL OR new.blocked THEN 'blocked'
        WHEN new.due > statement_timestamp() THEN 'scheduled'
        ELSE 'ready'
    END,
    new.priority, new.deadline, new.claim_rank, new.tenant, new.due, new.arguments, new.options,
    0, 0, 0, 0, statement_timestamp(), new.retry_until, new.retry_of_id, new.schedule_id,
    new.slot_at, new.chain, new.follows_id, false
FROM (
    SELECT *, COALESCE(due_at, statement_timestamp() + delay * interval '1 second') AS due
    FROM json_to_recordset(%s::json) AS given (
        id uuid, definition text, queue text, priority smallint, deadline timestamptz,
        claim_rank bigint, tenant text, due_at timestamptz, delay float8, arguments jsonb,
        options jsonb, retry_until timestamptz, retry_of_id uuid, schedule_id bigint,
        slot_at timestamptz, chain uuid, follows_id uuid, blocked boolean
    )
) AS new
RETURNING id, enqueued_at
"""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""The text format of `COPY`: https://www.postgresql.org/docs/current/sql-copy.html."""
_LINES = 500
"""Lines written at once; the server takes them in while the next are made."""
_BARE = (CursorWrapper, CursorDebugWrapper)
"""Cursors that nobody has wrapped or replaced."""


class PostgresArrivals(Arrivals):
    """See the module."""

    def _insert_one(self, job: NewJob) -> dt.datetime:
        row = self._row_of(job)
        found = self._insert_row(f"{insert_into(*row)} RETURNING enqueued_at", list(row.values()))
        moment: dt.datetime = found[0][0]
        return moment

    def insert_held(self, job: NewJob, worker_id: int) -> tuple[dt.datetime, bool]:
        row = {**self._row_of(self._as_held(job)), "worker_id": worker_id}
        sql = insert_held_into(*row, now="statement_timestamp()")
        moment, is_paused = self._insert_row(sql, list(row.values()))[0]
        return moment, not is_paused

    def _insert_row(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        insert = self._insert_bare if self._is_bare() else self._fetch
        return insert(sql, parameters)

    def _is_bare(self) -> bool:
        """Whether nobody has put something around the cursors of this connection, or counts their
        queries."""
        connection = self.connection
        return not (
            connection.execute_wrappers or connection.queries_logged or "cursor" in vars(connection)
        )

    def _insert_bare(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """By a cursor of the driver, which for one row takes a tenth off the time of the call:
        Django's puts every value into the text of the statement."""
        from psycopg import Cursor

        connection = self.connection
        connection.validate_no_broken_transaction()
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        with connection.wrap_database_errors:
            return Cursor(connection.connection).execute(sql, parameters).fetchall()

    def _has_short_way(self) -> bool:
        """Whether nobody expects to see every statement: `COPY` passes by what wraps `execute`."""
        if self.connection.execute_wrappers:
            return False
        with self.connection.cursor() as cursor:
            return type(cursor) in _BARE

    def _insert_alike(self, shared: Mapping[str, Any], calls: Mapping[UUID, str]) -> None:
        self.connection.validate_no_broken_transaction()
        told = [str(value).translate(_ESCAPES) for value in shared.values()]
        blank = [value.strip("'") for value in BLANK.values()]
        rest = "".join([f"\t{value}" for value in told + blank])
        columns = ", ".join(["id", "arguments", *shared, *BLANK])
        with (
            self.connection.wrap_database_errors,
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY jobs_job ({columns}) FROM STDIN") as copy,
        ):
            for some in batches(calls.items(), _LINES):
                copy.write("".join([_line(job_id, text, rest) for job_id, text in some]))

    def _insert_any(self, jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
        return dict(self._fetch(_INSERT, [json.dumps(rows.new_job_rows(jobs, self._moment))]))

    def _insert_tags(self, document: str) -> None:
        self._run(
            "INSERT INTO jobs_jobtag (job_id, name) SELECT job_id, name "
            "FROM json_to_recordset(%s::json) AS tag (job_id uuid, name text) "
            "ON CONFLICT DO NOTHING",
            [document],
        )


def _line(job_id: UUID, arguments: str, rest: str) -> str:
    if "\\" in arguments:
        # The only character of JSON that `COPY` reads otherwise: it has no raw tabs or line ends.
        arguments = arguments.replace("\\", "\\\\")
    return f"{job_id.hex}\t{arguments}{rest}\n"
