"""Records: the end of an attempt as one line of JSON.

The statement that finishes jobs takes many of them as one document; a worker's journal keeps them
until then, so an end is serialised once. What has its default is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jobs.ledger.moments import microseconds, moment
from jobs.ledger.outcome import ClaimedJob, Failure, LogLine, Outcome
from jobs.ledger.rows import as_moment, storable

Put = Callable[[int], str]
"""Puts microseconds since the epoch as the database wants a moment."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_TEXTS = ("detail", "exception_class", "message", "traceback")
_FLAGS = ("is_exception", "is_crash", "refund", "gated", "has_callback")
_LONGEST = 200
"""Characters of `detail` and `exception_class`, as their columns hold."""


def record_of(outcome: Outcome, put: Put) -> str:
    """The record of an outcome, its moments as the database wants them."""
    plain = outcome.outcome == "succeeded" and not (outcome.logs or outcome.detail or outcome.gated)
    if plain and outcome.result is None:
        # Most are just this, and it takes a third of the time of the encoder.
        return (
            f'{{"job_id":"{outcome.job.id.hex}","fence":{outcome.job.fence},'
            f'"worker_id":{outcome.job.worker_id},"outcome":"succeeded","state":"succeeded",'
            f'"started_at":"{put(outcome.started)}",'
            f'"finished_at":"{put(outcome.finished)}"}}'
        )
    record: dict[str, Any] = {
        "job_id": outcome.job.id.hex,
        "fence": outcome.job.fence,
        "worker_id": outcome.job.worker_id,
        "outcome": outcome.outcome,
        "state": outcome.state,
        "started_at": put(outcome.started),
        "finished_at": put(outcome.finished),
    }
    if outcome.result is not None:
        record["result"] = outcome.result
    # What only an end has that is not a plain success.
    if not plain:
        _add_the_rest(record, outcome, put)
    return _encode(record)


def _add_the_rest(record: dict[str, Any], outcome: Outcome, put: Put) -> None:
    for name in _TEXTS:
        if text := storable(getattr(outcome, name)):
            record[name] = text if name in ("message", "traceback") else text[:_LONGEST]
    for name in _FLAGS:
        if getattr(outcome, name):
            record[name] = 1
    if outcome.delay:
        record["delay"] = outcome.delay
        # For SQLite, whose clock is the host's.
        record["due_at"] = put(outcome.finished + round(outcome.delay * 1e6))
    if outcome.failure is not None:
        failure = outcome.failure
        record["failure"] = [failure.reason, failure.fingerprint]
        if failure.recoveries or failure.recover_after is not None:
            record["failure"] += [failure.recoveries, failure.recover_after]
    if outcome.logs:
        record["logs"] = [
            [microseconds(line.at), line.level, storable(line.message)] for line in outcome.logs
        ]


def outcome_of(record: dict[str, Any], job: ClaimedJob, text: str) -> Outcome:
    """The outcome that a record says, of the job that it belongs to. `text` is the record itself.

    Its exception is not known any more, only what was written of it.
    """
    failure = record.get("failure")
    texts: dict[str, Any] = {name: record.get(name, "") for name in _TEXTS}
    flags: dict[str, Any] = {name: bool(record.get(name)) for name in _FLAGS}
    return Outcome(
        job=job,
        outcome=record["outcome"],
        state=record["state"],
        started=_microseconds(record["started_at"]),
        finished=_microseconds(record["finished_at"]),
        result=record.get("result"),
        delay=record.get("delay", 0.0),
        failure=_failure(*failure) if failure else None,
        logs=[LogLine(moment(at), level, message) for at, level, message in record.get("logs", ())],
        record=text,
        **texts,
        **flags,
    )


def _failure(
    reason: str, fingerprint: str, recoveries: int = 0, recover_after: float | None = None
) -> Failure:
    return Failure(
        reason=reason,
        fingerprint=fingerprint,
        recoveries=recoveries,
        recover_after=recover_after,
    )


def _microseconds(text: str) -> int:
    """The inverse of each database's `Put`."""
    return int(text) if text.isdigit() else microseconds(as_moment(text))
