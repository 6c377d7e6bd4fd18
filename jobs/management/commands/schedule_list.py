"""Lists the schedules."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from jobs.scheduling.listing import ListedSchedule, listed

COLUMNS = ("NAME", "RUNS", "ZONE", "NEXT", "LAST", "LAST JOB")


class Command(BaseCommand):
    help = (
        "List all schedules: the rule in words, the next run, the last one and the state of its "
        "job. Times are in the zone of the schedule. Exits 0, also when a schedule is in error."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        schedules = listed()
        if options["json"]:
            facts = [asdict(schedule) for schedule in schedules]
            self.stdout.write(json.dumps(facts, cls=DjangoJSONEncoder, indent=2))
            return
        if not schedules:
            self.stdout.write("There are no schedules.")
            return
        now = timezone.now()
        rows = [COLUMNS, *(_row(schedule, now) for schedule in schedules)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        errors = ["", *(schedule.error for schedule in schedules)]
        for row, error in zip(rows, errors, strict=True):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
            if error:
                self.stdout.write(self.style.ERROR(f"    error: {error}"))


def _row(schedule: ListedSchedule, now: dt.datetime) -> tuple[str, ...]:
    upcoming = _time(schedule.next_run_at, schedule.timezone) if schedule.enabled else "paused"
    if schedule.enabled and schedule.next_run_at and schedule.next_run_at < now:
        upcoming += " (due)"
    return (
        schedule.name,
        schedule.words or "?",
        schedule.timezone,
        upcoming,
        _time(schedule.last_run_at, schedule.timezone),
        schedule.last_state or "-",
    )


def _time(moment: dt.datetime | None, zone: str) -> str:
    if moment is None:
        return "-"
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        # A zone that is not known is told of as the error of the schedule.
        local = moment.astimezone(dt.UTC)
    return f"{local:%Y-%m-%d %H:%M:%S%z}"
