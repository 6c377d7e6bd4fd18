"""An analysis in steps: created and enqueued together, and marked as failed if a step fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from jobs import batch, chain, job
from jobs.identifiers import uuid7
from jobs.workflows.handles import WorkflowHandle


@dataclass
class Analysis:
    """Stands for your model."""

    username: str
    id: UUID = field(default_factory=uuid7)
    status: str = "pending"
    data: dict[str, Any] = field(default_factory=dict)


ANALYSES: dict[str, Analysis] = {}
OUTBOX: list[str] = []


class NoSuchUser(Exception):
    """Not worth another try."""


@job(
    max_attempts=3,
    backoff=[60, 120, 300],
    should_retry=lambda error: not isinstance(error, NoSuchUser),
)
def fetch_profile(analysis_id: str) -> None:
    analysis = ANALYSES[analysis_id]
    if analysis.username == "ghost":
        raise NoSuchUser(analysis.username)
    analysis.status = "processing"
    analysis.data["repositories"] = len(analysis.username)


@job(queue_name="ai", timeout=300)
def analyse(analysis_id: str) -> None:
    analysis = ANALYSES[analysis_id]
    analysis.data["score"] = 10 * analysis.data["repositories"]
    analysis.status = "completed"


@job(queue_name="notifications")
def notify(analysis_id: str) -> None:
    OUTBOX.append(f"{ANALYSES[analysis_id].username}: {ANALYSES[analysis_id].data['score']}")


@job
def mark_as_failed(analysis_id: str) -> None:
    ANALYSES[analysis_id].status = "failed"


def create_analysis(username: str) -> Analysis:
    """Create an analysis and enqueue its steps. If the transaction is rolled back, neither is
    there."""
    with transaction.atomic():
        analysis = Analysis(username)
        key = str(analysis.id)
        ANALYSES[key] = analysis
        chain(fetch_profile.s(key), analyse.s(key), notify.s(key), name="analysis").on_failure(
            mark_as_failed.s(key)
        ).enqueue()
    return analysis


@job
def note(word: str) -> None:
    OUTBOX.append(word)


def analyse_many(analyses: Iterable[Analysis]) -> WorkflowHandle:
    """Analyse many at once. One that fails does not stop the others."""
    for analysis in analyses:
        ANALYSES[str(analysis.id)] = analysis
    return batch(
        [
            chain(fetch_profile.s(str(one.id)), analyse.s(str(one.id))).on_failure(
                mark_as_failed.s(str(one.id))
            )
            for one in analyses
        ],
        name="bulk-analysis",
        allow_failures=True,
        then=note.s("all analysed"),
        catch=note.s("one failed"),
        finally_=note.s("over"),
    ).enqueue()
