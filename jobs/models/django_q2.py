"""DjangoQ2Anchor: the time that a recurring django-q2 schedule counts from."""

from __future__ import annotations

from django.db import models


class DjangoQ2Anchor(models.Model):
    """What django-q2's `Schedule` has no column for: its first time.

    From its `next_run` alone, a monthly schedule of the 31st that has just run on 28 February, or a
    daily one of 02:30 that ran at 03:30 on the day without a 02:30, cannot find its way back.
    """

    schedule_id = models.PositiveBigIntegerField(
        primary_key=True,
        help_text="Key of the django-q2 schedule; without a constraint, as that "
        "table may lie in another database.",
    )
    first_run = models.DateTimeField(help_text="The time whose day and hour all later ones keep.")
    next_run = models.DateTimeField(
        help_text="What was computed last. Where the schedule has another, somebody has set it, "
        "and it counts from there."
    )

    class Meta:
        default_permissions = ()
        verbose_name = "anchor of a django-q2 schedule"
        verbose_name_plural = "anchors of django-q2 schedules"

    def __str__(self) -> str:
        return f"django-q2 schedule {self.schedule_id} from {self.first_run:%Y-%m-%d %H:%M}"
