"""NotificationRule: who is told of failure groups. Notice: what a rule has told."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import capfirst

from jobs.failures.rules import Rule, fault_of_cooldown, fault_of_target
from jobs.models.failure_group import FailureGroup
from jobs.models.states import Channel


class NotificationRuleQuerySet(models.QuerySet["NotificationRule"]):
    """Which rules."""

    def enabled(self) -> NotificationRuleQuerySet:
        return self.filter(enabled=True)


class NotificationRule(models.Model):
    """One recipient of notifications, and of what. Edited in the admin."""

    name = models.CharField(max_length=100, unique=True)
    enabled = models.BooleanField(default=True)
    channel = models.CharField(max_length=7, choices=Channel.choices, default=Channel.MAIL)
    target = models.CharField(
        max_length=500,
        blank=True,
        help_text="Mail: addresses, with commas between. Webhook: a URL that takes Slack's "
        "messages; it is a secret. Log: the name of a logger, jobs.notify if empty.",
    )
    queue = models.CharField(
        max_length=64, blank=True, help_text="Only groups with failures on this queue."
    )
    definition = models.CharField(
        max_length=200, blank=True, help_text="Only groups with failures of this definition."
    )
    cooldown = models.DurationField(
        "cool-down",
        default=dt.timedelta(hours=1),
        help_text="At most one message about the same group in this time: hours:minutes:seconds.",
    )

    objects = NotificationRuleQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        faults = {
            "target": fault_of_target(self.channel, self.target),
            "cooldown": fault_of_cooldown(self.cooldown),
        }
        if any(faults.values()):
            raise ValidationError(
                {field: f"{capfirst(fault)}." for field, fault in faults.items() if fault}
            )

    @property
    def key(self) -> str:
        """By which notices know it."""
        return f"rule:{self.pk}"

    def as_rule(self) -> Rule:
        return Rule(
            key=self.key,
            name=self.name,
            channel=self.channel,
            target=self.target,
            queue=self.queue,
            definition=self.definition,
            cooldown=self.cooldown,
        )


class Notice(models.Model):
    """What a rule was last told of a group. Its row is the lock that keeps to the cool-down."""

    rule = models.CharField(max_length=120, help_text="The key of a rule, also of one in settings.")
    group = models.ForeignKey(
        FailureGroup,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="notices",
    )
    opening = models.UUIDField(null=True, help_text="The opening of the group that it is about.")
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    recovered_at = models.DateTimeField(null=True, help_text="When the recovery was told.")

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("group", "rule"), name="jobs_notice_once"),)

    def __str__(self) -> str:
        return f"{self.rule}: {self.group_id}"
