"""When a schedule runs next: worked out whenever one is saved, in the admin or in Python.

`QuerySet.update()`, `bulk_update()` and `bulk_create()` send no signal. A row that they leave
enabled without a `next_run_at` is planned by the next tick; so set `next_run_at` to None in an
update that changes the rule.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models.functions import Now
from django.db.models.signals import post_save, pre_save

from jobs.ledger import ledger
from jobs.models import JobSchedule

from .binding import next_run
from .rules import RuleError

RULE_FIELDS = frozenset(
    (
        "enabled",
        "kind",
        "cron",
        "every",
        "run_at",
        "timezone",
        "dst_gap",
        "dst_overlap",
        "starts_at",
        "ends_at",
    )
)
CALL_FIELDS = frozenset(("definition", "arguments", "queue", "priority"))
# What the tick writes: a save must not put back what it has read before the tick.
PLAN_FIELDS = ("next_run_at", "last_slot_at", "last_error", "retry_at")


def plan(schedule: JobSchedule, now: dt.datetime) -> None:
    """Set the schedule's next run to the first one after `now`, or to None if it is not enabled.

    What was due before is given up. Raises RuleError, also when no run is left.
    """
    schedule.next_run_at = next_run(schedule, now).at if schedule.enabled else None
    schedule.retry_at = None
    schedule.last_error = ""


def plan_before_save(
    sender: type[JobSchedule],
    instance: JobSchedule,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Plan a schedule that is new, enabled again or has another rule.

    Otherwise the plan stays as it is in the database, whatever the instance says; where the job
    to enqueue has changed, a schedule in error is tried again at once. Raises ValidationError for
    a rule that cannot be planned.
    """
    if raw:
        return
    stored = None if instance._state.adding else _stored(instance, using)
    if stored is None:
        now = _now(using)
        if not isinstance(instance.created_at, dt.datetime):
            instance.created_at = now
    else:
        now = stored.now
    written = RULE_FIELDS | CALL_FIELDS if update_fields is None else update_fields
    if stored is None or _changed(stored, instance, RULE_FIELDS & written):
        try:
            plan(instance, now)
        except RuleError as error:
            raise ValidationError({error.field: f"{error.value!s}: {error.rule}"}) from error
    else:
        for field in PLAN_FIELDS:
            setattr(instance, field, getattr(stored, field))
        if _changed(stored, instance, CALL_FIELDS & written):
            instance.retry_at = None


def store_plan_after_save(
    sender: type[JobSchedule],
    instance: JobSchedule,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Write the plan also where the caller has named the fields to write, without these."""
    if raw or update_fields is None or set(PLAN_FIELDS) <= update_fields:
        return
    if update_fields & (RULE_FIELDS | CALL_FIELDS):
        values = {field: getattr(instance, field) for field in PLAN_FIELDS}
        sender._base_manager.using(using).filter(pk=instance.pk).update(**values)


def connect() -> None:
    """Have every save of a schedule planned."""
    pre_save.connect(plan_before_save, sender=JobSchedule, dispatch_uid="jobs.plan")
    post_save.connect(store_plan_after_save, sender=JobSchedule, dispatch_uid="jobs.plan")


def _changed(stored: Any, instance: JobSchedule, fields: frozenset[str]) -> bool:
    return any(getattr(stored, field) != getattr(instance, field) for field in fields)


def _stored(instance: JobSchedule, using: str) -> Any:
    rows = JobSchedule._base_manager.using(using).filter(pk=instance.pk).annotate(now=Now())
    # Inside a transaction the tick has to wait until the save is committed.
    if connections[using].in_atomic_block:
        rows = rows.select_for_update()
    return rows.first()


def _now(using: str) -> dt.datetime:
    return ledger(connections[using]).now()
