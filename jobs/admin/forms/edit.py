"""The form that runs a job again with changes: queue, priority, and why."""

from __future__ import annotations

from typing import Any

from django import forms

from jobs import queue_names
from jobs.admin.forms.dispatch import OnceForm


class EditForm(OnceForm):
    """Everything but the arguments, as the old job had it."""

    queue = forms.ChoiceField()
    priority = forms.IntegerField(
        min_value=-100,
        max_value=100,
        help_text="-100 to 100: a higher one runs first inside its queue.",
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Optional. It is kept in the audit log.",
    )
    field_order = ("queue", "priority", "reason", "job_id")

    def __init__(self, *args: Any, queue: str, priority: int, **kwargs: Any) -> None:
        super().__init__(*args, initial={"queue": queue, "priority": priority}, **kwargs)
        # The old one's queue may be known to nobody any more.
        names = dict.fromkeys((*queue_names.known(), queue))
        self.fields["queue"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
