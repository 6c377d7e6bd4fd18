"""The ledger on PostgreSQL: data-modifying CTEs, `FOR UPDATE SKIP LOCKED`, the server's clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.ledger import rows
from jobs.ledger.arrivals_postgresql import PostgresArrivals
from jobs.ledger.connecting import is_own
from jobs.ledger.frontier import Frontier
from jobs.ledger.groups import COLUMNS, count_in
from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.places import SOMEBODY_WAITS
from jobs.ledger.sql import ENDED, STATE_NOW, Others
from jobs.ledger.tag_pauses import SOME_PAUSED

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_COLUMNS = rows.CLAIMED_COLUMNS.split(", ")
_RANK = len(_COLUMNS) - 1
_SOME_PAUSED = len(_COLUMNS)
# The last, the same for all of a claim, is asked once for it.
_RETURNED = ", ".join([*(f"job.{column}" for column in _COLUMNS), f"(SELECT {SOME_PAUSED})"])

# The lateral subquery is read lane by lane, so a later queue is not touched once enough was found,
# and each from its frontier. MATERIALIZED: the rows are locked once, whatever plan the update has.
_CLAIM = f"""
WITH taken AS MATERIALIZED (
    SELECT picked.id
    FROM unnest(%s::text[], %s::bigint[], %s::uuid[]) AS lane (name, rank, id)
    CROSS JOIN LATERAL (
        SELECT job.id FROM jobs_job AS job
        WHERE job.state = 'ready' AND job.queue = lane.name {{known}}
        AND (job.claim_rank, job.id) > (lane.rank, lane.id)
        AND NOT EXISTS (
            SELECT 1 FROM jobs_queue AS paused
            WHERE paused.name = lane.name AND paused.paused_at IS NOT NULL
            AND (paused.paused_until IS NULL OR paused.paused_until > statement_timestamp())
        )
        ORDER BY job.claim_rank, job.id
        LIMIT %s
        FOR UPDATE OF job SKIP LOCKED
    ) AS picked
    LIMIT %s
)
UPDATE jobs_job AS job
SET state = 'running', worker_id = %s, fence = job.fence + 1, attempts = job.attempts + 1,
    started_at = statement_timestamp()
FROM taken WHERE job.id = taken.id
RETURNING {_RETURNED}
"""

_CLAIM_ONE = f"""
UPDATE jobs_job AS job
SET state = 'running', worker_id = %s, fence = job.fence + 1, attempts = job.attempts + 1,
    started_at = statement_timestamp()
WHERE job.id = %s AND job.state = 'ready'
RETURNING {_RETURNED}
"""

# The fence of a job that runs. Put so that the planner sees no use in the index of running jobs:
# with that it would compare every job of every worker, and every dead entry, with every row given.
RUNNING_FENCE = "CASE WHEN job.state = 'running' THEN job.fence END"

# From microseconds since the epoch; a double has them exactly until the year 2255.
_MOMENTS = ", ".join(
    f"to_timestamp({name}::float8 / 1e6::float8) AS {name}"
    for name in ("started_at", "finished_at")
)

# It answers with what did not come out as told: nearly always nothing, whatever the number of jobs.
_FINISH = f"""
WITH ended AS MATERIALIZED (
    SELECT job_id, fence, worker_id, outcome, state, COALESCE(delay, 0) AS delay, result,
        {_MOMENTS}, COALESCE(detail, '') AS detail,
        COALESCE(exception_class, '') AS exception_class, COALESCE(message, '') AS message,
        COALESCE(traceback, '') AS traceback, COALESCE(is_exception, 0) AS is_exception,
        COALESCE(is_crash, 0) AS is_crash, COALESCE(refund, 0) AS refund
    FROM json_to_recordset(%s::json) AS given (
        job_id uuid, fence int, worker_id bigint, outcome text, state text, delay float8,
        result jsonb, started_at bigint, finished_at bigint, detail text,
        exception_class text, message text, traceback text, is_exception int, is_crash int,
        refund int
    )
), finished AS (
    UPDATE jobs_job AS job
    SET state = {STATE_NOW},
        due_at = CASE WHEN ended.state IN ('ready', 'scheduled')
                 THEN statement_timestamp() + ended.delay * interval '1 second'
                 ELSE job.due_at END,
        result = ended.result,
        attempts = job.attempts - ended.refund,
        exceptions = job.exceptions + ended.is_exception,
        crashes = job.crashes + ended.is_crash,
        started_at = ended.started_at,
        finished_at = CASE WHEN {STATE_NOW} IN {ENDED} THEN ended.finished_at END
    FROM ended
    WHERE job.id = ended.job_id AND {RUNNING_FENCE} = ended.fence
        AND job.worker_id = ended.worker_id
    RETURNING job.id, job.attempts + ended.refund AS number, ended.*,
        job.state AS state_now
), recorded AS (
    INSERT INTO jobs_attempt (
        job_id, number, fence, worker_id, started_at, finished_at, outcome, detail,
        exception_class, message, traceback
    )
    SELECT id, number, fence, worker_id, started_at, finished_at, outcome, detail,
        exception_class, message, traceback
    FROM finished
)
SELECT id, fence, state_now FROM finished WHERE state_now <> state
UNION ALL
SELECT job_id, fence, NULL
FROM (SELECT job_id, fence FROM ended EXCEPT SELECT id, fence FROM finished) AS refused
"""

# The same for jobs that have all succeeded, as most do: what only other ends have is left out.
_SUCCEED = f"""
WITH ended AS MATERIALIZED (
    SELECT job_id, fence, worker_id, {_MOMENTS}, result
    FROM json_to_recordset(%s::json) AS given (
        job_id uuid, fence int, worker_id bigint, started_at bigint, finished_at bigint,
        result jsonb
    )
), finished AS (
    UPDATE jobs_job AS job
    SET state = 'succeeded', result = ended.result,
        started_at = ended.started_at, finished_at = ended.finished_at
    FROM ended
    WHERE job.id = ended.job_id AND {RUNNING_FENCE} = ended.fence
        AND job.worker_id = ended.worker_id
    RETURNING job.id, job.attempts, ended.*
), recorded AS (
    INSERT INTO jobs_attempt (
        job_id, number, fence, worker_id, started_at, finished_at, outcome, detail,
        exception_class, message, traceback
    )
    SELECT id, attempts, fence, worker_id, started_at, finished_at, 'succeeded', '', '', '', ''
    FROM finished
)
SELECT job_id, fence, NULL::text FROM ended
WHERE (SELECT count(*) FROM finished) < (SELECT count(*) FROM ended)
    AND NOT EXISTS (
        SELECT 1 FROM finished WHERE finished.id = ended.job_id AND finished.fence = ended.fence
    )
"""

_FAIL = """
INSERT INTO jobs_failedjob (
    id, job_id, definition, queue, priority, tenant, arguments, options, tags, reason,
    exception_class, message, traceback, fingerprint, attempts, worker_id, enqueued_at,
    failed_at, recoveries, recover_at
)
SELECT
    failed.id, job.id, job.definition, job.queue, job.priority, job.tenant, job.arguments,
    job.options,
    COALESCE((SELECT jsonb_agg(tag.name) FROM jobs_jobtag AS tag WHERE tag.job_id = job.id), '[]'),
    failed.reason, failed.exception_class, failed.message, failed.traceback, failed.fingerprint,
    job.attempts, failed.worker_id, job.enqueued_at, job.finished_at, failed.recoveries,
    failed.recover_at
FROM json_to_recordset(%s::json) AS failed (
    id uuid, job_id uuid, reason text, fingerprint text, exception_class text, message text,
    traceback text, worker_id bigint, recoveries smallint, recover_at timestamptz
)
JOIN jobs_job AS job ON job.id = failed.job_id
"""

_GROUP = count_in(
    given="json_to_recordset(%s::json) AS failed ("
    + ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    + ")",
    now="statement_timestamp()",
    least="LEAST",
    greatest="GREATEST",
)


class PostgresLedger(PostgresArrivals):
    """The ledger on PostgreSQL 13 or later."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._frontier = Frontier()
        self._own_cursor: Any = None

    def now(self) -> dt.datetime:
        moment: dt.datetime = self._fetch("SELECT clock_timestamp()", ())[0][0]
        return moment

    def claim(
        self,
        *,
        worker_id: int,
        queues: Sequence[str],
        limit: int,
        except_definitions: Sequence[str] = (),
    ) -> list[ClaimedJob]:
        claim = partial(self._claim_in_order, worker_id, queues, except_definitions)
        claimed, some_paused = claim(limit)
        return self._past_paused(claimed, limit, claim) if some_paused else claimed

    def _claim_in_order(
        self, worker_id: int, queues: Sequence[str], except_definitions: Sequence[str], limit: int
    ) -> tuple[list[ClaimedJob], bool]:
        """Claim, with whether some tag is paused."""
        found = self._claim(worker_id, queues, limit, except_definitions)
        if not found and not self._frontier.is_start:
            self._frontier.reset()
            found = self._claim(worker_id, queues, limit, except_definitions)
        if len(found) == limit:
            self._frontier.reach((row[2], row[_RANK], row[0]) for row in found)
        else:
            self._frontier.reset()
        place = {name: index for index, name in enumerate(queues)}
        # RETURNING keeps no order: queue, then rank, then age.
        found.sort(key=lambda row: (place[row[2]], row[_RANK], row[0]))
        return rows.claimed_jobs(found), bool(found) and found[0][_SOME_PAUSED]

    def _claim(
        self, worker_id: int, queues: Sequence[str], limit: int, except_definitions: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        parameters: list[Any] = [list(queues), *self._frontier.bounds(queues, limit)]
        known = ""
        if except_definitions:
            known = "AND job.definition <> ALL(%s::text[])"
            parameters.append(list(except_definitions))
        return self._fetch(_CLAIM.format(known=known), [*parameters, limit, limit, worker_id])

    def claim_job(self, job_id: UUID, *, worker_id: int) -> ClaimedJob | None:
        found = self._fetch(_CLAIM_ONE, [worker_id, job_id])
        return next(iter(rows.claimed_jobs(found)), None)

    def _give_back(self, jobs: Sequence[ClaimedJob]) -> int:
        return self._count(
            "UPDATE jobs_job AS job SET state = 'ready', attempts = job.attempts - 1 "
            "FROM unnest(%s::uuid[], %s::int[], %s::bigint[]) AS held (id, fence, worker_id) "
            f"WHERE job.id = held.id AND {RUNNING_FENCE} = held.fence "
            "AND job.worker_id = held.worker_id",
            [
                [job.id for job in jobs],
                [job.fence for job in jobs],
                [job.worker_id for job in jobs],
            ],
        )

    def promote(self, limit: int = 1000) -> set[str]:
        # Asked several times a second, nearly always in vain: then this is all.
        due = "state = 'scheduled' AND due_at <= statement_timestamp()"
        some_due, some_wait, some_go = self._fetch(
            f"SELECT EXISTS (SELECT 1 FROM jobs_job WHERE {due}), {SOMEBODY_WAITS}, "
            "EXISTS (SELECT 1 FROM jobs_tagpause WHERE paused_until <= statement_timestamp())",
            (),
        )[0]
        woken = self.wake_due() if some_wait else self._nobody_waits()
        if some_go:
            woken |= self.let_go()
        if not some_due:
            return woken
        with self.transaction():
            found = self._fetch(
                f"WITH due AS MATERIALIZED (SELECT id FROM jobs_job WHERE {due} "
                "ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) "
                "UPDATE jobs_job AS job SET state = 'ready' FROM due WHERE job.id = due.id "
                "RETURNING job.id, job.queue, job.priority, job.tenant",
                [limit],
            )
            self._let_in(found)
        return woken | {row[1] for row in found}

    def take_lease(self, name: str, holder: UUID, ttl: dt.timedelta) -> bool:
        return bool(
            self._fetch(
                "INSERT INTO jobs_lease AS lease (name, holder, expires_at) "
                "VALUES (%s, %s, clock_timestamp() + %s) ON CONFLICT (name) DO UPDATE "
                "SET holder = excluded.holder, expires_at = excluded.expires_at "
                "WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp() "
                "RETURNING name",
                [name, holder, ttl],
            )
        )

    def heartbeat(self, cluster_id: UUID) -> bool | None:
        found = self._fetch(
            "UPDATE jobs_cluster SET heartbeat_at = clock_timestamp(), "
            "status = CASE status WHEN 'starting' THEN 'running' ELSE status END "
            "WHERE id = %s AND status NOT IN ('lost', 'stopped') "
            "RETURNING restart_requested_at",
            [cluster_id],
        )
        return found[0][0] is not None if found else None

    def _moment(self, value: dt.datetime | None) -> str | None:
        return value.isoformat() if value is not None else None

    def _put(self, microseconds: int) -> str:
        return str(microseconds)

    def _uuid(self, value: UUID) -> Any:
        return value

    def _cursor(self) -> AbstractContextManager[Any]:
        raw = self.connection.connection
        # A wrapper, such as a tracer's, sees what goes through Django's cursors alone.
        if raw is None or self.connection.execute_wrappers or not is_own(self.connection):
            return super()._cursor()
        if self._own_cursor is None or self._own_cursor.connection is not raw:
            self._own_cursor = raw.cursor()
        return self._told_by_django(self._own_cursor)

    @contextmanager
    def _told_by_django(self, cursor: Any) -> Iterator[Any]:
        """The driver's cursor, kept for all statements of a connection that nobody else uses: to
        make one of Django's for each takes longer than to execute a short statement. Errors are
        Django's all the same."""
        with self.connection.wrap_database_errors:
            yield cursor

    def _among(self, column: str, job_ids: Sequence[UUID]) -> tuple[str, list[Any]]:
        return f"{column} = ANY(%s::uuid[])", [list(job_ids)]

    def _for_update(self, alias: str) -> str:
        return f" FOR UPDATE OF {alias}"

    def _for_share(self, alias: str) -> str:
        return f" FOR SHARE OF {alias}"

    def _for_update_unlocked(self, alias: str) -> str:
        return f" FOR UPDATE OF {alias} SKIP LOCKED"

    def _given(self, alias: str, columns: Mapping[str, str]) -> str:
        told = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"json_to_recordset(%s::json) AS {alias} ({told})"

    def _as_moment(self, value: Any) -> dt.datetime:
        moment: dt.datetime = value
        return moment

    def _insert_logs(self, document: str) -> None:
        self._run(
            "INSERT INTO jobs_joblog (job_id, attempt, at, level, message) "
            "SELECT job_id, attempt, at, level, message FROM json_to_recordset(%s::json) "
            "AS line (job_id uuid, attempt int, at timestamptz, level text, message text)",
            [document],
        )

    def _insert_failures(self, document: str) -> None:
        self._run(_FAIL, [document])

    def _upsert_groups(self, document: str) -> list[tuple[Any, ...]]:
        return self._fetch(_GROUP, [document])

    def _finish(self, document: str, *, all_succeeded: bool) -> Others:
        found = self._fetch(_SUCCEED if all_succeeded else _FINISH, [document])
        return {(job_id, fence): state for job_id, fence, state in found}

    def _release_successors(self, job_ids: Sequence[UUID]) -> None:
        freed = self._fetch(
            "UPDATE jobs_job AS next SET state = CASE WHEN next.due_at > statement_timestamp() "
            "THEN 'scheduled' ELSE 'ready' END, "
            "due_at = GREATEST(next.due_at, statement_timestamp()) FROM jobs_job AS job "
            "WHERE job.id = ANY(%s::uuid[]) AND job.state = 'succeeded' "
            "AND next.follows_id = job.id AND next.state = 'blocked' "
            "RETURNING next.id, next.queue, next.priority, next.tenant",
            [list(job_ids)],
        )
        self._let_in(freed)

    def _cancel_rest(self, job_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
        return self._fetch(
            "UPDATE jobs_job AS rest SET state = 'cancelled', finished_at = statement_timestamp() "
            "FROM jobs_job AS job WHERE job.id = ANY(%s::uuid[]) "
            "AND job.state IN ('failed', 'cancelled') "
            "AND rest.chain = job.chain AND rest.state = 'blocked' "
            "RETURNING rest.id, rest.definition, rest.queue, rest.attempts",
            [list(job_ids)],
        )
