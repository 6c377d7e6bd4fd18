"""Lists the schedules."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from jobs.ledger import ledger
from jobs.management.command import OperatorCommand
from jobs.management.output import NOTHING, table
from jobs.scheduling.listing import ListedSchedule, listed

HEADINGS = ("schedule", "runs", "zone", "next", "last", "last job")


class Command(OperatorCommand):
    help = (
        "List all schedules: the rule in words, the next run, the last one and the state of its "
        "job, in the zone of the schedule; then what is wrong with those that are in error."
    )

    def operate(self, **options: Any) -> None:
        schedules = listed()
        now = ledger().now()
        text = "There are no schedules."
        if schedules:
            text = table(HEADINGS, [_row(schedule, now) for schedule in schedules])
        for schedule in schedules:
            if schedule.error:
                text += f"\n{schedule.name} is in error: {schedule.error}"
        self.show(options, schedules, text)


def _row(schedule: ListedSchedule, now: dt.datetime) -> tuple[str, ...]:
    upcoming = _time(schedule.next_run_at, schedule.timezone) if schedule.enabled else "paused"
    if schedule.enabled and schedule.next_run_at and schedule.next_run_at < now:
        upcoming += " (due)"
    return (
        schedule.name,
        schedule.words,
        schedule.timezone,
        upcoming,
        _time(schedule.last_run_at, schedule.timezone),
        schedule.last_state or NOTHING,
    )


def _time(moment: dt.datetime | None, zone: str) -> str:
    if moment is None:
        return NOTHING
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        # That the zone is not known is told as the error of the schedule.
        local = moment.astimezone(dt.UTC)
    return f"{local:%Y-%m-%d %H:%M:%S%z}"
