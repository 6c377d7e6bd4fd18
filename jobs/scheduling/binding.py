"""From the row of a schedule to its rule; what is wrong with it is told field by field."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from jobs.conf import settings as conf
from jobs.dispatch import NewJob, new_job_from
from jobs.exceptions import (
    EncryptionUnavailable,
    InvalidArguments,
    InvalidDefinition,
    InvalidOption,
    UnknownDefinition,
)
from jobs.models import JobSchedule, ScheduleKind
from jobs.registry import find

from .bounds import BoundedRule
from .rules import (
    CronRule,
    DstGap,
    DstOverlap,
    IntervalRule,
    OnceRule,
    Rule,
    RuleError,
    Slot,
    next_slot,
    upcoming,
)

ZERO = dt.timedelta(0)
FIELD_OF_KIND = {
    ScheduleKind.CRON: "cron",
    ScheduleKind.INTERVAL: "every",
    ScheduleKind.ONCE: "run_at",
}
# The field of the schedule that holds what the rules call otherwise.
_FIELD_OF_RULE = {
    "gap": "dst_gap",
    "overlap": "dst_overlap",
    "at": "run_at",
    "anchor": "starts_at",
    "start": "starts_at",
    "end": "ends_at",
}
RUNS_COMPARED = 50
LONGEST_GRACE = dt.timedelta(days=36_525)
YEARS = range(2, 9999)
"""A moment of the first or the last year may not exist in another time zone."""


def rule_of(schedule: JobSchedule) -> Rule:
    """When this schedule runs, within its `starts_at` and `ends_at`.

    An interval is counted from `starts_at`, else from the full second in which the schedule was
    created. Raises RuleError, whose `field` is a field of the schedule.
    """
    try:
        rule = _rule_of(schedule)
        if schedule.starts_at or schedule.ends_at:
            return BoundedRule(rule, schedule.starts_at, schedule.ends_at)
        return rule
    except RuleError as error:
        field = _FIELD_OF_RULE.get(error.field, error.field)
        raise RuleError(field, error.value, error.rule) from error


def _rule_of(schedule: JobSchedule) -> Rule:
    match schedule.kind:
        case ScheduleKind.CRON:
            if not schedule.cron.strip():
                raise RuleError("cron", schedule.cron, "is needed for a cron schedule")
            return CronRule(schedule.cron, schedule.timezone, *_clock_changes(schedule))
        case ScheduleKind.INTERVAL:
            if schedule.every is None:
                raise RuleError("every", "", "is needed for an interval")
            return IntervalRule(
                schedule.every, anchor_of(schedule), schedule.timezone, *_clock_changes(schedule)
            )
        case ScheduleKind.ONCE:
            if schedule.run_at is None:
                raise RuleError("run_at", "", "is needed for a schedule that runs once")
            return OnceRule(schedule.run_at, schedule.timezone)
    raise RuleError("kind", schedule.kind, f"is not one of {', '.join(ScheduleKind.values)}")


def anchor_of(schedule: JobSchedule) -> dt.datetime:
    """The moment from which the runs of an interval are counted; now, for one not saved yet."""
    if schedule.starts_at:
        return schedule.starts_at
    created = schedule.created_at
    # Before it is saved this is the database's default, which is an expression.
    return (created if isinstance(created, dt.datetime) else timezone.now()).replace(microsecond=0)


def _clock_changes(schedule: JobSchedule) -> tuple[DstGap, DstOverlap]:
    try:
        return DstGap(schedule.dst_gap), DstOverlap(schedule.dst_overlap)
    except ValueError as error:
        gap_is_right = schedule.dst_gap in tuple(DstGap)
        field = "dst_overlap" if gap_is_right else "dst_gap"
        raise RuleError(field, getattr(schedule, field), str(error)) from error


def next_run(schedule: JobSchedule, after: dt.datetime) -> Slot:
    """The first run after a moment. Raises RuleError, also when there is none."""
    slot = next_slot(rule_of(schedule), after)
    if slot is None:
        field = FIELD_OF_KIND[ScheduleKind(schedule.kind)]
        bounds = f" (it ends at {schedule.ends_at})" if schedule.ends_at else ""
        raise RuleError(field, getattr(schedule, field), f"never runs after {after}{bounds}")
    return slot


def job_of(
    schedule: JobSchedule,
    slot_at: dt.datetime | None = None,
    due_at: dt.datetime | None = None,
) -> NewJob:
    """The job that a schedule enqueues for one of its times, to be inserted by the caller.

    Raises UnknownDefinition, InvalidArguments or InvalidOption.
    """
    return new_job_from(
        schedule.definition,
        schedule.arguments or {},
        queue=schedule.queue or None,
        priority=schedule.priority,
        due_at=due_at,
        schedule_id=schedule.pk,
        slot_at=slot_at,
    )


def validate(schedule: JobSchedule, now: dt.datetime | None = None) -> None:
    """See that the schedule can run, without touching the database.

    Raises ValidationError with a dict of messages for each field that breaks a rule. A schedule
    that is not enabled need not have a run after `now`, which is this moment unless given.
    """
    now = now or timezone.now()
    errors: dict[str, list[str]] = {}

    def refuse(field: str, value: Any, rule: str) -> None:
        errors.setdefault(field, []).append(f"{value!r}: {rule}" if value != "" else rule)

    if schedule.grace < ZERO:
        refuse("grace", str(schedule.grace), "must not be negative")
    if schedule.grace > LONGEST_GRACE:
        refuse("grace", str(schedule.grace), "must not be longer than a hundred years")
    if schedule.jitter < ZERO:
        refuse("jitter", str(schedule.jitter), "must not be negative")
    if schedule.missed_limit < 1:
        refuse("missed_limit", schedule.missed_limit, "must be at least 1")
    if schedule.priority is not None and not -100 <= schedule.priority <= 100:
        refuse("priority", schedule.priority, "must be from -100 to 100")
    if schedule.queue and schedule.queue not in conf.QUEUES:
        refuse("queue", schedule.queue, f"no pool serves it; known are {', '.join(conf.QUEUES)}")
    try:
        _check_years(schedule)
        rule = rule_of(schedule)
        if schedule.enabled:
            next_run(schedule, now)
        _check_jitter(schedule, rule, now)
    except RuleError as error:
        refuse(error.field, str(error.value), error.rule)
    _check_call(schedule, refuse)
    if errors:
        raise ValidationError(errors)


def _check_years(schedule: JobSchedule) -> None:
    for field in ("run_at", "starts_at", "ends_at"):
        moment = getattr(schedule, field)
        if moment is not None and moment.year not in YEARS:
            raise RuleError(field, moment, f"must be in a year from {YEARS[0]} to {YEARS[-1]}")


def _check_jitter(schedule: JobSchedule, rule: Rule, now: dt.datetime) -> None:
    runs = upcoming(rule, now, RUNS_COMPARED) if schedule.jitter > ZERO else []
    shortest = min((later.at - earlier.at for earlier, later in pairwise(runs)), default=None)
    if shortest is not None and schedule.jitter >= shortest:
        raise RuleError(
            "jitter", schedule.jitter, f"must be shorter than the time between two runs, {shortest}"
        )


def _check_call(schedule: JobSchedule, refuse: Any) -> None:
    definition = find(schedule.definition)
    if definition is not None and definition.internal and not schedule.declared_as:
        refuse("definition", schedule.definition, "serves other jobs and cannot be scheduled")
        return
    try:
        job_of(schedule)
    except (UnknownDefinition, EncryptionUnavailable) as error:
        refuse("definition", "", str(error))
    except InvalidArguments as error:
        refuse("arguments", "", f"{error.parameter}: {error.rule}")
    except InvalidDefinition as error:
        refuse("definition", "", str(error))
    except InvalidOption as error:
        if error.field not in ("queue", "priority"):
            refuse("arguments", "", str(error))
