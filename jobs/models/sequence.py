"""JobSequence: the last job of those that run one after the other."""

from __future__ import annotations

from django.db import models

from jobs.models.job import Job


class JobSequence(models.Model):
    """A key, and the job behind which the next one with this key has to wait. Its row lock puts
    those in order who enqueue for it."""

    key = models.CharField(max_length=64, primary_key=True)
    label = models.CharField(max_length=300, help_text="The key for people.")
    last = models.ForeignKey(
        Job, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ("key",)
        indexes = (models.Index("changed_at", name="jobs_sequence_changed"),)

    def __str__(self) -> str:
        return self.label
