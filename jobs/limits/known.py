"""The rows of limits, beside what code says of them.

A limit becomes a row when it is first needed. From then on the row decides: it follows the code, or
the setting JOBS_LIMITS, until an operator changes it, and then no more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from jobs.conf import settings as conf
from jobs.exceptions import InvalidDefinition
from jobs.ledger.moments import microseconds
from jobs.limits.declared import DeclaredLimit, rate_limit
from jobs.limits.kinds import LimitKind
from jobs.models.limit import Limit, LimitKey, LimitSlot, LimitWait


def from_settings(name: str) -> DeclaredLimit | None:
    """What JOBS_LIMITS says of this limit: a rate such as "60/m", a number of jobs at once, or a
    dict with `rate`, `kind` and `burst`. Raises InvalidDefinition."""
    said = conf.LIMITS.get(name)
    if said is None:
        return None
    if isinstance(said, int):
        return DeclaredLimit(name, LimitKind.CONCURRENCY, said)
    if not isinstance(said, Mapping):
        return rate_limit(name, said)
    unknown = set(said) - {"rate", "kind", "burst"}
    if unknown or "rate" not in said:
        raise InvalidDefinition(
            f"limit {name!r}: JOBS_LIMITS {dict(said)!r} must have a rate, and may have a kind and "
            "a burst"
        )
    return rate_limit(
        name, said["rate"], said.get("kind", LimitKind.SLIDING_WINDOW), said.get("burst")
    )


def row_of(name: str, declared: DeclaredLimit | None) -> Limit:
    """The row of a limit, made if there is none yet, and following what the code says now unless
    an operator has changed it.

    Raises InvalidDefinition if neither a row, nor code, nor JOBS_LIMITS says how much.
    """
    said = declared or from_settings(name)
    rows = Limit.objects.using(conf.DATABASE)
    found = rows.filter(pk=name).first()
    if said is None:
        if found is None:
            raise InvalidDefinition(
                f"limit {name!r}: nothing says how much it allows; give it a rate, or put it into "
                "JOBS_LIMITS"
            )
        return found
    if found is None:
        found, _ = rows.get_or_create(pk=name, defaults=said.columns())
    if found.changed_at is None and found.declared != said.facts:
        rows.filter(pk=name, changed_at__isnull=True).update(**said.columns())
        found = rows.get(pk=name)
    return found


def facts_of(row: Limit) -> dict[str, Any]:
    """What a row allows, in the form of `DeclaredLimit.facts`."""
    period = row.period.total_seconds() if row.period is not None else None
    return {"kind": row.kind, "amount": row.amount, "period": period, "burst": row.burst}


def counted_from(name: str, key: str) -> int:
    """Since when a key of a limit counts, in microseconds since the epoch: of an open breaker until
    when it is open. 0 for a key that is not known."""
    keys = LimitKey.objects.using(conf.DATABASE).filter(limit=name, key=key)
    return keys.values_list("counted_from", flat=True).first() or 0


IDLE_AFTER = dt.timedelta(days=7)
"""A key is kept at least so long, so that one in daily use is not made anew each time."""


def idle_keys(now: dt.datetime) -> QuerySet[LimitKey]:
    """Keys that nobody holds or waits for and that count nothing any more, for retention."""
    old = now - IDLE_AFTER
    rows = LimitKey.objects.using(conf.DATABASE).filter(
        made_at__lt=old, counted_from__lt=microseconds(old), wake_at__isnull=True
    )
    slots = LimitSlot.objects.using(conf.DATABASE).filter(limit_key=OuterRef("pk"))
    waits = LimitWait.objects.using(conf.DATABASE).filter(limit_key=OuterRef("pk"))
    return rows.filter(~Exists(slots), ~Exists(waits)).order_by("made_at")
