"""The times of a declared schedule, as they are written in code."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from jobs.models import ScheduleKind


@dataclass(frozen=True, slots=True)
class Cron:
    """At the wall-clock times of a cron expression, in `timezone`; in the site's TIME_ZONE unless
    given. Five fields, or six with the seconds first."""

    expression: str
    timezone: str | None = None

    def values(self) -> dict[str, Any]:
        """As the fields of a schedule."""
        return {
            "kind": ScheduleKind.CRON.value,
            "cron": self.expression,
            "timezone": self.timezone or settings.TIME_ZONE,
        }


@dataclass(frozen=True, slots=True, init=False)
class Every:
    """Every so often from when the schedule was created: `Every(minutes=15)`, or a timedelta.

    Whole days keep the wall-clock time in `timezone`, which is the site's TIME_ZONE unless given.
    """

    every: dt.timedelta
    timezone: str | None = None

    def __init__(
        self,
        every: dt.timedelta | None = None,
        *,
        timezone: str | None = None,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        length = dt.timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        object.__setattr__(self, "every", length if every is None else every + length)
        object.__setattr__(self, "timezone", timezone)

    def values(self) -> dict[str, Any]:
        """As the fields of a schedule."""
        return {
            "kind": ScheduleKind.INTERVAL.value,
            "every": self.every,
            "timezone": self.timezone or settings.TIME_ZONE,
        }


@dataclass(frozen=True, slots=True)
class Once:
    """A single time, with its time zone."""

    at: dt.datetime

    def values(self) -> dict[str, Any]:
        """As the fields of a schedule."""
        zone = getattr(self.at.tzinfo, "key", None)
        return {
            "kind": ScheduleKind.ONCE.value,
            "run_at": self.at,
            "timezone": zone or settings.TIME_ZONE,
        }


Times = Cron | Every | Once
