"""The ledger on SQLite: one writer at a time, `BEGIN IMMEDIATE`, the host's clock.

A database of one host has that host's clock, so "now" is a parameter. Times are the text that
Django stores, in UTC; UUIDs are 32 hexadecimal digits.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from jobs.ledger import rows
from jobs.ledger.arrivals_sqlite import SqliteArrivals
from jobs.ledger.groups import COLUMNS, count_in
from jobs.ledger.moments import moment
from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.places import SOMEBODY_WAITS
from jobs.ledger.rows import json_columns as _columns
from jobs.ledger.sql import ENDED, FREED, STATE_NOW, Others
from jobs.ledger.tag_pauses import SOME_PAUSED

_PICK = """
SELECT id FROM jobs_job INDEXED BY jobs_job_claim
WHERE state = 'ready' AND queue = %s {known} ORDER BY claim_rank, id LIMIT %s
"""

_PAUSED = """
SELECT name FROM jobs_queue
WHERE paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > %s)
"""

_FACTS = _columns(
    "job_id", "fence", "worker_id", "outcome", "state", "due_at", "started_at", "finished_at"
)

_ENDED = f"""
SELECT {_FACTS},
    COALESCE(value ->> '$.detail', '') AS detail,
    COALESCE(value ->> '$.exception_class', '') AS exception_class,
    COALESCE(value ->> '$.message', '') AS message,
    COALESCE(value ->> '$.traceback', '') AS traceback,
    COALESCE(value ->> '$.is_exception', 0) AS is_exception,
    COALESCE(value ->> '$.is_crash', 0) AS is_crash,
    COALESCE(value ->> '$.refund', 0) AS refund,
    json(value -> '$.result') AS result
FROM json_each(%s)
"""

_FINISH = f"""
UPDATE jobs_job AS job
SET state = {STATE_NOW},
    due_at = CASE WHEN ended.state IN ('ready', 'scheduled') THEN COALESCE(ended.due_at, %s)
             ELSE job.due_at END,
    result = ended.result,
    attempts = job.attempts - ended.refund,
    exceptions = job.exceptions + ended.is_exception,
    crashes = job.crashes + ended.is_crash,
    started_at = ended.started_at,
    finished_at = CASE WHEN {STATE_NOW} IN {ENDED} THEN ended.finished_at END
FROM ({_ENDED}) AS ended
WHERE job.id = ended.job_id AND job.state = 'running' AND job.fence = ended.fence
    AND job.worker_id = ended.worker_id
RETURNING id, fence, state
"""

_RECORD = f"""
INSERT INTO jobs_attempt (
    job_id, number, fence, worker_id, started_at, finished_at, outcome, detail,
    exception_class, message, traceback
)
SELECT job.id, job.attempts + ended.refund, ended.fence, job.worker_id, ended.started_at,
    ended.finished_at, ended.outcome, ended.detail, ended.exception_class, ended.message,
    ended.traceback
FROM ({_ENDED}) AS ended
JOIN jobs_job AS job ON job.id = ended.job_id AND job.fence = ended.fence
WHERE ended.job_id IN (SELECT value FROM json_each(%s))
"""

_FAILED = _columns(
    "id", "job_id", "reason", "fingerprint", "exception_class", "message", "traceback",
    "worker_id", "recoveries", "recover_at",
)  # fmt: skip

_FAIL = f"""
INSERT INTO jobs_failedjob (
    id, job_id, definition, queue, priority, tenant, arguments, options, tags, reason,
    exception_class, message, traceback, fingerprint, attempts, worker_id, enqueued_at,
    failed_at, recoveries, recover_at
)
SELECT
    failed.id, job.id, job.definition, job.queue, job.priority, job.tenant, job.arguments,
    job.options,
    (SELECT json_group_array(tag.name) FROM jobs_jobtag AS tag WHERE tag.job_id = job.id),
    failed.reason, failed.exception_class, failed.message, failed.traceback, failed.fingerprint,
    job.attempts, failed.worker_id, job.enqueued_at, job.finished_at, failed.recoveries,
    failed.recover_at
FROM (SELECT {_FAILED} FROM json_each(%s)) AS failed JOIN jobs_job AS job ON job.id = failed.job_id
"""

# WHERE, as else the parser takes ON for that of a join.
_GROUP = count_in(
    given=f"(SELECT {_columns(*COLUMNS)} FROM json_each(%s)) WHERE true",
    now="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    least="min",
    greatest="max",
)


class SqliteLedger(SqliteArrivals):
    """The ledger on SQLite 3.38 or later."""

    begin = "BEGIN IMMEDIATE"
    # Its planner would take an index with more columns that are equal, and sort.
    _by_rank = "INDEXED BY jobs_job_claim"
    _by_tenant = "INDEXED BY jobs_job_tenant"

    def now(self) -> dt.datetime:
        return timezone.now()

    def _now(self) -> str:
        return str(self._moment(timezone.now()))

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
        # An idle worker must not take the write lock each time it looks.
        if not self._pick(queues, 1, except_definitions):
            return [], False
        with self.transaction():
            picked = self._pick(queues, limit, except_definitions)
            claimed = self._take(picked, worker_id)
        place = {job_id: index for index, job_id in enumerate(picked)}
        claimed.sort(key=lambda job: place[job.id.hex])
        return claimed, bool(self._fetch(f"SELECT {SOME_PAUSED}", ())[0][0])

    def _pick(
        self, queues: Sequence[str], limit: int, except_definitions: Sequence[str]
    ) -> list[str]:
        paused = {row[0] for row in self._fetch(_PAUSED, [self._now()])}
        known, excluded = "", list(except_definitions)
        if excluded:
            known = f"AND definition NOT IN ({', '.join(['%s'] * len(excluded))})"
        picked: list[str] = []
        for queue in queues:
            if queue in paused:
                continue
            wanted = limit - len(picked)
            found = self._fetch(_PICK.format(known=known), [queue, *excluded, wanted])
            picked += [row[0] for row in found]
            if len(picked) >= limit:
                break
        return picked

    def _take(self, job_ids: Sequence[str], worker_id: int) -> list[ClaimedJob]:
        if not job_ids:
            return []
        found = self._fetch(
            "UPDATE jobs_job SET state = 'running', worker_id = %s, fence = fence + 1, "
            "attempts = attempts + 1, started_at = %s "
            "WHERE id IN (SELECT value FROM json_each(%s)) AND state = 'ready' "
            f"RETURNING {rows.CLAIMED_COLUMNS}",
            [worker_id, self._now(), json.dumps(job_ids)],
        )
        return rows.claimed_jobs(found)

    def claim_job(self, job_id: UUID, *, worker_id: int) -> ClaimedJob | None:
        claimed = self._take([job_id.hex], worker_id)
        return claimed[0] if claimed else None

    def _give_back(self, jobs: Sequence[ClaimedJob]) -> int:
        held = json.dumps([{"id": job.id.hex, "fence": job.fence} for job in jobs])
        return self._count(
            "UPDATE jobs_job AS job SET state = 'ready', attempts = attempts - 1 "
            f"FROM (SELECT {_columns('id', 'fence')} FROM json_each(%s)) AS held "
            "WHERE job.id = held.id AND job.state = 'running' AND job.fence = held.fence",
            [held],
        )

    def promote(self, limit: int = 1000) -> set[str]:
        due = "SELECT id FROM jobs_job WHERE state = 'scheduled' AND due_at <= %s"
        now = self._now()
        over = "SELECT 1 FROM jobs_tagpause WHERE paused_until <= %s"
        some_due, some_wait, some_go = self._fetch(
            f"SELECT EXISTS ({due}), {SOMEBODY_WAITS}, EXISTS ({over})", [now, now]
        )[0]
        woken = self.wake_due() if some_wait else self._nobody_waits()
        if some_go:
            woken |= self.let_go()
        if not some_due:
            return woken
        with self.transaction():
            found = self._fetch(
                f"UPDATE jobs_job SET state = 'ready' WHERE id IN ({due} ORDER BY due_at LIMIT %s) "
                "RETURNING id, queue, priority, tenant",
                [now, limit],
            )
            self._let_in(found)
        return woken | {row[1] for row in found}

    def take_lease(self, name: str, holder: UUID, ttl: dt.timedelta) -> bool:
        now = timezone.now()
        return bool(
            self._fetch(
                "INSERT INTO jobs_lease (name, holder, expires_at) VALUES (%s, %s, %s) "
                "ON CONFLICT (name) DO UPDATE "
                "SET holder = excluded.holder, expires_at = excluded.expires_at "
                "WHERE holder = excluded.holder OR expires_at < %s RETURNING name",
                [name, holder.hex, self._moment(now + ttl), self._moment(now)],
            )
        )

    def heartbeat(self, cluster_id: UUID) -> bool | None:
        found = self._fetch(
            "UPDATE jobs_cluster SET heartbeat_at = %s, "
            "status = CASE status WHEN 'starting' THEN 'running' ELSE status END "
            "WHERE id = %s AND status NOT IN ('lost', 'stopped') "
            "RETURNING restart_requested_at",
            [self._now(), cluster_id.hex],
        )
        return found[0][0] is not None if found else None

    def _moment(self, value: dt.datetime | None) -> str | None:
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ") if value else None

    def _put(self, microseconds: int) -> str:
        return str(self._moment(moment(microseconds)))

    def _uuid(self, value: UUID) -> Any:
        return value.hex

    def _among(self, column: str, job_ids: Sequence[UUID]) -> tuple[str, list[Any]]:
        document = json.dumps([job_id.hex for job_id in job_ids])
        return f"{column} IN (SELECT value FROM json_each(%s))", [document]

    def _for_update(self, alias: str) -> str:
        return ""

    def _for_share(self, alias: str) -> str:
        return ""

    def _for_update_unlocked(self, alias: str) -> str:
        return ""

    def _given(self, alias: str, columns: Mapping[str, str]) -> str:
        return f"(SELECT {_columns(*columns)} FROM json_each(%s)) AS {alias}"

    def _as_moment(self, value: Any) -> dt.datetime:
        moment: dt.datetime = rows.as_moment(value)
        return moment

    def _insert_logs(self, document: str) -> None:
        self._run(
            "INSERT INTO jobs_joblog (job_id, attempt, at, level, message) "
            f"SELECT {_columns('job_id', 'attempt', 'at', 'level', 'message')} FROM json_each(%s)",
            [document],
        )

    def _insert_failures(self, document: str) -> None:
        self._run(_FAIL, [document])

    def _upsert_groups(self, document: str) -> list[tuple[Any, ...]]:
        return self._fetch(_GROUP, [document])

    def _finish(self, document: str, *, all_succeeded: bool) -> Others:
        with self.transaction():
            accepted = self._fetch(_FINISH, [self._now(), document])
            self._run(_RECORD, [document, json.dumps([row[0] for row in accepted])])
        written = {(job_id, fence): state for job_id, fence, state in accepted}
        told = {(item["job_id"], item["fence"]): item["state"] for item in json.loads(document)}
        return {
            (UUID(job_id), fence): written.get((job_id, fence))
            for (job_id, fence), state in told.items()
            if written.get((job_id, fence)) != state
        }

    def _release_successors(self, job_ids: Sequence[UUID]) -> None:
        freed = self._fetch(
            f"UPDATE jobs_job SET {FREED} WHERE state = 'blocked' AND follows_id IN ("
            "SELECT id FROM jobs_job WHERE id IN (SELECT value FROM json_each(%s)) "
            "AND state = 'succeeded') RETURNING id, queue, priority, tenant",
            [*[self._now()] * 3, json.dumps([job_id.hex for job_id in job_ids])],
        )
        self._let_in(freed)

    def _cancel_rest(self, job_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
        return self._fetch(
            "UPDATE jobs_job SET state = 'cancelled', finished_at = %s "
            "WHERE state = 'blocked' AND chain IN (SELECT chain FROM jobs_job "
            "WHERE id IN (SELECT value FROM json_each(%s)) AND state IN ('failed', 'cancelled')) "
            "RETURNING id, definition, queue, attempts",
            [self._now(), json.dumps([job_id.hex for job_id in job_ids])],
        )
