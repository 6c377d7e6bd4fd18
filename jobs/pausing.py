"""Pauses queues: their jobs wait, what runs goes on."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs import audit, queue_names, transports
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.ledger import ledger
from jobs.models import Queue


def pause(
    queue: str,
    actor: Actor,
    until: dt.datetime | None = None,
    reason: str = "",
    *,
    only_longer: bool = False,
) -> bool:
    """Let no more jobs of this queue start, until it is resumed or until a moment.

    Enqueueing goes on. Pausing a paused queue changes its moment and reason; with `only_longer`
    not if it is paused for as long already. Returns whether anything changed. Raises UnknownQueue,
    or InvalidOption if `until` is naive or has passed.
    """
    name = queue_names.resolve(queue)
    with transaction.atomic(using=conf.DATABASE):
        now = ledger().now()
        check(until, reason, now)
        row = _lock(name)
        before = _decided(row, now)
        after = {
            "paused": True,
            "until": until.isoformat() if until else None,
            "reason": reason,
        }
        if before == after or (
            only_longer and before["paused"] and ends_later(row.paused_until, until)
        ):
            return False
        rows = Queue.objects.using(conf.DATABASE).filter(pk=name)
        rows.update(
            paused_at=row.paused_at if before["paused"] else Now(),
            paused_until=until,
            paused_by=actor.user,
            paused_reason=reason,
        )
        audit.record(actor, "pause", f"queue {name}", 1, before, after, reason)
    return True


def check(until: dt.datetime | None, reason: str, now: dt.datetime) -> None:
    """Raise InvalidOption for what no pause can have."""
    if len(reason) > 200:
        raise InvalidOption("reason", reason, "has at most 200 characters")
    if until is not None and timezone.is_naive(until):
        raise InvalidOption("until", until, "must have a time zone")
    if until is not None and until <= now:
        raise InvalidOption("until", until, "must be in the future")


def ends_later(one: dt.datetime | None, other: dt.datetime | None) -> bool:
    """Whether a pause until the one moment ends no sooner than until the other; None is never."""
    return one is None or (other is not None and one >= other)


def resume(queue: str, actor: Actor, reason: str = "") -> bool:
    """Let jobs of this queue start again, at once. Returns whether it was paused.

    Raises UnknownQueue.
    """
    name = queue_names.resolve(queue)
    with transaction.atomic(using=conf.DATABASE):
        row = _lock(name)
        before = _decided(row, ledger().now())
        rows = Queue.objects.using(conf.DATABASE).filter(pk=name, paused_at__isnull=False)
        rows.update(paused_at=None, paused_until=None, paused_by=None, paused_reason="")
        if not before["paused"]:
            return False
        after = {"paused": False, "until": None, "reason": ""}
        audit.record(actor, "resume", f"queue {name}", 1, before, after, reason)
        transaction.on_commit(partial(transports.current().wake, [name]), using=conf.DATABASE)
    return True


def _lock(name: str) -> Queue:
    rows = Queue.objects.using(conf.DATABASE)
    rows.get_or_create(pk=name)
    return rows.select_for_update().get(pk=name)


def _decided(row: Queue, now: dt.datetime) -> dict[str, Any]:
    if not row.is_paused(now):
        return {"paused": False, "until": None, "reason": ""}
    return {
        "paused": True,
        "until": row.paused_until.isoformat() if row.paused_until else None,
        "reason": row.paused_reason,
    }
