"""JobSchedule: a rule that enqueues a job at its times. ScheduleSlot: each time, once."""

from __future__ import annotations

import datetime as dt

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class ScheduleKind(models.TextChoices):
    CRON = "cron", "Cron expression"
    INTERVAL = "interval", "Interval"
    ONCE = "once", "Once"


class GapRule(models.TextChoices):
    """A local time that does not exist on the day the clocks go forward."""

    NEXT_VALID = "next_valid", "Run at the next valid time"
    SKIP = "skip", "Skip"


class OverlapRule(models.TextChoices):
    """A local time that exists twice on the day the clocks go back."""

    ONCE = "once", "Run once"
    TWICE = "twice", "Run twice"


class MissedRule(models.TextChoices):
    """Times that passed while nothing could enqueue them."""

    SKIP = "skip", "Skip them"
    ONCE = "once", "Run the latest one"
    ALL = "all", "Run all, up to the limit"


class JobScheduleQuerySet(models.QuerySet["JobSchedule"]):
    """Which schedules."""

    def enabled(self) -> JobScheduleQuerySet:
        return self.filter(enabled=True)

    def due(self, now: dt.datetime) -> JobScheduleQuerySet:
        return self.enabled().filter(next_run_at__lte=now)

    def declared(self) -> JobScheduleQuerySet:
        return self.exclude(declared_as="")


class JobSchedule(models.Model):
    """A rule, kept in the database and edited in the admin, that enqueues a job at its times."""

    name = models.CharField(max_length=150, unique=True)
    definition = models.CharField(max_length=200, help_text="The job definition to enqueue.")
    arguments = models.JSONField(default=dict, blank=True, help_text='{"args": […], "kwargs": {…}}')
    kind = models.CharField(max_length=8, choices=ScheduleKind.choices, default=ScheduleKind.CRON)
    cron = models.CharField(
        max_length=150,
        blank=True,
        help_text="minute hour day month weekday; six fields start with the second.",
    )
    every = models.DurationField(
        null=True,
        blank=True,
        help_text="Such as 00:15:00 or 7 00:00:00 (days hours:minutes:seconds).",
    )
    run_at = models.DateTimeField(null=True, blank=True, help_text="For a schedule that runs once.")
    timezone = models.CharField(max_length=64, default="UTC")
    dst_gap = models.CharField(
        "in the gap",
        max_length=10,
        choices=GapRule.choices,
        default=GapRule.NEXT_VALID,
        help_text="When the clocks go forward and the local time does not exist.",
    )
    dst_overlap = models.CharField(
        "in the overlap",
        max_length=5,
        choices=OverlapRule.choices,
        default=OverlapRule.ONCE,
        help_text="When the clocks go back and the local time exists twice.",
    )
    missed = models.CharField(
        "missed runs",
        max_length=4,
        choices=MissedRule.choices,
        default=MissedRule.ONCE,
        help_text="What to do with times that passed while no cluster ran.",
    )
    missed_limit = models.PositiveIntegerField(
        default=100, help_text="With «run all»: at most so many of the latest."
    )
    grace = models.DurationField(
        default=dt.timedelta(minutes=1), help_text="A run that starts later than this was missed."
    )
    no_overlap = models.BooleanField(
        default=False, help_text="Skip a run while the previous one has not ended."
    )
    jitter = models.DurationField(
        default=dt.timedelta(0), help_text="Each run is delayed by a random time up to this."
    )
    starts_at = models.DateTimeField(null=True, blank=True, help_text="No run before this.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="No run after this.")
    queue = models.CharField(
        max_length=64, blank=True, help_text="Empty: the queue of the definition."
    )
    priority = models.SmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text="-100 to 100; empty: the priority of the definition.",
    )
    enabled = models.BooleanField(default=True)
    notes = models.TextField(blank=True)
    declared_as = models.CharField(
        max_length=150,
        blank=True,
        editable=False,
        help_text="Name of the declaration in code that created it.",
    )
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_slot_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(
        blank=True, editable=False, help_text="Why its latest time could not be enqueued."
    )
    retry_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="While it has an error: not tried again before this.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = JobScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = "schedule"
        permissions = (
            ("run_jobschedule", "Can run schedules now"),
            ("pause_jobschedule", "Can pause and resume schedules"),
        )
        ordering = ("name",)
        indexes = (
            models.Index("next_run_at", name="jobs_schedule_due", condition=Q(enabled=True)),
            models.Index("definition", name="jobs_schedule_definition"),
        )
        constraints = (
            models.CheckConstraint(
                name="jobs_schedule_priority",
                condition=Q(priority__isnull=True) | Q(priority__gte=-100, priority__lte=100),
            ),
            models.UniqueConstraint(
                "declared_as", name="jobs_schedule_declared", condition=~Q(declared_as="")
            ),
        )

    def __str__(self) -> str:
        return self.name


class DroppedDeclaration(models.Model):
    """A declared schedule that somebody deleted. It keeps the declaration in the code from
    creating it again at the next start."""

    name = models.CharField(max_length=150, primary_key=True)
    dropped_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class SlotOutcome(models.TextChoices):
    ENQUEUED = "enqueued", "Enqueued"
    MISSED = "missed", "Skipped: missed"
    OVERLAP = "overlap", "Skipped: the previous run has not ended"


class ScheduleSlot(models.Model):
    """One time of one schedule. Its uniqueness is what enqueues each time once, however many
    clusters run."""

    schedule = models.ForeignKey(JobSchedule, on_delete=models.CASCADE, related_name="slots")
    slot_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=SlotOutcome.choices)
    job = models.ForeignKey(
        "jobs.Job",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        ordering = ("-slot_at",)
        constraints = (models.UniqueConstraint("schedule", "slot_at", name="jobs_slot_once"),)
        indexes = (models.Index(F("slot_at").desc(), name="jobs_slot_at"),)

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.slot_at:%Y-%m-%d %H:%M:%S}"
