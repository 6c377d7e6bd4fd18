"""Attempt: one execution of a job. JobLog: what it said while it ran."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import Q

from jobs.models.job import Job
from jobs.models.states import AttemptOutcome


class Attempt(models.Model):
    """One execution of a job, written when it ends; the running one is in the job's own row."""

    # The fence tells the executions of a job apart. A number of its own would cost each attempt a
    # second index entry.
    pk = models.CompositePrimaryKey("job", "fence")
    job = models.ForeignKey(
        Job,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="attempt_records",
    )
    number = models.PositiveIntegerField(help_text="1 for the first attempt.")
    fence = models.PositiveIntegerField()
    worker = models.ForeignKey(
        "jobs.Worker",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="attempt_records",
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=11, choices=AttemptOutcome.choices)
    detail = models.CharField(
        max_length=200, blank=True, help_text="Such as: signal 9, host gone, released for 60 s."
    )
    exception_class = models.CharField(max_length=200, blank=True)
    message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view",)
        ordering = ("job", "fence")
        indexes = (
            # What `metrics.minute` counts; nearly all attempts succeed, and are not in it.
            models.Index(
                "finished_at",
                name="jobs_attempt_in_vain",
                condition=Q(outcome__in=("failed", "timed_out", "lost")),
            ),
        )

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.get_outcome_display()}"

    @property
    def run_time(self) -> dt.timedelta:
        return self.finished_at - self.started_at


class JobLog(models.Model):
    """One line that a job logged."""

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="log_lines"
    )
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8, default="info")
    message = models.TextField()

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        indexes = (models.Index("job", "id", name="jobs_joblog_job"),)

    def __str__(self) -> str:
        return self.message
