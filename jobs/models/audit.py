"""AuditEntry: what an operator did, for ever."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One operator action: who did what to how many, from which surface, and why. Append-only."""

    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(
        max_length=150, help_text="User name, or the operating system's user of a command."
    )
    surface = models.CharField(max_length=10, help_text="admin, command or python")
    action = models.CharField(max_length=50)
    target = models.CharField(max_length=200, help_text="What it was done to, in words.")
    count = models.PositiveIntegerField(default=1)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name_plural = "audit entries"
        ordering = ("-id",)
        indexes = (
            models.Index(F("at").desc(), name="jobs_audit_at"),
            models.Index("action", F("id").desc(), name="jobs_audit_action"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target}"
