"""The operations on queues: pause, resume, clear."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.utils import timezone

from jobs import cancelling, pausing
from jobs.admin.moments import MomentField
from jobs.admin.operations import Operation, Order, ReasonForm, Result, Touched
from jobs.metrics import queue_stats
from jobs.models import Queue


class PauseForm(ReasonForm):
    """For how long, and why."""

    until = MomentField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Optional. Without it the queue stays paused until it is resumed.",
    )
    reason = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Optional. It is shown beside the queue and kept in the audit log.",
    )
    field_order = ("until", "reason")


def _touches(queues: list[Queue]) -> Touched:
    stats = queue_stats([queue.name for queue in queues])
    waiting = ", ".join(f"{one.name}: {one.ready} ready, {one.running} running" for one in stats)
    return Touched(len(queues), [("Now", waiting)] if queues else [])


def _pause(queues: list[Queue], order: Order) -> Result:
    for queue in queues:
        pausing.pause(queue.name, order.actor, order.data["until"], order.reason)
    return Result(f"Paused {_names(queues)}.")


def _resume(queues: list[Queue], order: Order) -> Result:
    changed = [queue for queue in queues if pausing.resume(queue.name, order.actor, order.reason)]
    if not changed:
        return Result("The queue was not paused.", messages.WARNING)
    return Result(f"Resumed {_names(changed)}.")


def _names(queues: list[Queue]) -> str:
    return ", ".join(queue.name for queue in queues)


def _not_paused(queue: Queue) -> str:
    return "" if queue.is_paused(timezone.now()) else "This queue is not paused."


PAUSE = Operation(
    name="pause",
    label="Pause",
    permission="pause",
    consequence="No more jobs of it start. What runs goes on, and jobs can still be enqueued.",
    touches=_touches,
    perform=_pause,
    form=PauseForm,
    single=True,
)

RESUME = Operation(
    name="resume",
    label="Resume",
    permission="pause",
    consequence="Its jobs start again, at once.",
    touches=_touches,
    perform=_resume,
    refusal=_not_paused,
    single=True,
)


def _waiting(queues: list[Queue]) -> Touched:
    stats = queue_stats([queue.name for queue in queues])
    facts: list[tuple[str, Any]] = [
        (one.name, f"{one.ready} ready, {one.scheduled} scheduled, {one.blocked} blocked")
        for one in stats
    ]
    return Touched(len(queues), facts)


def _clear(queues: list[Queue], order: Order) -> Result:
    cancelled = 0
    for queue in queues:
        cancelled += cancelling.clear_queue(queue.name, order.actor, order.reason).cancelled
    noun = "job" if cancelled == 1 else "jobs"
    return Result(
        f"Cancelled {cancelled:,} waiting {noun} of {_names(queues)}.",
        messages.SUCCESS if cancelled else messages.WARNING,
    )


CLEAR = Operation(
    name="clear",
    label="Clear",
    permission="clear",
    consequence="All jobs that wait in it end as cancelled, and so do the jobs that wait for them. "
    "What runs goes on.",
    touches=_waiting,
    perform=_clear,
    single=True,
    destructive=True,
)
