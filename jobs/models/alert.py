"""AlertRule: what is to be watched, and who is told. Alert: one time that it was out of bounds."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.text import capfirst

from jobs.failures.rules import Rule, fault_of_cooldown, fault_of_target
from jobs.models.schedule import JobSchedule
from jobs.models.states import Channel


class AlertKind(models.TextChoices):
    """What a rule watches."""

    WAIT = "wait", "Long wait: seconds that the oldest ready job has waited"
    DEPTH = "depth", "Depth: ready jobs of a queue"
    FAILURES = "failures", "Failure rate: percent of the jobs that ended in the window"
    WORKERS = "workers", "Workers: fewer live workers than this"
    SCHEDULE = "schedule", "Schedule: seconds that a run is late, or the last success is ago"
    SLOW = "slow", "Slow job: times the p95 of its definition's last day"


QUEUE_KINDS = (AlertKind.WAIT, AlertKind.DEPTH, AlertKind.FAILURES, AlertKind.WORKERS)
DEFINITION_KINDS = (AlertKind.FAILURES, AlertKind.SLOW)


class AlertRuleQuerySet(models.QuerySet["AlertRule"]):
    """Which rules."""

    def enabled(self) -> AlertRuleQuerySet:
        return self.filter(enabled=True)


class AlertRule(models.Model):
    """One thing to watch. Without a filter it watches each queue, definition or schedule by
    itself."""

    name = models.CharField(max_length=100, unique=True)
    enabled = models.BooleanField(default=True)
    kind = models.CharField(max_length=8, choices=AlertKind.choices)
    limit = models.FloatField(
        validators=[MinValueValidator(0)],
        help_text="Seconds, jobs, percent, workers, or times, by the kind. Above it there is an "
        "alert; of workers below it.",
    )
    queue = models.CharField(max_length=64, blank=True, help_text="Only this queue.")
    definition = models.CharField(max_length=200, blank=True, help_text="Only this definition.")
    schedule = models.ForeignKey(
        JobSchedule, null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        help_text="Only this schedule.",
    )  # fmt: skip
    window = models.DurationField(
        default=dt.timedelta(minutes=15), help_text="Of a failure rate: hours:minutes:seconds."
    )
    channel = models.CharField(max_length=7, choices=Channel.choices, default=Channel.MAIL)
    target = models.CharField(
        max_length=500,
        blank=True,
        help_text="Mail: addresses, with commas between. Webhook: a URL that takes Slack's "
        "messages; it is a secret. Log: the name of a logger, jobs.notify if empty.",
    )
    cooldown = models.DurationField(
        "cool-down",
        default=dt.timedelta(hours=1),
        help_text="At most one alert about the same thing in this time: hours:minutes:seconds.",
    )

    objects = AlertRuleQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        faults = {
            "target": fault_of_target(self.channel, self.target),
            "cooldown": fault_of_cooldown(self.cooldown),
            "queue": "" if not self.queue or self.kind in QUEUE_KINDS else "is of no use here",
            "definition": (
                "" if not self.definition or self.kind in DEFINITION_KINDS else "is of no use here"
            ),
            "schedule": (
                "" if self.schedule is None or self.kind == AlertKind.SCHEDULE
                else "is of no use here"
            ),
            "window": (
                "" if self.window and self.window > dt.timedelta(0) else "must be more than 0"
            ),
        }  # fmt: skip
        if any(faults.values()):
            raise ValidationError(
                {field: f"{capfirst(fault)}." for field, fault in faults.items() if fault}
            )

    def as_rule(self) -> Rule:
        """As what messages are sent by."""
        return Rule(
            key=f"alert:{self.pk}",
            name=self.name,
            channel=self.channel,
            target=self.target,
            cooldown=self.cooldown,
        )


class AlertQuerySet(models.QuerySet["Alert"]):
    """Which alerts."""

    def open(self) -> AlertQuerySet:
        return self.filter(closed_at__isnull=True)


class Alert(models.Model):
    """A stretch of time in which a queue, a definition or a schedule was out of bounds."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="alerts")
    subject = models.CharField(max_length=200, help_text="Such as a queue.")
    text = models.CharField(max_length=500, help_text="The latest finding.")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it was last found so.")
    told_at = models.DateTimeField(null=True, help_text="Empty within the cool-down.")
    closed_at = models.DateTimeField(null=True)
    recovery_told_at = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                "rule", "subject", name="jobs_alert_open_once", condition=Q(closed_at__isnull=True)
            ),
        )
        indexes = (models.Index("closed_at", name="jobs_alert_closed"),)

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.subject}"
