"""Queue: what an operator has decided about a named lane."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q


class QueueQuerySet(models.QuerySet["Queue"]):
    """Which queues."""

    def paused(self, now: dt.datetime) -> QueueQuerySet:
        return self.filter(paused_at__isnull=False).filter(
            Q(paused_until__isnull=True) | Q(paused_until__gt=now)
        )


class Queue(models.Model):
    """A named lane. A queue without a row is one about which nothing was decided."""

    name = models.CharField(max_length=64, primary_key=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    paused_reason = models.CharField(max_length=200, blank=True)
    max_waiting = models.PositiveIntegerField(
        null=True, blank=True, help_text="More ready jobs than this is a backlog."
    )

    objects = QueueQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "change")
        permissions = (("pause_queue", "Can pause and resume queues"),)
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def is_paused(self, now: dt.datetime) -> bool:
        """Whether the queue is paused at this moment."""
        ended = self.paused_until is not None and self.paused_until <= now
        return self.paused_at is not None and not ended
