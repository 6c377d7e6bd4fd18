"""Workflows as people look at them: steps in order with what they need, and the jobs of a batch."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jobs.conf import settings as conf
from jobs.models import Job, Step, StepKind, StepNeed, Workflow, WorkflowKind
from jobs.workflows.handles import Progress

SHOWN = 100
"""Jobs of a batch, and steps, that are shown at most."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step, its needs by their names, and what it is."""

    id: UUID
    name: str
    kind: str
    state: str
    needs: list[str]
    job: UUID | None
    definition: str
    workflow: UUID | None
    due_at: dt.datetime | None
    decided_by: str
    decided_at: dt.datetime | None
    payload: Any = None
    """What came with a signal."""


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """A job that is a plain member of a batch."""

    id: UUID
    definition: str
    state: str


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """One workflow, without what is in it."""

    id: UUID
    kind: str
    name: str
    tags: list[str]
    state: str
    progress: Progress
    created_at: dt.datetime
    finished_at: dt.datetime | None
    cancelled_at: dt.datetime | None
    part_of: UUID | None = field(default=None)


def facts_of(flow: Workflow) -> WorkflowFacts:
    return WorkflowFacts(
        id=flow.pk,
        kind=flow.kind,
        name=flow.name,
        tags=sorted(tag.name for tag in flow.tags.all()),
        state=flow.state,
        progress=Progress.of(flow),
        created_at=flow.created_at,
        finished_at=flow.finished_at,
        cancelled_at=flow.cancelled_at,
        part_of=flow.root_id if flow.nested else None,
    )


def newest(limit: int, *, state: str = "", name: str = "", tag: str = "") -> list[WorkflowFacts]:
    """The newest workflows that are part of no other."""
    rows = Workflow.objects.using(conf.DATABASE).outermost().order_by("-id")
    if state:
        rows = rows.filter(state=state)
    if name:
        rows = rows.filter(name=name)
    if tag:
        rows = rows.filter(tags__name=tag)
    return [facts_of(flow) for flow in rows.prefetch_related("tags")[:limit]]


def steps_of(workflow_id: UUID) -> list[StepFacts]:
    """The steps in order, the first `SHOWN` of them."""
    rows = Step.objects.using(conf.DATABASE).filter(workflow=workflow_id).order_by("position")
    steps = list(rows[:SHOWN])
    names: dict[UUID, list[str]] = defaultdict(list)
    needs = StepNeed.objects.using(conf.DATABASE).filter(step__in=[step.pk for step in steps])
    for step_id, name in needs.order_by("pk").values_list("step", "needs__name"):
        names[step_id].append(name)
    jobs = (
        Job.objects.using(conf.DATABASE)
        .only("definition", "due_at")
        .in_bulk([step.job_id for step in steps if step.job_id])
    )
    found = []
    for step in steps:
        job = jobs.get(step.job_id) if step.job_id else None
        is_timer = step.kind == StepKind.TIMER
        found.append(
            StepFacts(
                id=step.pk,
                name=step.name,
                kind=step.kind,
                state=step.state,
                needs=names[step.pk],
                job=step.job_id,
                definition=job.definition if job is not None and not is_timer else "",
                workflow=step.child_id,
                due_at=job.due_at if job is not None and is_timer else None,
                decided_by=step.decided_by,
                decided_at=step.decided_at,
                payload=step.payload,
            )
        )
    return found


def members_of(flow: Workflow) -> list[MemberFacts]:
    """The plain jobs of a batch: the first `SHOWN`, those that failed before all others."""
    if flow.kind != WorkflowKind.BATCH:
        return []
    rows = Job.objects.using(conf.DATABASE).filter(chain=flow.pk).order_by("pk")
    failed = list(rows.in_state("failed").values_list("pk", "definition", "state")[:SHOWN])
    others = rows.exclude(pk__in=[row[0] for row in failed])
    left = SHOWN - len(failed)
    found = [*failed, *others.values_list("pk", "definition", "state")[:left]]
    return [MemberFacts(*row) for row in found]
