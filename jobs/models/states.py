"""The closed vocabularies of the ledger: what jobs, attempts, workers, groups and so on can be."""

from __future__ import annotations

from django.db import models


class JobState(models.TextChoices):
    """Where a job is in its life. `Job.life_cycle` gives the operator's words for the same."""

    BLOCKED = "blocked", "Blocked"
    """Waits for another job."""
    SCHEDULED = "scheduled", "Scheduled"
    """Waits for a time: a delayed job, or one that waits for its next attempt."""
    READY = "ready", "Ready"
    """May be claimed by any worker that serves its queue."""
    RUNNING = "running", "Running"
    """Claimed by a worker that is alive."""
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    """Ended for good without success; a failed job keeps the facts."""
    CANCELLED = "cancelled", "Cancelled"
    """Ended without success by a decision: cancelled, discarded, or its predecessor failed."""


WAITING_STATES = (JobState.BLOCKED, JobState.SCHEDULED, JobState.READY)
UNFINISHED_STATES = (*WAITING_STATES, JobState.RUNNING)
FINISHED_STATES = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class AttemptOutcome(models.TextChoices):
    """How one execution of a job ended."""

    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    """The job raised an exception, or could not be started."""
    TIMED_OUT = "timed_out", "Timed out"
    RELEASED = "released", "Released"
    """The job gave itself back to run later."""
    DISCARDED = "discarded", "Discarded"
    """Dropped by its own policy: `discard_on`, or `discard_when_missing`."""
    INTERRUPTED = "interrupted", "Interrupted"
    """Stopped by a shutdown; it does not count as an attempt."""
    LOST = "lost", "Lost"
    """The worker died: `detail` says how."""
    CANCELLED = "cancelled", "Cancelled"


class FailureReason(models.TextChoices):
    """Why a job will not be tried again by itself."""

    EXCEPTION = "exception", "Exception"
    TIMED_OUT = "timed_out", "Timed out"
    LOST = "lost", "Worker lost"
    QUARANTINED = "quarantined", "Quarantined after crashes"
    EXPIRED = "expired", "Past retry_until"


class OperationKind(models.TextChoices):
    """What a bulk operation does to each of its rows."""

    RETRY = "retry", "Retry"


class OperationState(models.TextChoices):
    """Where a bulk operation is in its life."""

    WAITING = "waiting", "Waiting"
    """Nothing was done yet, or not since it was resumed."""
    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    """By an operator, who can have it go on."""
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    """A batch broke; what was done before it is done, and it can go on."""


ACTIVE_OPERATION_STATES = (OperationState.WAITING, OperationState.RUNNING)
HALTED_OPERATION_STATES = (OperationState.STOPPED, OperationState.FAILED)
"""Those that can be resumed."""


class ClusterStatus(models.TextChoices):
    """What a cluster says of itself; a silent one is `LOST` once another has noticed."""

    STARTING = "starting", "Starting"
    RUNNING = "running", "Running"
    STOPPING = "stopping", "Stopping"
    STOPPED = "stopped", "Stopped"
    LOST = "lost", "Lost"


class GroupStatus(models.TextChoices):
    """What was decided about the failures of one cause."""

    OPEN = "open", "Open"
    RESOLVED = "resolved", "Resolved"
    """Held to be mended: the next failure opens it again."""
    MUTED = "muted", "Muted"
    """Known, and not worth a word: its failures are counted, and nobody is told."""


class Channel(models.TextChoices):
    """How a notification travels."""

    MAIL = "mail", "Mail"
    WEBHOOK = "webhook", "Webhook"
    LOG = "log", "Log"


class WorkflowKind(models.TextChoices):
    """How the members of a workflow follow each other."""

    CHAIN = "chain", "Chain"
    BATCH = "batch", "Batch"
    WORKFLOW = "workflow", "Workflow"


class WorkflowState(models.TextChoices):
    """How far a workflow is; one that waits is nested in another that has not got to it."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN_WORKFLOW_STATES = (WorkflowState.WAITING, WorkflowState.RUNNING)


class StepKind(models.TextChoices):
    """What a step of a workflow is."""

    JOB = "job", "Job"
    WORKFLOW = "workflow", "Workflow"
    APPROVAL = "approval", "Approval"
    """A person says yes or no."""
    SIGNAL = "signal", "Signal"
    """Code, or an operator, says that something has happened."""
    TIMER = "timer", "Timer"


class StepState(models.TextChoices):
    """How far a step is."""

    WAITING = "waiting", "Waiting"
    ACTIVE = "active", "Active"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
