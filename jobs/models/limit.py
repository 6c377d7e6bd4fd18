"""Limits: how many jobs may run at once, or start in a period, for each key; who holds a place, and
who waits for one."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.limits.kinds import LimitKind
from jobs.models.job import Job


class Limit(models.Model):
    """A limit by its name, which code refers to and an operator may change while jobs run."""

    name = models.CharField(max_length=100, primary_key=True)
    kind = models.CharField(max_length=11, choices=LimitKind.choices)
    amount = models.PositiveIntegerField(
        validators=[MinValueValidator(1)],
        help_text="Jobs at once, starts in a period, or exceptions in a row, for each key.",
    )
    period = models.DurationField(
        null=True,
        blank=True,
        help_text="Of starts, or for how long a breaker is open: 00:01:00 is a minute.",
    )
    burst = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of a steady rate: how many may start at once after a pause; else the amount.",
    )
    declared = models.JSONField(
        null=True, blank=True, editable=False, help_text="What the code says."
    )
    changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When an operator last changed it."
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    notes = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view", "change")
        permissions = (("release_limit", "Can release places that jobs hold"),)
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(name="jobs_limit_amount", condition=Q(amount__gte=1)),
            models.CheckConstraint(
                name="jobs_limit_period",
                condition=Q(kind="concurrency", period__isnull=True)
                | (~Q(kind="concurrency") & Q(period__gt=dt.timedelta(0))),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_of_starts(self) -> bool:
        """Whether it counts starts, and not jobs at once."""
        return self.kind != LimitKind.CONCURRENCY


class LimitKey(models.Model):
    """One of the things that a limit is kept for, such as a customer, and what was counted of it.

    Its row lock puts those in order who take, free and wait for its places.
    """

    limit = models.ForeignKey(Limit, on_delete=models.CASCADE, related_name="keys")
    key = models.CharField(max_length=200, blank=True)
    counted_from = models.BigIntegerField(
        default=0, help_text="Microseconds since the epoch: the window that the counts belong to."
    )
    spent = models.FloatField(default=0, help_text="Starts in the window, or tokens used up.")
    spent_before = models.FloatField(default=0, help_text="Starts in the window before.")
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    wake_at = models.DateTimeField(
        null=True, help_text="When there may be room again for who waits; empty if nobody does."
    )

    class Meta:
        default_permissions = ()
        ordering = ("limit", "key")
        constraints = (models.UniqueConstraint("limit", "key", name="jobs_limitkey_once"),)
        indexes = (
            models.Index("made_at", name="jobs_limitkey_made"),
            models.Index("wake_at", name="jobs_limitkey_wake", condition=Q(wake_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.limit_id}: {self.key}" if self.key else self.limit_id


class LimitSlot(models.Model):
    """A place that a running job holds, freed with the end of its attempt, whatever that is."""

    limit_key = models.ForeignKey(LimitKey, on_delete=models.CASCADE, related_name="slots")
    job = models.ForeignKey(
        Job, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    fence = models.PositiveIntegerField(help_text="The claim that holds it.")
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="When it counts no more, at the latest.")

    class Meta:
        default_permissions = ("view",)
        ordering = ("id",)
        constraints = (models.UniqueConstraint("job", "limit_key", name="jobs_limitslot_once"),)

    def __str__(self) -> str:
        return f"{self.limit_key_id} by {self.job_id}"


class LimitWait(models.Model):
    """A job that waits for room. It is blocked until it is woken; from then on a place is kept for
    it, for a while, so that no newcomer is quicker."""

    job = models.OneToOneField(
        Job,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="limit_wait",
    )
    limit_key = models.ForeignKey(
        LimitKey, on_delete=models.CASCADE, db_index=False, related_name="waits"
    )
    claim_rank = models.BigIntegerField()
    cost = models.FloatField(default=1)
    since = models.DateTimeField()
    woken_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("limit_key", "claim_rank", "job")
        indexes = (
            models.Index(
                "limit_key",
                "claim_rank",
                "job",
                name="jobs_limitwait_order",
                condition=Q(woken_at__isnull=True),
            ),
            models.Index(
                "limit_key", name="jobs_limitwait_woken", condition=Q(woken_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id} for {self.limit_key_id}"
