"""Workflows: chains, batches and graphs of steps, with what they count and whom they call."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import F, Q

from jobs.identifiers import uuid7
from jobs.models.job import Job
from jobs.models.states import (
    OPEN_WORKFLOW_STATES,
    StepKind,
    StepState,
    WorkflowKind,
    WorkflowState,
)


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    """Which workflows."""

    def outermost(self) -> WorkflowQuerySet:
        """Those that are no step of another."""
        return self.filter(nested=False)

    def open(self) -> WorkflowQuerySet:
        return self.filter(state__in=OPEN_WORKFLOW_STATES)


class Workflow(models.Model):
    """A chain, a batch or a graph of steps: how far it is, and what follows its end.

    Its members are the jobs whose `chain` it is, and its steps. The row of the outermost one, the
    root, is locked by whoever changes anything in the tree; see `jobs/ledger/flows.py`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    root = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="tree",
        help_text="The outermost workflow: this one unless it is nested.",
    )
    nested = models.BooleanField(default=False)
    kind = models.CharField(max_length=8, choices=WorkflowKind.choices)
    name = models.CharField(max_length=100, blank=True)
    state = models.CharField(
        max_length=9, choices=WorkflowState.choices, default=WorkflowState.RUNNING
    )
    allow_failures = models.BooleanField(default=False)
    callbacks = models.JSONField(default=dict, help_text="The jobs `then`, `catch` and `finally`.")
    caught = models.BooleanField(default=False, help_text="Whether `catch` was enqueued.")
    then_fired = models.BooleanField(default=False)
    finally_fired = models.BooleanField(default=False)
    total = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True, help_text="When it was told to stop.")

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("approve_step", "Can approve and reject steps of workflows"),
            ("cancel_workflow", "Can cancel workflows"),
            ("retry_workflow", "Can retry the failures of workflows"),
            ("signal_step", "Can send signals to steps of workflows"),
        )
        ordering = ("-id",)
        indexes = (
            models.Index("root", name="jobs_workflow_root"),
            models.Index("id", name="jobs_workflow_list", condition=Q(nested=False)),
            models.Index("state", "id", name="jobs_workflow_state", condition=Q(nested=False)),
            models.Index(
                "name", "id", name="jobs_workflow_name", condition=Q(nested=False) & ~Q(name="")
            ),
            models.Index(
                "finished_at",
                name="jobs_workflow_finished",
                condition=Q(nested=False, finished_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name or self.kind} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.state not in OPEN_WORKFLOW_STATES

    @property
    def ended(self) -> int:
        """Members that have ended, one way or another."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def percent(self) -> int:
        """Of its members that have ended; 100 only when all have."""
        return 100 if self.ended >= self.total else self.ended * 100 // self.total

    @property
    def run_time(self) -> dt.timedelta | None:
        return self.finished_at - self.created_at if self.finished_at else None


class WorkflowTag(models.Model):
    """A word by which a workflow can be found."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, db_index=False, related_name="tags"
    )
    name = models.CharField(max_length=150)

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint("workflow", "name", name="jobs_workflowtag_once"),)
        indexes = (models.Index("name", F("workflow").desc(), name="jobs_workflowtag_name"),)

    def __str__(self) -> str:
        return self.name


class Step(models.Model):
    """A named part of a chain or graph, or a workflow inside a batch. The plain jobs of a batch
    have none, so that a large batch costs no more than its jobs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, db_index=False, related_name="steps"
    )
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=StepKind.choices)
    job = models.ForeignKey(
        Job,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="workflow_steps",
        help_text="The newest, where it was retried.",
    )
    child = models.ForeignKey(
        Workflow,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="parent_steps",
    )
    state = models.CharField(max_length=9, choices=StepState.choices, default=StepState.WAITING)
    waits_for = models.PositiveIntegerField(
        default=0, help_text="How many of the steps that it needs have not succeeded yet."
    )
    delay = models.DurationField(null=True, help_text="Of a timer.")
    pass_results = models.BooleanField(default=False)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(
        null=True, help_text="Of a signal when it came, which may be before the step has begun."
    )
    payload = models.JSONField(null=True, help_text="What came with a signal.")

    class Meta:
        default_permissions = ()
        ordering = ("workflow", "position")
        constraints = (
            models.UniqueConstraint("workflow", "position", name="jobs_step_position"),
            models.UniqueConstraint("workflow", "name", name="jobs_step_name"),
        )
        indexes = (
            models.Index("job", name="jobs_step_job", condition=Q(job__isnull=False)),
            models.Index("child", name="jobs_step_child", condition=Q(child__isnull=False)),
            models.Index(
                "state",
                "id",
                name="jobs_step_approval",
                condition=Q(kind__in=("approval", "signal")),
            ),
        )

    def __str__(self) -> str:
        return self.name


class StepNeed(models.Model):
    """A step starts when every step that it needs has succeeded."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, db_index=False, related_name="needs")
    needs = models.ForeignKey(
        Step, on_delete=models.CASCADE, db_index=False, related_name="needed_by"
    )

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint("step", "needs", name="jobs_stepneed_once"),)
        indexes = (models.Index("needs", name="jobs_stepneed_needs"),)

    def __str__(self) -> str:
        return f"{self.step_id} needs {self.needs_id}"
