"""Job: one enqueued call of a definition, and the row that decides its state."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.identifiers import uuid7
from jobs.models.literals import EMPTY, literal, literals
from jobs.models.states import FINISHED_STATES, UNFINISHED_STATES, WAITING_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable


class JobQuerySet(models.QuerySet["Job"]):
    """Which jobs. States are literals, so that partial indexes serve whatever plan is made."""

    def in_state(self, *states: str) -> JobQuerySet:
        return self.filter(state__in=literals(states))

    def waiting(self) -> JobQuerySet:
        return self.in_state(*WAITING_STATES)

    def ready(self) -> JobQuerySet:
        return self.filter(state=literal(JobState.READY))

    def running(self) -> JobQuerySet:
        return self.filter(state=literal(JobState.RUNNING))

    def finished(self) -> JobQuerySet:
        return self.in_state(*FINISHED_STATES)

    def unfinished(self) -> JobQuerySet:
        return self.in_state(*UNFINISHED_STATES)

    def on_queues(self, names: Iterable[str]) -> JobQuerySet:
        return self.filter(queue__in=list(names))

    def by_state(self, *states: str) -> list[JobQuerySet]:
        """The same jobs in parts, one for each of these states, all by default.

        The indexes of definitions and queues go on with the state and the time, so each part is
        read in the order of time by index, however many jobs the others have. `keyset.first_of`
        merges them.
        """
        # Says to the database that those indexes, which lack running jobs, hold a part.
        resting = self.exclude(state=literal(JobState.RUNNING))
        return [
            self.running() if state == JobState.RUNNING else resting.in_state(state)
            for state in states or JobState.values
        ]

    def of_tenant(self, tenant: str) -> JobQuerySet:
        # The first condition, as a literal, is that of the index.
        return self.filter(tenant__gt=EMPTY, tenant=tenant)

    def held_by(self, worker_ids: Iterable[int]) -> JobQuerySet:
        """Jobs that run, or ran when they were last heard of, on these workers."""
        return self.running().filter(worker_id__in=list(worker_ids))


class Job(models.Model):
    """One enqueued call of a definition.

    The row is the only truth about the job: it is inserted in the caller's transaction, and every
    later transition is a conditional update on its state and, once claimed, on its `fence`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    definition = models.CharField(max_length=200, help_text="Import path of the job definition.")
    queue = models.CharField(max_length=64)
    state = models.CharField(max_length=9, choices=JobState.choices, default=JobState.READY)
    priority = models.SmallIntegerField(
        default=0, help_text="-100 to 100; a higher one runs first inside its queue."
    )
    deadline = models.DateTimeField(
        null=True, blank=True, help_text="Among equal priorities the earliest deadline runs first."
    )
    claim_rank = models.BigIntegerField(
        editable=False,
        help_text="Priority, and deadline or turn, as one sort key; see ledger/order.py.",
    )
    tenant = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="For whom it is: tenants share the queues of JOBS_FAIR_QUEUES.",
    )
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When a scheduled job becomes ready; empty means now."
    )
    arguments = models.JSONField(help_text='{"args": […], "kwargs": {…}}')
    options = models.JSONField(
        default=dict,
        blank=True,
        help_text="Policy of this call where it differs from the definition's.",
    )
    result = models.JSONField(null=True, blank=True)
    attempts = models.PositiveIntegerField(
        default=0, help_text="Attempts spent, the running one included."
    )
    exceptions = models.PositiveIntegerField(
        default=0, help_text="Attempts that ended in an exception."
    )
    crashes = models.PositiveIntegerField(
        default=0, help_text="Attempts that ended with the death of their worker."
    )
    fence = models.PositiveIntegerField(
        default=0, help_text="Grows with every claim; only the holder of the newest may write."
    )
    worker = models.ForeignKey(
        "jobs.Worker",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="jobs",
    )
    enqueued_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="Start of the latest attempt."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    retry_until = models.DateTimeField(
        null=True, blank=True, help_text="No attempt starts after this."
    )
    retry_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="retries",
        help_text="The failed job that this one runs again.",
    )
    schedule = models.ForeignKey(
        "jobs.JobSchedule",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="jobs",
    )
    slot_at = models.DateTimeField(
        null=True, blank=True, help_text="The time of the schedule that this job runs for."
    )
    chain = models.UUIDField(null=True, blank=True, help_text="Shared by the links of one chain.")
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="successors",
        help_text="A blocked job becomes ready when this one succeeds.",
    )
    progress = models.JSONField(
        null=True, blank=True, help_text='{"done": 3, "total": 10, "message": "…"}'
    )
    checkpoint = models.JSONField(
        null=True,
        blank=True,
        help_text="The steps of its work that are done, for the next attempt; see jobs.steps.",
    )
    cancel_requested = models.BooleanField(default=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("dispatch_job", "Can dispatch jobs"),
            ("cancel_job", "Can cancel jobs"),
            ("clear_queue", "Can cancel all waiting jobs of a queue"),
            ("reveal_job", "Can reveal sensitive arguments of jobs"),
        )
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="jobs_job_priority", condition=Q(priority__gte=-100, priority__lte=100)
            ),
        )
        indexes = (
            # The claim reads this index only: it holds nothing but what can be claimed now.
            models.Index(
                "queue", "claim_rank", "id", name="jobs_job_claim", condition=Q(state="ready")
            ),
            # The last turn of a tenant; see `ledger.turns`.
            models.Index(
                "queue",
                "tenant",
                "claim_rank",
                name="jobs_job_tenant",
                condition=Q(state="ready", tenant__gt=""),
            ),
            models.Index("due_at", name="jobs_job_due", condition=Q(state="scheduled")),
            models.Index("worker", name="jobs_job_running", condition=Q(state="running")),
            models.Index("follows", name="jobs_job_blocked", condition=Q(state="blocked")),
            models.Index(
                "state",
                "finished_at",
                name="jobs_job_finished",
                condition=Q(finished_at__isnull=False),
            ),
            # For the lists; see `JobQuerySet.by_state`. A running job is not in them, which spares
            # the claim two entries: the few that run are found by their worker's index. All rise
            # with time, so that new entries fill the last page of their group.
            models.Index(
                "definition",
                "state",
                "enqueued_at",
                "id",
                name="jobs_job_definition",
                condition=~Q(state="running"),
            ),
            models.Index(
                "queue",
                "state",
                "enqueued_at",
                "id",
                name="jobs_job_queue",
                condition=~Q(state="running"),
            ),
            models.Index(
                "schedule",
                F("slot_at").desc(),
                name="jobs_job_schedule",
                condition=Q(schedule__isnull=False),
            ),
            # What no-overlap asks: it must not read the finished runs of a schedule.
            models.Index(
                "schedule",
                name="jobs_job_schedule_open",
                condition=Q(schedule__isnull=False, state__in=UNFINISHED_STATES),
            ),
            models.Index("retry_of", name="jobs_job_retry_of", condition=Q(retry_of__isnull=False)),
            models.Index("chain", name="jobs_job_chain", condition=Q(chain__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.short_name} {self.id}"

    @property
    def short_name(self) -> str:
        """The definition's own name, without its module."""
        return self.definition.rpartition(".")[2]

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED_STATES

    @property
    def args(self) -> list[Any]:
        return list(self.arguments.get("args", ()))

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.arguments.get("kwargs", {}))

    @property
    def life_cycle(self) -> str:
        """The operator's word for where the job is: one of dispatched, queued, processing,
        completed, released, retrying, dead (a failed job) and cancelled."""
        match self.state:
            case JobState.BLOCKED:
                return "dispatched"
            case JobState.SCHEDULED if self.exceptions or self.crashes:
                return "retrying"
            case JobState.SCHEDULED if self.attempts:
                return "released"
            case JobState.SCHEDULED:
                return "dispatched"
            case JobState.READY:
                return "queued"
            case JobState.RUNNING:
                return "processing"
            case JobState.SUCCEEDED:
                return "completed"
            case JobState.FAILED:
                return "dead"
            case _:
                return "cancelled"

    @property
    def wait(self) -> dt.timedelta | None:
        """From enqueueing to the start of the latest attempt."""
        return self.started_at - self.enqueued_at if self.started_at else None

    @property
    def run_time(self) -> dt.timedelta | None:
        """Of the latest attempt, once finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


class JobTag(models.Model):
    """A word by which a job can be found."""

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="tags"
    )
    name = models.CharField(max_length=150)

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint("job", "name", name="jobs_jobtag_once"),)
        indexes = (models.Index("name", F("job").desc(), name="jobs_jobtag_name"),)

    def __str__(self) -> str:
        return self.name
