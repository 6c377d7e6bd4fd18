"""IdempotencyMark: that something was done, so that it is not done again."""

from __future__ import annotations

from django.db import models

from jobs.models.job import Job


class IdempotencyMark(models.Model):
    """A piece of work by its key, who is at it, and what came of it."""

    key = models.CharField(max_length=64, primary_key=True)
    label = models.CharField(max_length=300, help_text="The key for people.")
    job = models.ForeignKey(
        Job, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    fence = models.PositiveIntegerField(help_text="The claim that is at it, or has done it.")
    done_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    expires_at = models.DateTimeField(help_text="From then on it may be done again.")

    class Meta:
        default_permissions = ("view",)
        ordering = ("-expires_at",)
        indexes = (models.Index("expires_at", name="jobs_idempotency_expires"),)

    def __str__(self) -> str:
        return self.label
