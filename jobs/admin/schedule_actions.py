"""The operations on schedules: run now, pause, resume."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from jobs.admin.operations import Operation, Order, Result, rows_by_name
from jobs.exceptions import JobsError
from jobs.models import JobSchedule
from jobs.scheduling import running


def _run(rows: Any, order: Order) -> Result:
    """Run each schedule; one that cannot run is told of and keeps no other from running."""
    started, refused = [], []
    for schedule in rows:
        try:
            job_id = running.run_now(schedule, order.actor, order.reason)
        except JobsError as error:
            refused.append(f"{schedule.name}: {error}")
        else:
            started.append((reverse("admin:jobs_job_change", args=[job_id]), schedule.name))
    links = format_html_join(", ", '<a href="{}">{}</a>', started)
    text = format_html("Enqueued the job of {}.", links) if started else "No job was enqueued."
    if refused:
        text = format_html("{} Not run: {}", text, "; ".join(refused))
    return Result(text, messages.WARNING if refused or not started else messages.SUCCESS)


RUN = Operation(
    name="run",
    label="Run now",
    permission="run",
    consequence="Its job is enqueued once, now, beside its times; also when it is paused.",
    touches=rows_by_name,
    perform=_run,
    selected=True,
    single=True,
)


def _changed(count: int, done: str) -> Result:
    noun = "schedule" if count == 1 else "schedules"
    return Result(f"{done} {count:,} {noun}.", messages.SUCCESS if count else messages.WARNING)


def _pause(rows: Any, order: Order) -> Result:
    return _changed(running.pause(rows, order.actor, order.reason), "Paused")


def _resume(rows: Any, order: Order) -> Result:
    try:
        count = running.resume(rows, order.actor, order.reason)
    except ValidationError as error:
        return Result(f"Nothing was resumed: {'; '.join(error.messages)}", messages.ERROR)
    return _changed(count, "Resumed")


def _paused(schedule: JobSchedule) -> str:
    return "" if schedule.enabled else "This schedule is paused already."


def _enabled(schedule: JobSchedule) -> str:
    return "This schedule is not paused." if schedule.enabled else ""


PAUSE = Operation(
    name="pause",
    label="Pause",
    permission="pause",
    consequence="No more jobs are enqueued until it is resumed. Jobs that it has enqueued stay.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(enabled=True),
    perform=_pause,
    refusal=_paused,
    selected=True,
    single=True,
)

RESUME = Operation(
    name="resume",
    label="Resume",
    permission="pause",
    consequence="It runs again at its next time. Times that passed while it was paused are not "
    "made up for.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(enabled=False),
    perform=_resume,
    refusal=_enabled,
    selected=True,
    single=True,
)
