from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from .slots import Slot, as_utc
from .zones import zone_named


@dataclass(frozen=True, slots=True)
class OnceRule:
    """Runs a single time, at the instant ``at``.

    ``timezone`` is only the zone in which the time is shown; by default the one that ``at`` itself
    carries, or UTC.
    """

    at: datetime
    timezone: str = ""

    def __post_init__(self) -> None:
        as_utc("at", self.at)
        if not self.timezone:
            zone = self.at.tzinfo
            name = zone.key if isinstance(zone, ZoneInfo) else None
            object.__setattr__(self, "timezone", name or "UTC")
        zone_named(self.timezone)

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        at = as_utc("at", self.at)
        if at > as_utc("moment", moment):
            local = at.astimezone(zone_named(self.timezone))
            yield Slot(at, local.replace(tzinfo=None, fold=0))

    def count_between(self, start: datetime, end: datetime) -> int:
        at = as_utc("at", self.at)
        return int(as_utc("start", start) < at <= as_utc("end", end))
