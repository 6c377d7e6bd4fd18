"""FailedJob: a job that will not be tried again by itself."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jobs.identifiers import uuid7
from jobs.models.job import Job
from jobs.models.states import FailureReason


class FailedJobQuerySet(models.QuerySet["FailedJob"]):
    """Which failed jobs."""

    def unretried(self) -> FailedJobQuerySet:
        return self.filter(retried_at__isnull=True)


class FailedJob(models.Model):
    """The dead letter of one job. It stands alone: it outlives its job's retention, and a retry
    makes a new job and leaves this row as it was."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.OneToOneField(
        Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="failure"
    )
    definition = models.CharField(max_length=200)
    queue = models.CharField(max_length=64)
    priority = models.SmallIntegerField(default=0)
    arguments = models.JSONField()
    options = models.JSONField(default=dict, blank=True)
    tags = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=11, choices=FailureReason.choices)
    exception_class = models.CharField(max_length=200, blank=True)
    message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    fingerprint = models.CharField(
        max_length=32, help_text="The same for failures of one cause; see failures/fingerprint.py."
    )
    attempts = models.PositiveIntegerField()
    worker = models.ForeignKey(
        "jobs.Worker", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    enqueued_at = models.DateTimeField()
    failed_at = models.DateTimeField()
    retried_at = models.DateTimeField(null=True, blank=True)
    retried_as = models.ForeignKey(
        Job,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    objects = FailedJobQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("retry_failedjob", "Can retry failed jobs"),
            ("forget_failedjob", "Can forget selected failed jobs"),
            ("flush_failedjob", "Can flush all failed jobs that match a filter"),
        )
        ordering = ("-failed_at", "-id")
        indexes = (
            models.Index(F("failed_at").desc(), F("id").desc(), name="jobs_failed_at"),
            models.Index("queue", F("failed_at").desc(), name="jobs_failed_queue"),
            models.Index("definition", F("failed_at").desc(), name="jobs_failed_definition"),
            models.Index("fingerprint", F("failed_at").desc(), name="jobs_failed_fingerprint"),
            models.Index("exception_class", F("failed_at").desc(), name="jobs_failed_exception"),
            models.Index(
                F("failed_at").desc(),
                name="jobs_failed_unretried",
                condition=Q(retried_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.short_name} {self.job_id}"

    @property
    def short_name(self) -> str:
        return self.definition.rpartition(".")[2]
