"""What limits there are, how full they are, and who waits: for pages and commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count

from jobs.conf import settings as conf
from jobs.limits.kinds import LimitKind
from jobs.models import Limit, LimitKey, LimitSlot, LimitWait

SHOWN = 50
"""Holders and waiting jobs that the page of a limit names."""


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """A limit, and how things stand with it now."""

    name: str
    rule: str
    kind: str
    amount: int
    period: dt.timedelta | None
    burst: int | None
    keys: int
    held: int
    waiting: int
    changed_at: dt.datetime | None
    declared: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that has a place."""

    slot_id: int
    key: str
    job_id: UUID
    taken_at: dt.datetime
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits for room, or was woken just now."""

    key: str
    job_id: UUID
    since: dt.datetime
    wake_at: dt.datetime | None
    woken_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LimitWaitFacts:
    """What a blocked job waits for, and the jobs that hold it."""

    wait: LimitWait
    holders: list[UUID]


def limits(names: Iterable[str] | None = None) -> list[LimitFacts]:
    """All limits, or these, with their counts in four queries."""
    rows = Limit.objects.using(conf.DATABASE)
    if names is not None:
        rows = rows.filter(pk__in=list(names))
    keys = _counts(LimitKey, "limit")
    held = _counts(LimitSlot, "limit_key__limit")
    waiting = _counts(LimitWait, "limit_key__limit")
    return [
        LimitFacts(
            row.name, rule_of(row), row.kind, row.amount, row.period, row.burst,
            keys.get(row.name, 0), held.get(row.name, 0), waiting.get(row.name, 0),
            row.changed_at, row.declared,
        )
        for row in rows
    ]  # fmt: skip


def rule_of(limit: Limit) -> str:
    """What a limit allows, in words."""
    if limit.kind == LimitKind.CONCURRENCY or limit.period is None:
        return f"{limit.amount:,} at once"
    span = _span(limit.period)
    match limit.kind:
        case LimitKind.BREAKER:
            noun = "exception" if limit.amount == 1 else "exceptions in a row"
            return f"opens for {span} after {limit.amount:,} {noun}"
        case LimitKind.FIXED_WINDOW:
            return f"{limit.amount:,} in each {span} of the calendar"
        case LimitKind.SLIDING_WINDOW:
            return f"{limit.amount:,} in any {span}"
        case _:
            burst = limit.burst or limit.amount
            return f"{limit.amount:,} in {span} at a steady rate, up to {burst:,} at once"


def holders(name: str) -> list[Holder]:
    """Who has places in a limit, the longest first; the first 50."""
    rows = LimitSlot.objects.using(conf.DATABASE).filter(limit_key__limit=name)
    found = rows.order_by("taken_at", "pk").values_list(
        "pk", "limit_key__key", "job", "taken_at", "expires_at"
    )
    return [Holder(*row) for row in found[:SHOWN]]


def waiting_for(name: str) -> list[Waiting]:
    """Who waits for a limit, in the order in which they come; the first 50."""
    rows = LimitWait.objects.using(conf.DATABASE).filter(limit_key__limit=name)
    found = rows.order_by("claim_rank", "job").values_list(
        "limit_key__key", "job", "since", "limit_key__wake_at", "woken_at"
    )
    return [Waiting(*row) for row in found[:SHOWN]]


def wait_of(job_id: UUID) -> LimitWaitFacts | None:
    """What a blocked job waits for, and who holds it; None if it does not wait for a limit."""
    rows = LimitWait.objects.using(conf.DATABASE).select_related("limit_key__limit")
    found = rows.filter(pk=job_id).first()
    if found is None:
        return None
    slots = LimitSlot.objects.using(conf.DATABASE).filter(limit_key=found.limit_key_id)
    return LimitWaitFacts(
        found, list(slots.order_by("taken_at").values_list("job", flat=True)[:SHOWN])
    )


def _counts(model: Any, field: str) -> dict[str, int]:
    rows = model.objects.using(conf.DATABASE).order_by().values_list(field)
    return dict(rows.annotate(rows=Count("pk")))


def _span(period: dt.timedelta) -> str:
    seconds = period.total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return unit if count == 1 else f"{count:,} {unit}s"
    return f"{seconds:g} seconds"
