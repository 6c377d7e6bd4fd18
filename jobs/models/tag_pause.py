"""TagPause: jobs with a tag wait, whatever their queue. TagWait: which job was found to."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Job


class TagPauseQuerySet(models.QuerySet["TagPause"]):
    """Which pauses."""

    def active(self, now: dt.datetime) -> TagPauseQuerySet:
        """Those that hold jobs back; another one is over, and lets its jobs go."""
        return self.filter(Q(paused_until__isnull=True) | Q(paused_until__gt=now))


class TagPause(models.Model):
    """No job with this tag starts until a moment, or until the tag is resumed."""

    tag = models.CharField(max_length=150, primary_key=True)
    paused_at = models.DateTimeField(db_default=Now(), editable=False)
    paused_until = models.DateTimeField(
        null=True, blank=True, help_text="Empty is until it is resumed."
    )
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    reason = models.CharField(
        max_length=200, blank=True, help_text="Shown beside the tag and kept in the audit log."
    )

    objects = TagPauseQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (("pause_tag", "Can pause and resume tags"),)
        ordering = ("tag",)
        verbose_name = "paused tag"
        indexes = (
            models.Index(
                "paused_until",
                name="jobs_tagpause_until",
                condition=Q(paused_until__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.tag


class TagWait(models.Model):
    """A job that a worker found and put aside, as one of its tags is paused: it is blocked."""

    job = models.OneToOneField(
        Job,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="tag_wait",
    )
    # The constraint keeps the pause as long as somebody waits for it.
    pause = models.ForeignKey(TagPause, on_delete=models.PROTECT, related_name="waits")
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ("job",)

    def __str__(self) -> str:
        return f"{self.job_id} for {self.pause_id}"
