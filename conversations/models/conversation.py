from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def active(self) -> ConversationQuerySet:
        """Those whose messages are in the database."""
        return self.filter(archived_at__isnull=True)

    def archived(self) -> ConversationQuerySet:
        """Those whose messages are in the archive's file."""
        return self.filter(archived_at__isnull=False)

    def idle_since(self, moment: datetime) -> ConversationQuerySet:
        """Not archived, and unchanged since before `moment`: the cleanup archives these."""
        return self.active().filter(updated_at__lt=moment)

    def archived_before(self, moment: datetime) -> ConversationQuerySet:
        """Archived before `moment`: the cleanup deletes these."""
        return self.archived().filter(archived_at__lt=moment)

    def touching(self, start: datetime, end: datetime) -> ConversationQuerySet:
        """With at least one message at or after `start`, and one before `end`."""
        return self.filter(last_message_at__gte=start, first_message_at__lt=end)


class Conversation(models.Model):
    """Calls that continue one another, with what they cost together.

    `total_cost` is the sum of the priced messages alone. `unpriced_messages` and
    `pending_messages` say how many are missing from it.
    """

    title = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="conversations",
    )
    source_key = models.CharField(  # noqa: DJ001 - null, as many come from no import
        max_length=200,
        null=True,
        unique=True,
        editable=False,
        help_text="What an import knows it by: the provider's own id, or its first call.",
    )
    message_count = models.PositiveIntegerField(default=0, editable=False)
    pending_messages = models.PositiveIntegerField(default=0, editable=False)
    unpriced_messages = models.PositiveIntegerField(default=0, editable=False)
    total_cost = models.DecimalField(
        max_digits=24, decimal_places=12, default=Decimal(0), editable=False
    )
    currency = models.CharField(max_length=3, default="USD", editable=False)
    first_message_at = models.DateTimeField(null=True, editable=False)
    last_message_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="Last time that messages came in. Costing and archiving leave it alone.",
    )
    archived_at = models.DateTimeField(null=True, editable=False)
    archive_path = models.CharField(max_length=200, blank=True, editable=False)
    archive_sha256 = models.CharField(max_length=64, blank=True, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ("-last_message_at", "-id")
        indexes = (
            models.Index(fields=("-last_message_at", "-id"), name="conv_by_last_message"),
            models.Index(fields=("user", "-last_message_at"), name="conv_by_user"),
            models.Index(fields=("-total_cost",), name="conv_by_cost"),
            models.Index(
                fields=("-last_message_at", "-id"),
                condition=Q(unpriced_messages__gt=0),
                name="conv_with_unpriced",
            ),
            models.Index(
                fields=("-last_message_at", "-id"),
                condition=Q(pending_messages__gt=0),
                name="conv_with_pending",
            ),
            models.Index(
                fields=("updated_at",),
                condition=Q(archived_at__isnull=True),
                name="conv_active_by_update",
            ),
            models.Index(
                fields=("archived_at",),
                condition=Q(archived_at__isnull=False),
                name="conv_archived_by_time",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(archived_at__isnull=True)
                | (~Q(archive_path="") & ~Q(archive_sha256="")),
                name="conversations_archived_has_a_file",
            ),
        )
        permissions = (
            ("recalculate_cost", "Can recalculate costs"),
            ("archive_conversation", "Can archive conversations"),
            ("restore_conversation", "Can restore archived conversations"),
        )

    def __str__(self) -> str:
        return self.title or f"Conversation {self.pk}"

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def deletion_due(self, retention: timedelta) -> datetime | None:
        """When the cleanup deletes it: a second retention period after it was archived."""
        return None if self.archived_at is None else self.archived_at + retention


class ArchivedCall(models.Model):
    """A call whose message lies in an archive: an import must not bring it in again."""

    source_key = models.CharField(max_length=64, primary_key=True)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="archived_calls"
    )

    def __str__(self) -> str:
        return self.source_key
