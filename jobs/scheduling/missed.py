from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .rules import Rule, RuleError, Slot, next_slot, slots_between
from .slots import as_utc

DUE_AT_ONCE = 1000
SKIPPED_SHOWN = 100
TICK = timedelta(microseconds=1)


class MissedPolicy(StrEnum):
    """What happens to slots that nobody was there to run in time."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class DueSlots:
    """What a schedule has to do now.

    ``run`` is in order of time, the missed slots that the policy runs first. ``skipped`` holds the
    latest of those that are dropped, at most a hundred, in order; ``skipped_count`` is how many
    there are in all. ``next`` is the first slot that this leaves to do: usually in the future, but
    already due when more slots were due than one call returns. ``handled_until`` is the time of
    the latest slot that was run or skipped, which is the ``last`` of the next call; None when
    there was none and never had been.
    """

    run: tuple[Slot, ...]
    skipped: tuple[Slot, ...]
    skipped_count: int
    next: Slot | None
    handled_until: datetime | None


def due_slots(
    rule: Rule,
    *,
    last: datetime | None,
    now: datetime,
    policy: MissedPolicy,
    grace: timedelta,
    limit: int,
) -> DueSlots:
    """Which slots of ``rule`` are to run at ``now``, after the slots up to ``last`` have been
    handled.

    A slot that is late by ``grace`` or less is due and runs, whatever the policy; at most 1000 of
    these are returned by one call, the earliest. One that is later was missed: SKIP drops it, ONCE
    runs only the latest of those that were missed, ALL runs the latest ``limit`` of them. With
    ``last`` None the schedule is new: it has missed nothing, and only slots within the grace are
    due. The cost does not depend on how many slots were missed. Raises RuleError for a negative
    ``grace`` or ``limit``, and for a time without a zone.
    """
    if grace < timedelta(0):
        raise RuleError("grace", grace, "is less than zero")
    if limit < 0:
        raise RuleError("limit", limit, "is less than zero")
    now = as_utc("now", now)
    # A slot exactly at the end of the grace is still in time, so what was missed ends a tick
    # earlier.
    missed_until = now - grace - TICK
    since = missed_until if last is None else as_utc("last", last)

    run: list[Slot] = []
    skipped: list[Slot] = []
    missed = 0
    if since < missed_until:
        wanted = {MissedPolicy.SKIP: 0, MissedPolicy.ONCE: 1, MissedPolicy.ALL: limit}[policy]
        missed = rule.count_between(since, missed_until)
        latest = _latest(rule, since, missed_until, missed, wanted + SKIPPED_SHOWN)
        split = max(0, len(latest) - wanted)
        skipped, run = latest[:split], latest[split:]
    skipped_count = missed - len(run)

    due = slots_between(rule, max(since, missed_until), now, DUE_AT_ONCE)
    run += due
    handled = [slot.at for slot in (*skipped[-1:], *run[-1:])]
    done_until = due[-1].at if len(due) == DUE_AT_ONCE else max(now, since)
    return DueSlots(
        run=tuple(run),
        skipped=tuple(skipped),
        skipped_count=skipped_count,
        next=next_slot(rule, done_until),
        handled_until=max(handled) if handled else last,
    )


def _latest(rule: Rule, start: datetime, end: datetime, total: int, wanted: int) -> list[Slot]:
    """The latest ``wanted`` of the ``total`` slots with ``start < at <= end``, in order.

    Halves the span by counting, because a rule cannot be walked backwards.
    """
    cut, too_early, too_late = start, start, end
    found = total
    while found != wanted and total > wanted:
        cut = too_early + (too_late - too_early) // 2
        found = rule.count_between(cut, end)
        if found > wanted:
            too_early = cut
        else:
            too_late = cut
    return slots_between(rule, cut, end, wanted)
