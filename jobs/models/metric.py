"""JobMetric: what happened to the jobs of a definition on a queue in a minute, an hour, a day, and
ever."""

from __future__ import annotations

import datetime as dt

from django.db import models


class MetricLevel(models.TextChoices):
    """How long the stretch is that a metric tells of. Days are those of UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    EVER = "ever"
    """All there was, in one row that only grows: what counters are read from."""


LENGTHS = {
    MetricLevel.MINUTE: dt.timedelta(minutes=1),
    MetricLevel.HOUR: dt.timedelta(hours=1),
    MetricLevel.DAY: dt.timedelta(days=1),
}


class JobMetric(models.Model):
    """The figures of one stretch. There is no row for a stretch in which nothing happened."""

    level = models.CharField(max_length=6, choices=MetricLevel.choices)
    at = models.DateTimeField(help_text="When the stretch begins.")
    queue = models.CharField(max_length=64)
    definition = models.CharField(max_length=200)
    enqueued = models.PositiveBigIntegerField(default=0)
    succeeded = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0, help_text="For good.")
    cancelled = models.PositiveBigIntegerField(default=0)
    retried = models.PositiveBigIntegerField(
        default=0, help_text="Attempts that failed, and whose job went on."
    )
    wait = models.JSONField(default=dict, help_text="Histogram: from ready to the last attempt.")
    run = models.JSONField(default=dict, help_text="Histogram: of the last attempt.")
    wait_seconds = models.FloatField(default=0, help_text="All waits together.")
    run_seconds = models.FloatField(default=0, help_text="All runs together.")

    class Meta:
        default_permissions = ("view",)
        verbose_name = "metric"
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint("level", "at", "queue", "definition", name="jobs_metric_once"),
        )
        indexes = (
            models.Index("level", "queue", "at", name="jobs_metric_queue"),
            models.Index("level", "definition", "at", name="jobs_metric_definition"),
        )

    def __str__(self) -> str:
        return f"{self.definition} on {self.queue}, {self.level} of {self.at}"


class MetricMark(models.Model):
    """Up to when the metrics of a level are complete."""

    level = models.CharField(max_length=6, choices=MetricLevel.choices, primary_key=True)
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.level} until {self.until}"
