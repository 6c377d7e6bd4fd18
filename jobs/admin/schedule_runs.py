"""What the page of a schedule tells: its rule in words, its coming runs and its past ones."""

from __future__ import annotations

import datetime as dt
from copy import copy
from typing import Any

from django.utils import timezone

from jobs.admin.display import NOTHING
from jobs.models import GapRule, Job, JobSchedule, ScheduleSlot, SlotOutcome
from jobs.scheduling.binding import rule_of
from jobs.scheduling.preview import preview
from jobs.scheduling.rules import RuleError
from jobs.scheduling.words import describe

RUNS_SHOWN = 20
HISTORY_SHOWN = 50


def words_of(schedule: JobSchedule) -> str:
    """The rule in words, or what is wrong with it."""
    try:
        return describe(rule_of(schedule))
    except RuleError as error:
        return f"Not valid: {error}"


def runs_of(schedule: JobSchedule) -> tuple[list[dict[str, str]], str]:
    """The next 20 runs as text, in the schedule's zone and in UTC, and what is wrong with the rule
    if there are none for that reason. A time that a clock change leaves out is told beside them."""
    now = timezone.now()
    try:
        runs = preview(rule_of(schedule), now, RUNS_SHOWN)
    except RuleError as error:
        return [], str(error)
    rows = [
        (
            run.slot.at,
            {
                "local": f"{run.local:%a %Y-%m-%d %H:%M:%S %Z}",
                "utc": f"{run.slot.at:%Y-%m-%d %H:%M:%S}",
                "note": run.note,
            },
        )
        for run in runs
    ]
    if runs and schedule.dst_gap == GapRule.SKIP:
        rows += _skipped(schedule, now, runs[-1].slot.at)
        rows.sort(key=lambda row: row[0])
    return [row for _, row in rows], ""


def _skipped(
    schedule: JobSchedule, now: dt.datetime, until: dt.datetime
) -> list[tuple[dt.datetime, dict[str, str]]]:
    """The times up to a moment that the schedule leaves out, since no clock shows them: they are
    the ones that another rule would move."""
    moving = copy(schedule)
    moving.dst_gap = GapRule.NEXT_VALID
    return [
        (
            run.slot.at,
            {
                "local": f"{run.slot.local:%a %Y-%m-%d %H:%M:%S}",
                "utc": NOTHING,
                "note": f"{run.slot.local:%H:%M} does not exist on this day: skipped",
            },
        )
        for run in preview(rule_of(moving), now, RUNS_SHOWN)
        if run.slot.dst == "gap" and run.slot.at <= until
    ]


def history_of(schedule: JobSchedule) -> list[dict[str, Any]]:
    """The latest 50 times of the schedule, run by hand ones included, with their jobs."""
    slots = list(ScheduleSlot.objects.filter(schedule=schedule)[:HISTORY_SHOWN])
    jobs = list(
        Job.objects.filter(schedule=schedule)
        .exclude(slot_at=None)
        .defer("arguments", "result")
        .order_by("-slot_at")[:HISTORY_SHOWN]
    )
    by_slot = {job.slot_at: job for job in jobs}
    rows: list[dict[str, Any]] = [
        {
            "at": slot.slot_at,
            "how": "" if slot.outcome == SlotOutcome.ENQUEUED else slot.get_outcome_display(),
            "job": by_slot.pop(slot.slot_at, None),
        }
        for slot in slots
    ]
    rows += [{"at": job.slot_at, "how": "Run by hand", "job": job} for job in by_slot.values()]
    rows.sort(key=lambda row: row["at"], reverse=True)
    return rows[:HISTORY_SHOWN]
