"""Pauses tags: jobs that have them wait, on whatever queue; what runs goes on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from jobs import audit, transports
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidDefinition, InvalidOption
from jobs.ledger import ledger
from jobs.models import TagPause
from jobs.options import checked_tags
from jobs.pausing import check, ends_later


def pause(
    tag: str,
    actor: Actor,
    until: dt.datetime | None = None,
    reason: str = "",
    *,
    only_longer: bool = False,
) -> bool:
    """Let no more jobs with this tag start, until it is resumed or until a moment.

    Enqueueing goes on, and no attempt is spent. Pausing a paused tag changes its moment and reason;
    with `only_longer` not if it is paused for as long already. Returns whether anything changed.
    Raises InvalidOption naming the field, the value and the rule.
    """
    try:
        checked_tags([tag])
    except InvalidDefinition as error:
        raise InvalidOption("tag", tag, "must be text of 1 to 150 characters") from error
    rows = TagPause.objects.using(conf.DATABASE)
    with transaction.atomic(using=conf.DATABASE):
        now = ledger().now()
        check(until, reason, now)
        row, is_new = rows.get_or_create(tag=tag, defaults=_values(actor, now, until, reason))
        before = None
        if not is_new:
            row = rows.select_for_update().get(pk=tag)
            before = _decided(row, now)
            if before == {"until": _told(until), "reason": reason}:
                return False
            if only_longer and before is not None and ends_later(row.paused_until, until):
                return False
            since = now if before is None else row.paused_at
            rows.filter(pk=tag).update(**_values(actor, since, until, reason))
        after = {"until": _told(until), "reason": reason}
        audit.record(actor, "pause", f"tag {tag}", 1, before, after, reason)
    return True


def resume(tag: str, actor: Actor, reason: str = "") -> bool:
    """Let jobs with this tag start again: the first of those that wait at once, thousands in a
    second. Returns whether it was paused."""
    with transaction.atomic(using=conf.DATABASE):
        book = ledger()
        now = book.now()
        rows = TagPause.objects.using(conf.DATABASE).filter(pk=tag)
        row = rows.select_for_update().first()
        before = _decided(row, now) if row is not None else None
        if before is None:
            return False
        # The pause goes with the last of its jobs.
        rows.update(paused_until=now)
        audit.record(actor, "resume", f"tag {tag}", 1, before, None, reason)
        transaction.on_commit(_let_go, using=conf.DATABASE)
    return True


def paused() -> list[TagPause]:
    """The pauses in force."""
    return list(TagPause.objects.using(conf.DATABASE).active(ledger().now()))


def paused_among(tags: Sequence[str]) -> list[TagPause]:
    """The pauses in force of these tags: what a job that has them waits for."""
    if not tags:
        return []
    rows = TagPause.objects.using(conf.DATABASE).active(ledger().now())
    return list(rows.filter(pk__in=list(tags)))


def _let_go() -> None:
    if queues := ledger().let_go():
        transports.current().wake(queues)


def _values(
    actor: Actor, since: dt.datetime, until: dt.datetime | None, reason: str
) -> dict[str, Any]:
    return {
        "paused_at": since,
        "paused_until": until,
        "paused_by": actor.user,
        "reason": reason,
    }


def _decided(row: TagPause, now: dt.datetime) -> dict[str, Any] | None:
    """What the audit log tells of a pause; None if it is over."""
    if row.paused_until is not None and row.paused_until <= now:
        return None
    return {"until": _told(row.paused_until), "reason": row.reason}


def _told(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
