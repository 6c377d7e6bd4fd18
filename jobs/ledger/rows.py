"""Rows on their way into and out of the ledger: jobs, failures and logs as JSON documents.

Both databases take many rows as one JSON parameter, so that a statement has the same text and one
parameter whatever the number of rows.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from jobs.ledger.order import claim_rank
from jobs.ledger.outcome import ClaimedJob, Outcome

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

CLAIMED_COLUMNS = (
    "id, definition, queue, arguments, options, attempts, exceptions, crashes, fence, priority, "
    "worker_id, enqueued_at, started_at, retry_until, chain, schedule_id, slot_at, "
    "cancel_requested, claim_rank"
)
"""What the claim returns, in the order of ClaimedJob's fields; the last is for sorting only."""

_PLACES = {name: place for place, name in enumerate(CLAIMED_COLUMNS.split(", "))}
_ENQUEUED_AT, _CANCEL_REQUESTED = _PLACES["enqueued_at"], _PLACES["cancel_requested"]
_IDS = (_PLACES["id"], _PLACES["chain"])
_MOMENTS = tuple(_PLACES[name] for name in ("enqueued_at", "started_at", "retry_until", "slot_at"))

_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]

compact_json = json.JSONEncoder(separators=(",", ":")).encode
"""A value as JSON without spaces, as the ledger stores it."""


def storable(text: str) -> str:
    """Text that both databases take: NUL and lone surrogates are written as escapes."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def json_columns(*names: str) -> str:
    """The fields of one element of `json_each`, as the columns of a SQLite query."""
    return ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)


def new_job_rows(jobs: Iterable[NewJob], moment: Any) -> list[dict[str, Any]]:
    """The rows of jobs to insert. `moment` formats a datetime for the database."""
    return [
        {
            "id": job.id.hex,
            "definition": job.definition,
            "queue": job.queue,
            "priority": job.priority,
            "deadline": moment(job.deadline),
            "claim_rank": _rank_of(job),
            "tenant": job.tenant,
            "due_at": moment(job.due_at),
            "delay": job.delay.total_seconds() if job.delay is not None else None,
            "arguments": job.arguments,
            "options": job.options,
            "retry_until": moment(job.retry_until),
            "retry_of_id": job.retry_of.hex if job.retry_of else None,
            "schedule_id": job.schedule_id,
            "slot_at": moment(job.slot_at),
            "chain": job.chain.hex if job.chain else None,
            "follows_id": job.follows_id.hex if job.follows_id else None,
            "blocked": job.blocked,
        }
        for job in jobs
    ]


def ready_row(job: NewJob, moment: Any) -> dict[str, Any]:
    """What jobs like this one have in common where they can run at once: every column with a value
    of its own, but the id, the arguments and the time of the insertion."""
    row = {
        "definition": job.definition,
        "queue": job.queue,
        "priority": job.priority,
        "claim_rank": _rank_of(job),
        "tenant": job.tenant or None,
        "options": compact_json(job.options) if job.options else "{}",
        "deadline": moment(job.deadline),
        "retry_until": moment(job.retry_until),
        "retry_of_id": job.retry_of.hex if job.retry_of else None,
        "schedule_id": job.schedule_id,
        "slot_at": moment(job.slot_at),
        "chain": job.chain.hex if job.chain else None,
    }
    return {name: value for name, value in row.items() if value is not None}


def _rank_of(job: NewJob) -> int:
    return claim_rank(job.priority, job.deadline) if job.rank is None else job.rank


def tag_rows(tags: Iterable[tuple[UUID, Iterable[str]]]) -> str | None:
    """The JSON document of the tags of new jobs, or None if there are none."""
    rows = [{"job_id": job_id.hex, "name": name} for job_id, names in tags for name in names]
    return json.dumps(rows) if rows else None


def failure_rows(outcomes: Iterable[Outcome], new_id: Any, moment: Any) -> str | None:
    """The JSON document of failed jobs, or None if none failed."""
    rows = [
        {
            "id": new_id().hex,
            "job_id": outcome.job.id.hex,
            "reason": outcome.failure.reason,
            "fingerprint": outcome.failure.fingerprint,
            "exception_class": outcome.exception_class[:200],
            "message": storable(outcome.message),
            "traceback": storable(outcome.traceback),
            "worker_id": outcome.job.worker_id,
            "recoveries": outcome.failure.recoveries,
            "recover_at": moment(_recover_at(outcome)),
        }
        for outcome in outcomes
        if outcome.failure is not None
    ]
    return json.dumps(rows) if rows else None


def _recover_at(outcome: Outcome) -> dt.datetime | None:
    after = outcome.failure.recover_after if outcome.failure is not None else None
    return None if after is None else outcome.finished_at + dt.timedelta(seconds=after)


def log_rows(outcomes: Iterable[Outcome], moment: Any) -> str | None:
    """The JSON document of what attempts logged, or None if nothing."""
    rows = [
        {
            "job_id": outcome.job.id.hex,
            "attempt": outcome.job.attempts,
            "at": moment(line.at),
            "level": line.level,
            "message": storable(line.message),
        }
        for outcome in outcomes
        for line in outcome.logs
    ]
    return json.dumps(rows) if rows else None


def claimed_jobs(found: Sequence[tuple[Any, ...]]) -> list[ClaimedJob]:
    """Claimed jobs from rows of CLAIMED_COLUMNS, from either database."""
    # PostgreSQL's rows have these types already, unless the site is one without time zones.
    if found and (isinstance(found[0][0], str) or found[0][_ENQUEUED_AT].tzinfo is None):
        found = [_typed(row) for row in found]
    return [_claimed_job(row) for row in found]


def _claimed_job(row: tuple[Any, ...]) -> ClaimedJob:
    # By position, in the order of the fields: this is done for every job there is.
    return ClaimedJob(
        row[0],
        row[1],
        row[2],
        # The database's own JSON needs no look for what may stand around it.
        _scan(row[3], 0)[0],
        {} if row[4] == "{}" else _scan(row[4], 0)[0],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        row[14],
        row[15],
        row[16],
        row[17],
    )


def _typed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    values = list(row)
    for place in _IDS:
        values[place] = as_uuid(values[place])
    for place in _MOMENTS:
        values[place] = as_moment(values[place])
    values[_CANCEL_REQUESTED] = bool(values[_CANCEL_REQUESTED])
    return tuple(values)


def as_uuid(value: Any) -> Any:
    """A UUID from what the database returned; SQLite keeps them as hexadecimal text."""
    return UUID(value) if isinstance(value, str) else value


def as_moment(value: Any) -> Any:
    """An aware datetime from what the database returned; SQLite's are text or naive, in UTC."""
    moment = parse_datetime(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=dt.UTC) if moment and moment.tzinfo is None else moment
