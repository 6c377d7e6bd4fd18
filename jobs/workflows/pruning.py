"""Pruning: workflows of old go before their retention is over, or are ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from jobs import audit
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.ledger import ledger, retention
from jobs.models import Workflow, WorkflowState
from jobs.models.workflow import WorkflowQuerySet
from jobs.workflows import operating

ENDED = (WorkflowState.SUCCEEDED, WorkflowState.FAILED, WorkflowState.CANCELLED)
PAGE = 100


@dataclass(slots=True)
class PruneReport:
    """Workflows that were removed, those nested in them included, and that were cancelled."""

    removed: int = 0
    cancelled: int = 0


def prune(
    age: dt.timedelta,
    actor: Actor,
    *,
    states: Collection[str] = ENDED,
    unfinished: bool = False,
    reason: str = "",
) -> PruneReport:
    """Remove the outermost workflows that ended in these states longer ago than this, with all that
    is nested in them. With `unfinished` those that began longer ago and have not ended are
    cancelled, whatever they wait for: they are removed by a later call.

    Their jobs stay, until retention removes them. Raises InvalidOption. Audited.
    """
    _check(age, states)
    before = ledger().now() - age
    report = PruneReport()
    if unfinished:
        for page in iter(lambda: _unfinished(before), []):
            done = operating.cancel(page, actor, reason)
            report.cancelled += done.workflows
            if not done.workflows:
                # What runs still was asked to stop already.
                break
    report.removed = retention.remove_workflows(before, states)
    if report.removed:
        told = f"workflows that ended before {before:%Y-%m-%d %H:%M} UTC: {', '.join(states)}"
        audit.record(actor, "prune", told, report.removed, reason=reason)
    return report


def preview(
    age: dt.timedelta, *, states: Collection[str] = ENDED, unfinished: bool = False
) -> PruneReport:
    """What `prune` would do, without doing it. Raises InvalidOption."""
    _check(age, states)
    before = ledger().now() - age
    removed = retention.workflows_before(before, states).order_by().count()
    return PruneReport(removed, _open(before).count() if unfinished else 0)


def _check(age: dt.timedelta, states: Collection[str]) -> None:
    if age <= dt.timedelta(0):
        raise InvalidOption("age", age, "must be more than nothing")
    for state in states:
        if state not in ENDED:
            raise InvalidOption("state", state, f"must be one of {', '.join(ENDED)}")


def _open(before: dt.datetime) -> WorkflowQuerySet:
    rows: WorkflowQuerySet = Workflow.objects.using(conf.DATABASE).filter(
        nested=False, state=WorkflowState.RUNNING, cancelled_at__isnull=True
    )
    return rows.filter(created_at__lt=before)


def _unfinished(before: dt.datetime) -> list[UUID]:
    return list(_open(before).order_by("pk").values_list("pk", flat=True)[:PAGE])
