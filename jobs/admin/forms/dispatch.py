"""The form that dispatches a job: when, on which queue, how urgent, and why."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone

from jobs import queue_names
from jobs.admin.moments import MomentField
from jobs.definitions import JobDefinition
from jobs.identifiers import uuid7, uuid7_floor

UNITS = {
    "seconds": dt.timedelta(seconds=1),
    "minutes": dt.timedelta(minutes=1),
    "hours": dt.timedelta(hours=1),
    "days": dt.timedelta(days=1),
}
CLOCK_SKEW = dt.timedelta(minutes=5)
"""By how much the clock of the server that made the page may be ahead."""
LONGEST_DELAY = dt.timedelta(days=3650)


class OnceForm(forms.Form):
    """Asks for one job. `job_id` is made with the page, so that a form that is sent twice makes one
    job."""

    job_id = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            self.initial.setdefault("job_id", uuid7())

    def clean_job_id(self) -> UUID:
        """Only an id that was made with a page: ids tell the age of a job, which orders it."""
        job_id: UUID = self.cleaned_data["job_id"]
        if job_id.version != 7 or job_id >= uuid7_floor(timezone.now() + CLOCK_SKEW):
            raise forms.ValidationError("This is not the id of a form. Open the page anew.")
        return job_id


class DispatchForm(OnceForm):
    """Everything but the arguments. What is left empty comes from the definition."""

    queue = forms.ChoiceField(required=False)
    priority = forms.IntegerField(
        required=False,
        min_value=-100,
        max_value=100,
        help_text="-100 to 100: a higher one runs first inside its queue.",
    )
    delay = forms.FloatField(
        required=False,
        min_value=0,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="How long to wait before it may run.",
    )
    delay_unit = forms.ChoiceField(
        required=False, choices=[(unit, unit) for unit in UNITS], initial="minutes", label="unit"
    )
    run_at = MomentField(
        required=False,
        label="Or run at",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Optional. It is kept in the audit log.",
    )

    def __init__(self, definition: JobDefinition, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["queue"].choices = [  # type: ignore[attr-defined]
            ("", f"{definition.queue_name} (the definition's)"),
            *((name, name) for name in queue_names.known()),
        ]
        self.fields["priority"].widget.attrs["placeholder"] = str(definition.priority)
        zone = timezone.get_current_timezone_name()
        self.fields["run_at"].help_text = f"In the time zone {zone}."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        amount, run_at = cleaned.get("delay"), cleaned.get("run_at")
        if amount and run_at:
            self.add_error("run_at", "Give a delay or a time, not both.")
        elif run_at and run_at <= timezone.now():
            self.add_error("run_at", "This time has passed.")
        if amount:
            unit = UNITS[cleaned.get("delay_unit") or "seconds"]
            if amount * unit.total_seconds() > LONGEST_DELAY.total_seconds():
                self.add_error("delay", "A delay is at most ten years.")
        return cleaned

    @property
    def wait(self) -> dt.timedelta | None:
        """The delay of a valid form."""
        amount = self.cleaned_data["delay"]
        return amount * UNITS[self.cleaned_data["delay_unit"] or "seconds"] if amount else None
