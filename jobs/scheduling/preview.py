from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from .rules import Rule, Slot, upcoming
from .zones import zone_named


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A coming slot as people read it.

    ``local`` is when it really runs, in the zone of the rule. ``clock_change`` is by how much the
    clocks of that zone go forward (or back, below zero) on that local day; zero on most days.
    ``note`` says in words what this does to the run, and is empty when there is nothing to say.
    """

    slot: Slot
    local: datetime
    clock_change: timedelta
    note: str


def preview(rule: Rule, after: datetime, count: int = 20) -> list[PlannedRun]:
    """The next ``count`` runs strictly after the aware ``after``, with the clock changes marked."""
    zone = zone_named(rule.timezone)
    planned = []
    for slot in upcoming(rule, after, count):
        local = slot.at.astimezone(zone)
        change = clock_change(zone, local)
        planned.append(PlannedRun(slot, local, change, _note(slot, local, change)))
    return planned


def clock_change(zone: ZoneInfo, moment: datetime) -> timedelta:
    """By how much the clocks of ``zone`` change on the local day of the aware ``moment``."""
    date = moment.astimezone(zone).date()
    midnights = (
        datetime.combine(day, time(), zone).utcoffset() for day in (date, date + timedelta(days=1))
    )
    before, after = (offset or timedelta(0) for offset in midnights)
    return after - before


def _note(slot: Slot, local: datetime, change: timedelta) -> str:
    asked = f"{slot.local:%H:%M}"
    match slot.dst:
        case "gap":
            return f"{asked} does not exist on this day: runs at {local:%H:%M}"
        case "overlap_first":
            return f"the first of the two {asked} of this day"
        case "overlap_second":
            return f"the second of the two {asked} of this day"
    if not change:
        return ""
    minutes = abs(change) // timedelta(minutes=1)
    length = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return f"the clocks go {'forward' if change > timedelta(0) else 'back'} by {length} on this day"
