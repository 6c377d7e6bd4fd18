from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone


class Period(models.TextChoices):
    DAILY = "daily", "Daily"
    WEEKLY = "weekly", "Weekly"
    MONTHLY = "monthly", "Monthly"


class UsageTotals(models.Model):
    """What the messages of one period add up to.

    `date` is the period's first day in the site's time zone; weeks begin on Monday. `total_cost`
    is the sum of the priced messages; `unpriced_requests` and `pending_requests` say how many
    are missing from it.
    """

    period = models.CharField(max_length=10, choices=Period)
    date = models.DateField()
    total_requests = models.PositiveBigIntegerField(default=0)
    pending_requests = models.PositiveBigIntegerField(default=0)
    unpriced_requests = models.PositiveBigIntegerField(default=0)
    total_cost = models.DecimalField(max_digits=24, decimal_places=12, default=Decimal(0))
    currency = models.CharField(max_length=3, default="USD")
    total_tokens = models.PositiveBigIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    provider_breakdown: models.JSONField[Any, Any] = models.JSONField(default=dict)
    model_breakdown: models.JSONField[Any, Any] = models.JSONField(default=dict)
    incomplete = models.BooleanField(
        default=False,
        help_text="Made after messages of this period had been archived, so that they are missing.",
    )
    generated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class UsageAnalytics(UsageTotals):
    """All users together."""

    unique_users = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "usage by period"
        verbose_name_plural = "usage by period"
        ordering = ("-date", "period")
        constraints = (
            models.UniqueConstraint(fields=("period", "date"), name="analytics_one_row_a_period"),
        )
        indexes = (models.Index(fields=("-date", "period"), name="analytics_usage_by_date"),)
        permissions = (("generate_analytics", "Can generate analytics"),)

    def __str__(self) -> str:
        return f"{self.get_period_display()} {self.date:%Y-%m-%d}"


class UserAnalyticsQuerySet(models.QuerySet["UserAnalytics"]):
    def orphaned(self) -> UserAnalyticsQuerySet:
        """Those whose user is gone, which the database forbids but a raw load can do."""
        users = get_user_model()._default_manager.filter(pk=OuterRef("user_id"))
        return self.filter(~Exists(users))


class UserAnalytics(UsageTotals):
    """One user's share."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="usage_analytics"
    )
    conversations = models.PositiveIntegerField(default=0)

    objects = UserAnalyticsQuerySet.as_manager()

    class Meta:
        verbose_name = "usage by user"
        verbose_name_plural = "usage by user"
        ordering = ("-date", "period", "user")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "period", "date"), name="analytics_one_row_a_user_and_period"
            ),
        )
        indexes = (models.Index(fields=("-date", "period"), name="analytics_user_by_date"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.get_period_display()} {self.date:%Y-%m-%d}"
