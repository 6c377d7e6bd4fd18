"""FailureGroup: the failed jobs of one cause."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import F, Q

from jobs.models.states import GroupStatus


class FailureGroupQuerySet(models.QuerySet["FailureGroup"]):
    """Which failure groups. `now` decides which mutes are over."""

    def open(self, now: dt.datetime) -> FailureGroupQuerySet:
        return self.filter(
            Q(status=GroupStatus.OPEN) | Q(status=GroupStatus.MUTED, muted_until__lte=now)
        )

    def muted(self, now: dt.datetime) -> FailureGroupQuerySet:
        lasting = Q(muted_until__isnull=True) | Q(muted_until__gt=now)
        return self.filter(lasting, status=GroupStatus.MUTED)

    def resolved(self) -> FailureGroupQuerySet:
        return self.filter(status=GroupStatus.RESOLVED)

    def standing(self, status: str, now: dt.datetime) -> FailureGroupQuerySet:
        """Those that are in this status now. Raises ValueError for what is no status."""
        if GroupStatus(status) == GroupStatus.OPEN:
            return self.open(now)
        return self.muted(now) if status == GroupStatus.MUTED else self.resolved()


class FailureGroup(models.Model):
    """All failures of one cause, told apart by their fingerprint.

    The ledger counts each failed job in, in the transaction that writes it. What the first one was
    stays: exception, message without the values in it, place, definition and queue.
    """

    fingerprint = models.CharField(max_length=32, primary_key=True, editable=False)
    exception_class = models.CharField(max_length=200, blank=True)
    message = models.TextField(
        blank=True, help_text="The first line of the message, with ? for each value in it."
    )
    site = models.CharField(
        max_length=300, blank=True, help_text="The innermost frame of the site's own code."
    )
    definition = models.CharField(max_length=200, help_text="Of the first of these failures.")
    queue = models.CharField(max_length=64, help_text="Of the first of these failures.")
    release = models.CharField(
        max_length=100,
        blank=True,
        db_default="",
        help_text="The site's JOBS_RELEASE where failures opened it, at first or again.",
    )
    count = models.PositiveBigIntegerField(
        default=0, help_text="All failures ever, also those that were forgotten since."
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    status = models.CharField(max_length=8, choices=GroupStatus.choices, default=GroupStatus.OPEN)
    opening = models.UUIDField(
        null=True, editable=False, help_text="Names the latest time that failures opened it."
    )
    reopened = models.PositiveIntegerField(
        default=0, help_text="How often it failed again after it was resolved."
    )
    muted_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(
        null=True, blank=True, help_text="The latest time; kept when it fails again."
    )
    resolved_by = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True)

    objects = FailureGroupQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("retry_failuregroup", "Can retry all failed jobs of a failure group"),
            ("forget_failuregroup", "Can forget all failed jobs of a failure group"),
            ("resolve_failuregroup", "Can resolve failure groups"),
            ("reopen_failuregroup", "Can reopen resolved failure groups"),
            ("mute_failuregroup", "Can mute and unmute failure groups"),
            ("note_failuregroup", "Can write the note of a failure group"),
        )
        ordering = ("-last_seen", "-fingerprint")
        constraints = (
            models.CheckConstraint(
                condition=~Q(status=GroupStatus.RESOLVED) | Q(resolved_at__isnull=False),
                name="jobs_group_resolved_at",
            ),
        )
        indexes = (
            models.Index(F("last_seen").desc(), F("fingerprint").desc(), name="jobs_group_seen"),
            models.Index(
                "status", F("last_seen").desc(), F("fingerprint").desc(), name="jobs_group_status"
            ),
            models.Index("exception_class", F("last_seen").desc(), name="jobs_group_exception"),
        )

    def __str__(self) -> str:
        return f"{self.short_exception or self.short_name} {self.fingerprint[:8]}"

    @property
    def short_exception(self) -> str:
        return self.exception_class.rpartition(".")[2]

    @property
    def short_name(self) -> str:
        return self.definition.rpartition(".")[2]

    @property
    def title(self) -> str:
        """The exception and its message, on one line."""
        return f"{self.exception_class}: {self.message}".strip(": ")

    def standing(self, now: dt.datetime) -> GroupStatus:
        """Its status at this moment: a mute that is over leaves it open."""
        is_over = self.muted_until is not None and self.muted_until <= now
        if self.status == GroupStatus.MUTED and is_over:
            return GroupStatus.OPEN
        return GroupStatus(self.status)
