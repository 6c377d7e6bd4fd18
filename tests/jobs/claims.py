"""Claimed jobs and their ends, as a worker has them, without a database."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jobs.identifiers import uuid7
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Outcome

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def claimed_job(definition: str = "tests.jobs.sample_jobs.add", **facts: Any) -> ClaimedJob:
    """A job at its first attempt, claimed by worker 7 at noon."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "definition": definition,
        "queue": "default",
        "arguments": {"args": [1], "kwargs": {}},
        "options": {},
        "attempts": 1,
        "exceptions": 0,
        "crashes": 0,
        "fence": 1,
        "priority": 0,
        "worker_id": 7,
        "enqueued_at": NOON,
        "started_at": NOON,
        "retry_until": None,
        "chain": None,
        "schedule_id": None,
        "slot_at": None,
        "cancel_requested": False,
        **facts,
    }
    return ClaimedJob(**values)


def end_of(job: ClaimedJob, state: str = "succeeded", **facts: Any) -> Outcome:
    """How an attempt of two milliseconds ended."""
    values: dict[str, Any] = {
        "job": job,
        "outcome": "succeeded" if state == "succeeded" else "failed",
        "state": state,
        "started": microseconds(job.started_at),
        "finished": microseconds(job.started_at) + 2_000,
        **facts,
    }
    return Outcome(**values)
