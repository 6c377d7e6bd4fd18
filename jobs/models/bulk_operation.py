"""BulkOperation: something done to many rows in batches, to be watched, stopped and resumed."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.models.states import (
    ACTIVE_OPERATION_STATES,
    HALTED_OPERATION_STATES,
    OperationKind,
    OperationState,
)


class BulkOperationQuerySet(models.QuerySet["BulkOperation"]):
    """Which operations."""

    def active(self) -> BulkOperationQuerySet:
        """Those that go on as soon as somebody advances them."""
        return self.filter(state__in=ACTIVE_OPERATION_STATES)

    def halted(self) -> BulkOperationQuerySet:
        """Those that go on once they are resumed."""
        return self.filter(state__in=HALTED_OPERATION_STATES)


class BulkOperation(models.Model):
    """One order of an operator to do something to many rows.

    Where it stands is in the row, written with each batch: whoever advances it may die at any
    moment, and another goes on behind `cursor` without doing anything twice.
    """

    kind = models.CharField(
        max_length=10, choices=OperationKind.choices, default=OperationKind.RETRY
    )
    scope = models.JSONField(help_text="Which rows; see failures/scope.py.")
    words = models.TextField(help_text="The same for people.")
    rate = models.PositiveIntegerField(
        null=True, blank=True, help_text="So many a second at the most; empty is no limit."
    )
    cursor = models.UUIDField(
        null=True, blank=True, help_text="The last failed job that was looked at."
    )
    bound = models.UUIDField(
        null=True, blank=True, help_text="The last failed job that there was at the start."
    )
    batch = models.PositiveSmallIntegerField(
        help_text="Rows in the next transaction: fewer where the last one was slow."
    )
    total = models.PositiveIntegerField(help_text="How many matched at the start.")
    total_is_capped = models.BooleanField(
        default=False, help_text="Whether there were more than were counted."
    )
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(
        default=0, help_text="Retried meanwhile by somebody else, or gone."
    )
    refused = models.JSONField(
        default=dict, blank=True, help_text="How many could not be retried, by the reason."
    )
    state = models.CharField(
        max_length=8, choices=OperationState.choices, default=OperationState.WAITING
    )
    error = models.TextField(blank=True, help_text="What broke it, if something did.")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_by_name = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    audit_entry = models.ForeignKey(
        "jobs.AuditEntry", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="When its first batch was asked for."
    )
    advanced_at = models.DateTimeField(
        null=True, blank=True, help_text="Up to when the rate has given leave."
    )
    allowance = models.FloatField(
        default=0, help_text="What the rate has given leave for and was not used."
    )
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ended, was stopped or broke."
    )

    objects = BulkOperationQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (("stop_bulkoperation", "Can stop bulk operations"),)
        ordering = ("-id",)
        indexes = (
            models.Index(
                F("id"),
                name="jobs_bulk_active",
                condition=Q(state__in=ACTIVE_OPERATION_STATES),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}: {self.words}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_OPERATION_STATES

    @property
    def is_halted(self) -> bool:
        return self.state in HALTED_OPERATION_STATES

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())

    @property
    def looked_at(self) -> int:
        """How many rows it is through with."""
        return self.done + self.skipped + self.refused_count

    @property
    def progress(self) -> dict[str, object]:
        """As `Job.progress`: the total is missing where it is not known."""
        known = not self.total_is_capped
        return {"done": self.looked_at, "total": max(self.total, self.looked_at) if known else None}

    def remaining(self, now: dt.datetime) -> dt.timedelta | None:
        """How long it will go on at its rate or, without one, at the pace so far; None where
        nobody can tell."""
        if not self.is_active or self.total_is_capped or self.started_at is None:
            return None
        left = max(self.total - self.looked_at, 0)
        spent = (now - self.started_at).total_seconds()
        pace = self.rate or (self.looked_at / spent if spent > 0 else 0)
        return dt.timedelta(seconds=left / pace) if pace else None
