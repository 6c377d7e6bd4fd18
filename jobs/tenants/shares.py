"""What people may do about the shares of tenants: give one another weight, or none of its own."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from jobs import audit
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.models import TenantShare
from jobs.models.tenant import MOST_WEIGHT


def set_weight(
    tenant: str,
    weight: int,
    actor: Actor,
    *,
    queue: str = "",
    notes: str | None = None,
    reason: str = "",
) -> TenantShare:
    """Let so many jobs of a tenant start in each round, of this queue or of all that have no weight
    of their own for it. Its notes stay unless they are given.

    Jobs that become ready from now on are placed by it; those that wait keep their turns. Raises
    InvalidOption naming the field, the value and the rule. Audited.
    """
    _check(tenant, weight, queue)
    with transaction.atomic(using=conf.DATABASE):
        rows = TenantShare.objects.using(conf.DATABASE)
        row, is_new = rows.select_for_update().get_or_create(
            tenant=tenant, queue=queue, defaults={"weight": weight, "notes": notes or ""}
        )
        before = None if is_new else facts_of(row)
        row.weight = weight
        row.notes = row.notes if notes is None else notes
        if is_new or facts_of(row) != before:
            row.save(using=conf.DATABASE)
            _record("set weight", row, actor, before, facts_of(row), reason)
    return row


def forget(tenant: str, actor: Actor, *, queue: str = "", reason: str = "") -> bool:
    """Give a tenant the weight of everybody again; return whether it had its own. Audited."""
    with transaction.atomic(using=conf.DATABASE):
        rows = TenantShare.objects.using(conf.DATABASE).filter(tenant=tenant, queue=queue)
        row = rows.select_for_update().first()
        if row is None:
            return False
        _record("forget weight", row, actor, facts_of(row), None, reason)
        row.delete()
    return True


def facts_of(row: TenantShare) -> dict[str, Any]:
    """For the audit log."""
    return {name: getattr(row, name) for name in ("tenant", "queue", "weight", "notes")}


def _record(action: str, row: TenantShare, actor: Actor, *told: Any) -> None:
    before, after, reason = told
    audit.record(actor, action, f"tenant {row}", 1, before, after, reason)


def _check(tenant: str, weight: int, queue: str) -> None:
    if not isinstance(tenant, str) or not 0 < len(tenant) <= 64 or "\x00" in tenant:
        raise InvalidOption("tenant", tenant, "must be text of 1 to 64 characters")
    is_whole = isinstance(weight, int) and not isinstance(weight, bool)
    if not is_whole or not 1 <= weight <= MOST_WEIGHT:
        raise InvalidOption("weight", weight, f"must be a whole number from 1 to {MOST_WEIGHT}")
    check_queue(queue)


def check_queue(queue: str) -> None:
    """Raises InvalidOption for one that tenants do not share."""
    if queue and queue not in conf.FAIR_QUEUES:
        fair = ", ".join(sorted(conf.FAIR_QUEUES)) or "none"
        raise InvalidOption("queue", queue, f"is not among JOBS_FAIR_QUEUES: {fair}")
