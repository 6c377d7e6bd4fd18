"""FailedJob: a job that will not be tried again by itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from jobs.identifiers import uuid7
from jobs.models.job import Job
from jobs.models.states import FailureReason


class FailedJobQuerySet(models.QuerySet["FailedJob"]):
    """Which failed jobs."""

    def kept(self) -> FailedJobQuerySet:
        """Those that nobody has forgotten: what `FailedJob.objects` starts from."""
        return self.filter(forgotten_at__isnull=True)

    def forgotten(self) -> FailedJobQuerySet:
        """Those that were forgotten, and can be restored until their time is over."""
        return self.filter(forgotten_at__isnull=False)

    def unretried(self) -> FailedJobQuerySet:
        return self.filter(retried_at__isnull=True)


class KeptManager(models.Manager.from_queryset(FailedJobQuerySet)):  # type: ignore[misc]
    """Hides what was forgotten from whatever asks for failed jobs in the usual way."""

    def get_queryset(self) -> FailedJobQuerySet:
        rows: FailedJobQuerySet = super().get_queryset()
        return rows.kept()


class ForgottenManager(models.Manager.from_queryset(FailedJobQuerySet)):  # type: ignore[misc]
    """The other side of `KeptManager`."""

    def get_queryset(self) -> FailedJobQuerySet:
        rows: FailedJobQuerySet = super().get_queryset()
        return rows.forgotten()


KEPT = Q(forgotten_at__isnull=True)
"""The condition of the indexes: what waits for its end must cost the lists nothing."""


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
    tenant = models.CharField(max_length=64, blank=True, default="", db_default="")
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

    recoveries = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How often the rule of its definition has run its line of retries again.",
    )
    recover_at = models.DateTimeField(
        null=True, blank=True, help_text="When the rule of its definition runs it again."
    )
    forgotten_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is hidden, until it is deleted."
    )
    forgotten_in = models.ForeignKey(
        "jobs.AuditEntry",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The audit entry that tells who has forgotten it.",
    )

    objects = KeptManager()
    everything = FailedJobQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("retry_failedjob", "Can retry failed jobs"),
            ("forget_failedjob", "Can forget selected failed jobs"),
            ("flush_failedjob", "Can flush all failed jobs that match a filter"),
            ("restore_failedjob", "Can restore failed jobs that were forgotten"),
        )
        ordering = ("-failed_at", "-id")
        indexes = (
            models.Index(
                F("failed_at").desc(), F("id").desc(), name="jobs_failed_at", condition=KEPT
            ),
            models.Index("queue", F("failed_at").desc(), name="jobs_failed_queue", condition=KEPT),
            models.Index(
                "definition", F("failed_at").desc(), name="jobs_failed_definition", condition=KEPT
            ),
            models.Index(
                "fingerprint", F("failed_at").desc(), name="jobs_failed_fingerprint", condition=KEPT
            ),
            models.Index(
                "exception_class",
                F("failed_at").desc(),
                name="jobs_failed_exception",
                condition=KEPT,
            ),
            # Whether a group has failures on a queue, or of a definition.
            models.Index(
                "fingerprint", "queue", "definition", name="jobs_failed_group", condition=KEPT
            ),
            models.Index(
                F("failed_at").desc(),
                name="jobs_failed_unretried",
                condition=KEPT & Q(retried_at__isnull=True),
            ),
            # The dead letters of each queue, counted by index alone.
            models.Index(
                "queue",
                name="jobs_failed_dead",
                condition=KEPT & Q(retried_at__isnull=True),
            ),
            models.Index(
                "recover_at",
                name="jobs_failed_recover",
                condition=KEPT & Q(retried_at__isnull=True, recover_at__isnull=False),
            ),
            models.Index(
                F("forgotten_at").desc(),
                F("id").desc(),
                name="jobs_failed_forgotten",
                condition=Q(forgotten_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.short_name} {self.job_id}"

    @property
    def short_name(self) -> str:
        return self.definition.rpartition(".")[2]


class ForgottenFailedJob(FailedJob):
    """A failed job that was forgotten and is not deleted yet: it can be restored."""

    objects: ClassVar[ForgottenManager] = ForgottenManager()

    class Meta:
        proxy = True
        # Who may see failed jobs may see these; restoring has a permission of its own.
        default_permissions = ()
        ordering = ("-forgotten_at", "-id")
        verbose_name = "forgotten failed job"
