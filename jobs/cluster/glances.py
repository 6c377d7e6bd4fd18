"""Glances: what a clock asks again and again, each in one statement that is the same for ever.

They say only whether there is something to do. Whoever does it looks again, with all conditions.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from jobs.ledger import Ledger

_TEXT = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'"
_NOW = {"postgresql": "statement_timestamp()", "sqlite": f"{_TEXT})"}
_AGO = {
    "postgresql": "statement_timestamp() - %s * interval '1 second'",
    "sqlite": f"{_TEXT}, '-' || %s || ' seconds')",
}
_UNTIL = {
    "postgresql": "EXTRACT(EPOCH FROM {} - statement_timestamp())::float8",
    "sqlite": "(julianday({}) - julianday('now')) * 86400.0",
}

_LIVING = "('starting', 'running', 'stopping')"

_SURROUNDINGS = f"""
SELECT 'others', 0, 0 WHERE EXISTS (
    SELECT 1 FROM jobs_cluster WHERE status IN {_LIVING} AND id <> %s
)
UNION ALL
SELECT 'silent', 0, 0 WHERE EXISTS (
    SELECT 1 FROM jobs_cluster WHERE status IN {_LIVING} AND heartbeat_at < {{ago}} AND id <> %s
)
UNION ALL
SELECT 'ended', 0, 0 WHERE EXISTS (
    SELECT 1 FROM jobs_worker AS worker
    JOIN jobs_cluster AS cluster ON cluster.id = worker.cluster_id
    WHERE worker.stopped_at IS NULL AND cluster.status NOT IN {_LIVING}
)
UNION ALL
SELECT 'running', 0, 0 WHERE EXISTS (SELECT 1 FROM jobs_job WHERE state = 'running')
UNION ALL
SELECT 'own', id, pid FROM jobs_worker WHERE cluster_id = %s AND stopped_at IS NULL
"""

# A schedule without a next run is to be planned now; one in error waits until it is tried again.
_SCHEDULES = """
SELECT CASE WHEN EXISTS (
    SELECT 1 FROM jobs_jobschedule
    WHERE enabled AND next_run_at IS NULL AND (retry_at IS NULL OR retry_at <= {now})
) THEN 0 ELSE (
    SELECT {until} FROM jobs_jobschedule
    WHERE enabled AND (retry_at IS NULL OR retry_at <= {now})
) END
"""

_OLD_SCHEDULES = "SELECT 1 FROM {table} WHERE repeats <> 0 AND next_run <= {now} LIMIT 1"


@dataclass(slots=True)
class Surroundings:
    """What a cluster sees around it."""

    kinds: set[str] = field(default_factory=set)
    workers: dict[int, int] = field(default_factory=dict)
    """The own workers whose end is not noted: the process id of each."""

    @property
    def others(self) -> bool:
        """There are other clusters that have not ended."""
        return "others" in self.kinds

    @property
    def silent(self) -> bool:
        """One of them has not been heard of for too long."""
        return "silent" in self.kinds

    @property
    def ended(self) -> bool:
        """A cluster has ended, and the end of a worker of it is not noted."""
        return "ended" in self.kinds

    @property
    def running(self) -> bool:
        """A job runs, here or elsewhere."""
        return "running" in self.kinds


def surroundings(ledger: Ledger, cluster_id: UUID, silence: dt.timedelta) -> Surroundings:
    """Look for other clusters, and for workers whose end is not noted."""
    connection = ledger.connection
    own = cluster_id if connection.features.has_native_uuid_field else cluster_id.hex
    sql = _SURROUNDINGS.format(ago=_AGO[connection.vendor])
    found = Surroundings()
    for kind, worker_id, pid in ledger.look(sql, [own, silence.total_seconds(), own, own]):
        if kind == "own":
            found.workers[worker_id] = pid
        else:
            found.kinds.add(kind)
    return found


def seconds_to_schedule(ledger: Ledger) -> float | None:
    """Seconds until the next time of a schedule, 0 or less if one is due; None for never."""
    vendor = ledger.connection.vendor
    until = _UNTIL[vendor].format("min(next_run_at)")
    ((seconds,),) = ledger.look(_SCHEDULES.format(now=_NOW[vendor], until=until))
    return None if seconds is None else float(seconds)


def old_schedule_is_due(ledger: Ledger, table: str) -> bool:
    """Whether a row of django-q2's table of schedules is due."""
    connection = ledger.connection
    sql = _OLD_SCHEDULES.format(table=connection.ops.quote_name(table), now=_NOW[connection.vendor])
    return bool(ledger.look(sql))
