"""Waiting for the jobs of an import, and adding up what they did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from conversations.batches import batched
from conversations.costs import CostReport, cost_messages
from conversations.importing.chunks import Chunk
from conversations.importing.storing import import_chunk
from jobs.conf import settings
from jobs.models import FailedJob, Job, JobState

POLL_EVERY = timedelta(milliseconds=200)
IDLE_AFTER = timedelta(seconds=10)
_FINISHED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(slots=True, kw_only=True)
class ImportSummary:
    """An import as a whole. `refused` has file, line and reason; `failed` the jobs that failed,
    with the lines that thus are not in."""

    lines: int = 0
    imported: int = 0
    known: int = 0
    priced: int = 0
    unpriced: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.refused and not self.failed

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.complete}

    def add_chunk(self, chunk: Chunk, report: dict[str, Any]) -> None:
        self.lines += report["lines"]
        self.imported += report["imported"]
        self.known += report["known"]
        self.unpriced += report["unpriced"]
        name = Path(chunk.path).name
        self.refused.extend({"file": name, **refusal} for refusal in report["refused"])

    def add_costs(self, report: dict[str, Any]) -> None:
        self.priced += report["priced"]
        self.unpriced += report["unpriced"]


Tell = Callable[[int], None]
"""Called with the number of lines that are through."""

Warn = Callable[[], None]
"""Called once, when no job has ended for 10 seconds."""


def import_here(chunks: Iterable[Chunk], user_id: int | None, tell: Tell) -> ImportSummary:
    """Import and cost in this process, chunk by chunk."""
    summary = ImportSummary()
    done = 0
    for chunk in chunks:
        report = import_chunk(chunk, user_id)
        summary.add_chunk(chunk, report.as_json())
        costs: CostReport = cost_messages(report.uncosted)
        summary.add_costs(costs.as_json())
        done += chunk.lines
        tell(done)
    return summary


def follow_import(chunks: dict[UUID, Chunk], tell: Tell, warn: Warn) -> ImportSummary:
    """Wait until the jobs that import `chunks`, and the costing jobs that they enqueue, have
    ended, however that takes; return what they did."""
    summary = ImportSummary()
    costing: list[UUID] = []
    done = 0
    for job in _as_they_finish(chunks, warn):
        chunk = chunks[job["id"]]
        if job["state"] == JobState.SUCCEEDED:
            summary.add_chunk(chunk, job["result"])
            if job["result"]["cost_job"]:
                costing.append(UUID(job["result"]["cost_job"]))
        else:
            first, last = chunk.first_line, chunk.first_line + chunk.lines - 1
            lines = f"{Path(chunk.path).name}, lines {first} to {last}"
            summary.failed.append(_failure(job, lines))
        done += chunk.lines
        tell(done)
    order = {str(job_id): position for position, job_id in enumerate(chunks)}
    summary.failed.sort(key=lambda failure: order[failure["job"]])
    summary.refused.sort(key=lambda refusal: (refusal["file"], refusal["line"]))
    for job in _as_they_finish(costing, warn):
        if job["state"] == JobState.SUCCEEDED:
            summary.add_costs(job["result"])
        else:
            summary.failed.append(_failure(job, "costs"))
    return summary


def _as_they_finish(ids: Iterable[UUID], warn: Warn) -> Iterator[dict[str, Any]]:
    waiting = set(ids)
    # Where jobs run in the caller, those that would be retried have nobody to do it.
    is_final = settings.TRANSPORT == "sync"
    warn_at: float | None = time.monotonic() + IDLE_AFTER.total_seconds()
    while waiting:
        seen: set[UUID] = set()
        before = len(waiting)
        for some in batched(sorted(waiting), 1000):
            rows = Job.objects.filter(pk__in=some).values("id", "state", "result")
            for job in rows:
                seen.add(job["id"])
                if is_final or job["state"] in _FINISHED:
                    waiting.discard(job["id"])
                    yield dict(job)
        for gone in waiting - seen:
            waiting.discard(gone)
            yield {"id": gone, "state": "removed from the ledger", "result": None}
        if len(waiting) < before:
            warn_at = None
        elif warn_at is not None and time.monotonic() > warn_at:
            warn_at = None
            warn()
        if waiting:
            time.sleep(POLL_EVERY.total_seconds())


def _failure(job: dict[str, Any], what: str) -> dict[str, Any]:
    failure = FailedJob.objects.filter(job=job["id"]).order_by("-failed_at").first()
    reason = f"{failure.exception_class}: {failure.message}" if failure else str(job["state"])
    return {"job": str(job["id"]), "what": what, "reason": reason[:300]}
