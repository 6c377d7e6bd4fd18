"""What people may do about workflows: cancel, retry failures, approve, reject, send signals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from jobs import audit
from jobs.arguments import encode_result
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption, UnknownWorkflow, WorkflowEnded
from jobs.failures import redrive
from jobs.failures.redrive import RedriveReport
from jobs.ledger import ledger
from jobs.ledger.flow_rows import Ended
from jobs.models import FailedJob, Job, JobState, Step, StepKind, StepState, Workflow
from jobs.models.failure import FailedJobQuerySet
from jobs.workflows import effects
from jobs.workflows.handles import find


@dataclass(slots=True)
class CancelReport:
    """What a cancellation did: workflows, jobs that waited, and jobs that were asked to stop."""

    workflows: int = 0
    cancelled: int = 0
    requested: int = 0
    skipped: int = 0
    """Workflows that had ended, or are cancelled already."""


def cancel(workflow_ids: Iterable[UUID], actor: Actor, reason: str = "") -> CancelReport:
    """Cancel these workflows with all that is nested in them.

    What waits ends as cancelled, and what runs is asked to stop; a workflow ends once that has.
    `finally` is called then, `then` and `catch` are not. Raises UnknownWorkflow, and InvalidOption
    for a workflow inside of another: that one decides. Each has its own transaction and audit
    entry.
    """
    rows = [find(one) for one in dict.fromkeys(workflow_ids)]
    for row in rows:
        _check_outermost(row)
    report = CancelReport()
    for row in rows:
        with transaction.atomic(using=conf.DATABASE):
            _cancel_one(row.pk, actor, reason, report)
    return report


def _cancel_one(workflow_id: UUID, actor: Actor, reason: str, report: CancelReport) -> None:
    book = ledger()
    book.lock_workflows([workflow_id])
    row = find(workflow_id)
    if row.is_finished:
        report.skipped += 1
        return
    tree = Workflow.objects.using(conf.DATABASE).filter(root=workflow_id)
    running = Job.objects.using(conf.DATABASE).running().filter(chain__in=tree.values("pk"))
    requested = running.filter(cancel_requested=False).count()
    cancelled = effects.tell(book.advance(stopped=[workflow_id]))
    if row.cancelled_at is not None and not requested and not cancelled:
        # It waits for what was asked to stop. A worker may have given such a job back, though.
        report.skipped += 1
        return
    report.workflows += 1
    report.requested += requested
    report.cancelled += len(cancelled)
    after = {"jobs": len(cancelled)}
    audit.record(actor, "cancel workflow", f"workflow {row}", 1, None, after, reason)


def failures_of(workflow_ids: Iterable[UUID]) -> FailedJobQuerySet:
    """The failed jobs of these workflows, and of those nested in them, that can be retried."""
    trees = Workflow.objects.using(conf.DATABASE).filter(root__in=list(workflow_ids))
    members = Job.objects.using(conf.DATABASE).filter(
        chain__in=trees.values("pk"), state=JobState.FAILED
    )
    rows: FailedJobQuerySet = FailedJob.objects.using(conf.DATABASE).unretried()
    return rows.filter(job__in=members.values("pk"))


def retry_failures(workflow_ids: Iterable[UUID], actor: Actor, reason: str = "") -> RedriveReport:
    """Retry every failed job of these workflows, and of those nested in them, each as a new job in
    its place. Raises UnknownWorkflow, and InvalidOption for a workflow inside of another."""
    rows = [find(one) for one in dict.fromkeys(workflow_ids)]
    for row in rows:
        _check_outermost(row)
    names = ", ".join(str(row) for row in rows)
    failed = failures_of(row.pk for row in rows)
    return redrive.retry(failed, actor, reason, scope=f"failures of {names}")


def decide(
    workflow_id: UUID, step_name: str, actor: Actor, *, approved: bool, reason: str = ""
) -> Step:
    """Approve or reject a step that waits for that. A rejected one has failed: what needs it is
    cancelled, and the workflow's `catch` is called.

    Raises UnknownWorkflow, for the step too, and WorkflowEnded if there is nothing to decide.
    """
    with transaction.atomic(using=conf.DATABASE):
        book = ledger()
        book.lock_workflows([find(workflow_id).pk])
        step = _decided_step(workflow_id, step_name, StepKind.APPROVAL)
        steps = Step.objects.using(conf.DATABASE)
        if step.state != StepState.ACTIVE:
            raise WorkflowEnded(f"The step {step_name!r} is {step.state}: nothing to decide.")
        state = StepState.SUCCEEDED if approved else StepState.FAILED
        steps.filter(pk=step.pk).update(decided_by=actor.name[:150], decided_at=book.now())
        effects.tell(book.advance([Ended(workflow_id, str(state), step=step.pk)]))
        action = "approve" if approved else "reject"
        target = f"step {step_name} of workflow {workflow_id}"
        audit.record(actor, action, target, 1, reason=reason)
    return steps.get(pk=step.pk)


def signal(workflow_id: UUID, step_name: str, payload: Any, actor: Actor, reason: str = "") -> Step:
    """Tell a step that waits for a signal, or will, that it has come; `payload` is its result.

    Raises UnknownWorkflow, for the step too, WorkflowEnded if it has ended or got its signal
    already, and InvalidOption for a payload that JSON cannot hold.
    """
    try:
        told = encode_result(payload)
    except TypeError as error:
        raise InvalidOption("payload", payload, str(error)) from None
    with transaction.atomic(using=conf.DATABASE):
        book = ledger()
        book.lock_workflows([find(workflow_id).pk])
        step = _decided_step(workflow_id, step_name, StepKind.SIGNAL)
        if step.state not in (StepState.WAITING, StepState.ACTIVE):
            raise WorkflowEnded(f"The step {step_name!r} is {step.state}: no signal reaches it.")
        if step.decided_at is not None:
            raise WorkflowEnded(f"The step {step_name!r} got its signal already.")
        rows = Step.objects.using(conf.DATABASE).filter(pk=step.pk)
        rows.update(decided_by=actor.name[:150], decided_at=book.now(), payload=told)
        if step.state == StepState.ACTIVE:
            effects.tell(book.advance([Ended(workflow_id, "succeeded", step=step.pk)]))
        target = f"step {step_name} of workflow {workflow_id}"
        audit.record(actor, "signal", target, 1, reason=reason)
    return rows.get()


def _decided_step(workflow_id: UUID, name: str, kind: StepKind) -> Step:
    """Raises UnknownWorkflow for a step that there is not, or that is of another kind."""
    steps = Step.objects.using(conf.DATABASE).filter(workflow=workflow_id, kind=kind)
    step = steps.filter(name=name).first()
    if step is None:
        known = ", ".join(repr(other) for other in steps.values_list("name", flat=True))
        to_be = "approved" if kind == StepKind.APPROVAL else "signalled"
        raise UnknownWorkflow(
            f"The workflow {workflow_id} has no step {name!r} to be {to_be}"
            f"{f'; it has {known}' if known else ''}."
        )
    return step


def _check_outermost(row: Workflow) -> None:
    if row.nested:
        rule = f"is part of the workflow {row.root_id}: act on that one"
        raise InvalidOption("workflow", str(row.pk), rule)
