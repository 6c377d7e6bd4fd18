"""What people may do about limits: change them while jobs run, and release places."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from jobs import audit, transports
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption, UnknownLimit
from jobs.ledger import ledger
from jobs.limits.kinds import LimitKind
from jobs.limits.known import facts_of
from jobs.models import Limit, LimitKey, LimitSlot, LimitWait


def find(name: str) -> Limit:
    """Raises UnknownLimit, with the nearest name."""
    import difflib

    rows = Limit.objects.using(conf.DATABASE)
    found = rows.filter(pk=name).first()
    if found is None:
        near = difflib.get_close_matches(name, rows.values_list("pk", flat=True), n=1)
        raise UnknownLimit(name, near[0] if near else "")
    return found


def change(
    name: str,
    actor: Actor,
    *,
    amount: int | None = None,
    period: dt.timedelta | None = None,
    burst: int | None = None,
    reason: str = "",
) -> Limit:
    """Change what a limit allows, from now on and whatever the code says; what is not given stays.

    Jobs that wait, and have room now, are woken at once. Raises UnknownLimit, and InvalidOption
    naming the field, the value and the rule.
    """
    with transaction.atomic(using=conf.DATABASE):
        row = _locked(name)
        before = facts_of(row)
        _check(row, amount, period, burst)
        row.amount = amount if amount is not None else row.amount
        row.period = period if period is not None else row.period
        row.burst = burst if burst is not None else row.burst
        after = facts_of(row)
        if after == before:
            return row
        row.changed_by = actor.user
        row.save(using=conf.DATABASE, update_fields=["amount", "period", "burst", "changed_by"])
        Limit.objects.using(conf.DATABASE).filter(pk=name).update(changed_at=Now())
        audit.record(actor, "change limit", f"limit {name}", 1, before, after, reason)
        _wake(name)
    return find(name)


def follow_code(name: str, actor: Actor, reason: str = "") -> Limit:
    """Let a limit be again what the code says. Raises UnknownLimit, and InvalidOption for one that
    no code has said anything of."""
    with transaction.atomic(using=conf.DATABASE):
        row = _locked(name)
        if row.declared is None:
            raise InvalidOption("limit", name, "no code says what it allows")
        before = facts_of(row)
        period = row.declared["period"]
        Limit.objects.using(conf.DATABASE).filter(pk=name).update(
            kind=row.declared["kind"],
            amount=row.declared["amount"],
            period=dt.timedelta(seconds=period) if period is not None else None,
            burst=row.declared["burst"],
            changed_at=None,
            changed_by=None,
        )
        after = facts_of(find(name))
        audit.record(actor, "follow code", f"limit {name}", 1, before, after, reason)
        _wake(name)
    return find(name)


def release(slot_ids: Sequence[int], actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Free these places although their jobs still run; return how many there were.

    What waits for them is woken at once, so that more jobs than the limit allows may run.
    """
    with transaction.atomic(using=conf.DATABASE):
        rows = LimitSlot.objects.using(conf.DATABASE).filter(pk__in=list(slot_ids))
        found = list(rows.values_list("pk", "limit_key", "job", "limit_key__limit"))
        rows.delete()
        if found:
            names = sorted({row[3] for row in found})
            target = scope or f"places in {', '.join(names)}"
            after = {"jobs": [str(row[2]) for row in found[: audit.SAMPLE]]}
            audit.record(actor, "release", target, len(found), after=after, reason=reason)
            _wake_keys(sorted({row[1] for row in found}))
    return len(found)


def _locked(name: str) -> Limit:
    find(name)
    return Limit.objects.using(conf.DATABASE).select_for_update().get(pk=name)


def _check(row: Limit, amount: Any, period: Any, burst: Any) -> None:
    for field, value in (("amount", amount), ("burst", burst)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < 1
        ):
            raise InvalidOption(field, value, "must be a whole number of at least 1")
    if period is not None:
        if not row.is_of_starts:
            raise InvalidOption("period", period, "a limit on jobs at once has no period")
        if period <= dt.timedelta(0):
            raise InvalidOption("period", period, "must be positive")
    if burst is not None and row.kind != LimitKind.TOKEN_BUCKET:
        raise InvalidOption(
            "burst", burst, f"belongs to a limit of the kind {LimitKind.TOKEN_BUCKET}"
        )


def _wake(name: str) -> None:
    """Wake who has room now; the rest is found by the clock's next look."""
    waited_for = (
        LimitWait.objects.using(conf.DATABASE)
        .filter(limit_key__in=LimitKey.objects.using(conf.DATABASE).filter(limit=name))
        .order_by()
        .values_list("limit_key", flat=True)
        .distinct()[:1000]
    )
    _wake_keys(list(waited_for))


def _wake_keys(key_ids: Sequence[int]) -> None:
    if queues := ledger().wake_keys(key_ids):
        wake = partial(transports.current().wake, queues)
        transaction.on_commit(wake, using=conf.DATABASE)
