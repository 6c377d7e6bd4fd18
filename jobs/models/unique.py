"""UniqueLock: of several calls that are the same, the one that counts."""

from __future__ import annotations

from django.db import models

from jobs.models.job import Job


class UniqueLock(models.Model):
    """A key and the job that has it. The primary key is what lets no second job have it too.

    A lock whose job has come to its end, and whose time is over, is free to be taken; so nothing
    has to be done about it when a job ends, however it does.
    """

    key = models.CharField(max_length=64, primary_key=True)
    label = models.CharField(max_length=300, help_text="The key for people.")
    job = models.ForeignKey(
        Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="unique_locks"
    )
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, help_text="Until then it is not free, even if its job has ended."
    )
    until_start = models.BooleanField(
        default=False, help_text="Whether it is free once its job has started."
    )

    class Meta:
        default_permissions = ()
        ordering = ("key",)
        indexes = (models.Index("taken_at", name="jobs_uniquelock_taken"),)

    def __str__(self) -> str:
        return self.label
