"""When a django-q2 schedule runs: its types as our rules, and the time that they count from.

django-q2 adds its period to the last run, so that a run that had to move takes all later ones with
it: the 31st becomes the 28th for ever, and 02:30 stays 01:30 after a night without a 02:30. Here
days, weeks, months and years count from the schedule's first time, which `DjangoQ2Anchor` keeps.
"""

from __future__ import annotations

import datetime as dt

from django_q.conf import Conf
from django_q.models import Schedule

from jobs.conf import settings
from jobs.django_q2.schedule_arguments import MalformedSchedule
from jobs.models import DjangoQ2Anchor
from jobs.scheduling.cron import with_seconds_first
from jobs.scheduling.rules import (
    CalendarIntervalRule,
    CronRule,
    IntervalRule,
    Rule,
    RuleError,
    next_slot,
)

DAYS = {Schedule.DAILY: 1, Schedule.WEEKLY: 7, Schedule.BIWEEKLY: 14}
MONTHS = {
    Schedule.MONTHLY: 1,
    Schedule.BIMONTHLY: 2,
    Schedule.QUARTERLY: 3,
    Schedule.YEARLY: 12,
}


def first_run_of(schedule: Schedule) -> dt.datetime:
    """The time that the schedule counts from: the remembered one, or its `next_run` where that is
    new or was set by hand."""
    anchors = DjangoQ2Anchor.objects.using(settings.DATABASE)
    anchor = anchors.filter(pk=schedule.pk, next_run=schedule.next_run).first()
    return anchor.first_run if anchor is not None else schedule.next_run


def remember(schedule: Schedule, first_run: dt.datetime, next_run: dt.datetime) -> None:
    """Keep the first time of a schedule whose period is one of the calendar; no other needs it."""
    if schedule.schedule_type in DAYS or schedule.schedule_type in MONTHS:
        DjangoQ2Anchor.objects.using(settings.DATABASE).update_or_create(
            schedule_id=schedule.pk, defaults={"first_run": first_run, "next_run": next_run}
        )


def rule_of(schedule: Schedule, first_run: dt.datetime) -> Rule:
    """The schedule's type as a rule in the time zone of the cluster.

    Minutes and hours are elapsed time. Raises MalformedSchedule.
    """
    kind, zone = schedule.schedule_type, Conf.TIME_ZONE
    try:
        if kind == Schedule.CRON:
            return CronRule(with_seconds_first(schedule.cron or ""), timezone=zone)
        if kind in DAYS:
            return IntervalRule(dt.timedelta(days=DAYS[kind]), first_run, timezone=zone)
        if kind in MONTHS:
            return CalendarIntervalRule(MONTHS[kind], first_run, timezone=zone)
        if kind in (Schedule.MINUTES, Schedule.HOURLY):
            minutes = 60 if kind == Schedule.HOURLY else schedule.minutes or 1
            # In UTC, since whole days in another zone would keep that zone's wall clock.
            return IntervalRule(dt.timedelta(minutes=minutes), first_run, timezone="UTC")
    except RuleError as error:
        raise MalformedSchedule(error.field, error.value, error.rule) from error
    raise MalformedSchedule("schedule_type", kind, "is not a type of django-q2")


def run_after(schedule: Schedule, first_run: dt.datetime, now: dt.datetime) -> dt.datetime:
    """The run that follows the one at `next_run`: the very next with `catch_up`, else the first
    that is still to come, as always for cron. Raises MalformedSchedule."""
    catches_up = Conf.CATCH_UP and schedule.schedule_type != Schedule.CRON
    after = schedule.next_run if catches_up else max(schedule.next_run, now)
    slot = next_slot(rule_of(schedule, first_run), after)
    if slot is None:
        raise MalformedSchedule("next_run", schedule.next_run, "has no run after it")
    return slot.at
