from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .slots import Rule, RuleError, Slot, as_utc

TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class BoundedRule:
    """A rule that runs only within a period: its slots with ``start <= at <= end``.

    An end that is None leaves the period open on that side.
    """

    rule: Rule
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        start = as_utc("start", self.start) if self.start else None
        end = as_utc("end", self.end) if self.end else None
        if start and end and end < start:
            raise RuleError("end", self.end, f"is before the start, {self.start}")

    @property
    def timezone(self) -> str:
        return self.rule.timezone

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        for slot in self.rule.slots_after(self._from_start(moment)):
            if self.end and slot.at > self.end:
                return
            yield slot

    def count_between(self, start: datetime, end: datetime) -> int:
        return self.rule.count_between(
            self._from_start(start), min(end, self.end) if self.end else end
        )

    def _from_start(self, moment: datetime) -> datetime:
        return max(moment, self.start - TICK) if self.start else moment
