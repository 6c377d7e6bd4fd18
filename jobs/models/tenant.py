"""TenantShare: how many jobs a tenant has in each round of a queue that tenants share."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

MOST_WEIGHT = 100


class TenantShare(models.Model):
    """The weight of a tenant, on one queue or on all. A tenant without a row has the weight 1."""

    tenant = models.CharField(max_length=64, help_text="As the jobs name it.")
    queue = models.CharField(
        max_length=64, blank=True, default="", help_text="Empty is every queue without its own row."
    )
    weight = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MOST_WEIGHT)],
        help_text=f"1 to {MOST_WEIGHT}: so many of its jobs start in each round.",
    )
    notes = models.TextField(blank=True)

    class Meta:
        ordering = ("tenant", "queue")
        constraints = (
            models.UniqueConstraint(
                "tenant",
                "queue",
                name="jobs_tenantshare_once",
                violation_error_message="This tenant has a weight on this queue already.",
            ),
            models.CheckConstraint(
                name="jobs_tenantshare_weight", condition=Q(weight__gte=1, weight__lte=MOST_WEIGHT)
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant} on {self.queue}" if self.queue else self.tenant
