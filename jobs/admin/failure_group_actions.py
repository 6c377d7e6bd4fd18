"""The operations on failure groups: retry, forget, resolve, reopen, mute, unmute, note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Sum
from django.utils import timezone

from jobs.admin.actions import RETRY_CONSEQUENCE, level_of, told_of_retry
from jobs.admin.moments import MomentField, moment_of
from jobs.admin.operations import (
    Operation,
    Order,
    ReasonForm,
    Result,
    Touched,
    rows_by_name,
    rows_of_jobs,
)
from jobs.failures import groups
from jobs.management.output import counted
from jobs.models import FailureGroup, GroupStatus
from jobs.models.failure import FailedJobQuerySet

_of_jobs = rows_of_jobs("failed_at", exact=True)


class ShownForm(ReasonForm):
    """Remembers when it was shown: what fails while it is read was not confirmed."""

    shown_at = forms.CharField(
        required=False,
        widget=forms.HiddenInput,
        initial=lambda: timezone.now().isoformat(),
    )

    def clean(self) -> dict[str, Any] | None:
        try:
            self.cleaned_data["until"] = moment_of(self.cleaned_data.get("shown_at", ""))
        except ValueError:
            raise forms.ValidationError(
                "It is not known when this page was shown, so nothing was done."
            ) from None
        return self.cleaned_data


class MuteForm(ReasonForm):
    """Until when, and why."""

    until = MomentField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Optional. Without it the group stays muted until it is unmuted.",
    )
    field_order = ("until", "reason")


class NoteForm(ReasonForm):
    """The note, in the place of the one that is there."""

    note = forms.CharField(
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        help_text="It takes the place of the note that is there; empty, it removes that.",
    )
    field_order = ("note", "reason")


def _all(rows: FailedJobQuerySet) -> FailedJobQuerySet:
    return rows


def _unretried(rows: FailedJobQuerySet) -> FailedJobQuerySet:
    return rows.unretried()


def _with_jobs(
    chosen: Callable[[FailedJobQuerySet], FailedJobQuerySet],
) -> Callable[[Any], Touched]:
    def touches(rows: Any) -> Touched:
        """The groups, and exactly how many of their failed jobs would be touched."""
        named, told = rows_by_name(rows), _of_jobs(chosen(groups.failed_jobs(rows)))
        facts = [*named.facts, ("Failed jobs", f"{told.count:,}"), *told.facts]
        return Touched(named.count if told.count else 0, facts)

    return touches


def _standing(rows: Any) -> Touched:
    named = rows_by_name(rows)
    count = rows.order_by().aggregate(failures=Sum("count"))["failures"] or 0
    return Touched(named.count, [*named.facts, ("Failures so far", f"{count:,}")])


def _retry(rows: Any, order: Order) -> Result:
    report = groups.retry(
        rows, order.actor, order.reason, scope=_jobs_of(order), until=order.data["until"]
    )
    return told_of_retry(report)


def _forget(rows: Any, order: Order) -> Result:
    count = groups.forget(
        rows, order.actor, order.reason, scope=_jobs_of(order), until=order.data["until"]
    )
    return Result(f"Forgot {counted(count, 'failed job')}.", level_of(count))


def _jobs_of(order: Order) -> str:
    return f"failed jobs of {order.scope}"


def _changed(done: str, count: int) -> Result:
    return Result(f"{done} {counted(count, 'failure group')}.", level_of(count))


def _by(change: Callable[..., int], done: str) -> Callable[[Any, Order], Result]:
    """What changes groups and asks nothing but a reason."""

    def perform(rows: Any, order: Order) -> Result:
        return _changed(done, change(rows, order.actor, order.reason, scope=order.scope))

    return perform


def _mute(rows: Any, order: Order) -> Result:
    until = order.data["until"]
    count = groups.mute(rows, order.actor, until, order.reason, scope=order.scope)
    return _changed("Muted", count)


def _write_note(rows: Any, order: Order) -> Result:
    note = order.data["note"]
    written = [groups.write_note(group.pk, order.actor, note, order.reason) for group in rows]
    if not any(written):
        return Result("The note says that already.", messages.WARNING)
    return Result("Wrote the note." if note else "Removed the note.")


def _note_now(rows: Any) -> Touched:
    named = rows_by_name(rows)
    return Touched(named.count, [*named.facts, ("Note now", rows[0].note or "none")])


def _is_resolved(group: FailureGroup) -> str:
    resolved = group.status == GroupStatus.RESOLVED
    return "This group is resolved already." if resolved else ""


def _is_not_resolved(group: FailureGroup) -> str:
    return "" if group.status == GroupStatus.RESOLVED else "This group is not resolved."


def _is_not_muted(group: FailureGroup) -> str:
    return "" if group.status == GroupStatus.MUTED else "This group is not muted."


RETRY = Operation(
    name="retry",
    label="Retry",
    permission="retry",
    consequence=f"All failed jobs of the cause that were not retried yet. {RETRY_CONSEQUENCE}",
    touches=_with_jobs(_unretried),
    perform=_retry,
    form=ShownForm,
    selected=True,
    single=True,
)

FORGET = Operation(
    name="forget",
    label="Forget",
    permission="forget",
    consequence="All failed jobs of the cause are deleted, with their tracebacks, and can no "
    "longer be retried. The jobs themselves and the group, with its count, stay until their "
    "retention ends.",
    touches=_with_jobs(_all),
    perform=_forget,
    form=ShownForm,
    selected=True,
    single=True,
    destructive=True,
)

RESOLVE = Operation(
    name="resolve",
    label="Resolve",
    permission="resolve",
    consequence="The cause is held to be mended. Who was told of the group is told of this; a new "
    "failure opens the group again, and is told.",
    touches=_standing,
    perform=_by(groups.resolve, "Resolved"),
    applicable=lambda rows: rows.exclude(status=GroupStatus.RESOLVED),
    refusal=_is_resolved,
    selected=True,
    single=True,
)

REOPEN = Operation(
    name="reopen",
    label="Reopen",
    permission="reopen",
    consequence="The group is open again, as if it had not been resolved. Nobody is told.",
    touches=_standing,
    perform=_by(groups.reopen, "Reopened"),
    applicable=lambda rows: rows.resolved(),
    refusal=_is_not_resolved,
    selected=True,
    single=True,
)

MUTE = Operation(
    name="mute",
    label="Mute",
    permission="mute",
    consequence="Nobody is told of it. Its failures are counted and listed as before.",
    touches=_standing,
    perform=_mute,
    form=MuteForm,
    selected=True,
    single=True,
)

UNMUTE = Operation(
    name="unmute",
    label="Unmute",
    permission="mute",
    consequence="The group is open.",
    touches=_standing,
    perform=_by(groups.unmute, "Unmuted"),
    applicable=lambda rows: rows.filter(status=GroupStatus.MUTED),
    refusal=_is_not_muted,
    selected=True,
    single=True,
)

NOTE = Operation(
    name="note",
    label="Note",
    permission="note",
    consequence="What others should know of it.",
    touches=_note_now,
    perform=_write_note,
    form=NoteForm,
    single=True,
)
