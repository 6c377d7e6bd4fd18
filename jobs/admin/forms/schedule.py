"""The form of a schedule: its rule, its job, and that job's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.forms.utils import ErrorDict

from jobs import registry
from jobs.admin.forms.arguments import SHOWN, ArgumentsForm
from jobs.admin.forms.definitions import choices
from jobs.conf import settings as conf
from jobs.models import JobSchedule, ScheduleKind
from jobs.scheduling.binding import FIELD_OF_KIND, validate

LOAD = "_load_arguments"
SEE_ARGUMENTS = "Some arguments are not valid: see below."


class JobScheduleForm(forms.ModelForm):
    """Checks what the model cannot: rule, queue and arguments, each told at its field.

    While the form is submitted by the button that loads another definition's arguments, nothing is
    checked, nothing is saved, and everything that was typed stays.
    """

    class Meta:
        model = JobSchedule
        fields = (
            "name", "definition", "enabled", "kind", "cron", "every", "run_at", "timezone",
            "starts_at", "ends_at", "dst_gap", "dst_overlap", "missed", "missed_limit", "grace",
            "no_overlap", "jitter", "queue", "priority", "notes",
        )  # fmt: skip
        widgets = {
            "cron": forms.TextInput(attrs={"class": "vTextField jobs-code"}),
            "every": forms.TextInput(attrs={"class": "vTextField"}),
            "notes": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        }

    arguments_form: ArgumentsForm | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.definition
        self._offer("definition", choices(stored))
        self._offer("queue", _queues(self.instance.queue))
        self._offer("timezone", _zones(self.instance.timezone))
        if "priority" in self.fields:
            # Told here at the field; the table's own constraint would tell it of the whole form.
            self.fields["priority"].validators.append(MinValueValidator(-100))
        self.loading = self.is_bound and LOAD in self.data
        self.arguments_form = self._arguments_form()

    def _offer(self, name: str, options: Any) -> None:
        if name in self.fields:
            old = self.fields[name]
            self.fields[name] = forms.ChoiceField(
                choices=options,
                required=old.required,
                label=old.label,
                help_text=old.help_text,
                initial=old.initial,
            )

    def _arguments_form(self) -> ArgumentsForm | None:
        name = self.data.get("definition") if self.is_bound else self.initial.get("definition", "")
        stored_name = self.instance.definition
        # Only a stored name may lead to an import.
        known = registry.find if name == stored_name else registry.registered
        definition = known(name) if name else None
        if definition is None or "definition" not in self.fields:
            return None
        stored = self.instance.arguments if name == stored_name else None
        if not self.is_bound:
            return ArgumentsForm(definition, stored=stored)
        shown = self.data.get(SHOWN, "")
        if self.loading or shown != name:
            # The browser has not shown this definition's form yet: there is nothing to check.
            return ArgumentsForm(definition, stored=stored, typed=self.data)
        return ArgumentsForm(definition, self.data, stored=stored)

    @property
    def unknown_definition(self) -> str:
        """The stored definition, if it is no longer registered."""
        name = self.instance.definition
        return name if name and registry.find(name) is None else ""

    def full_clean(self) -> None:
        if self.loading:
            self._errors = ErrorDict()
            self.cleaned_data = {}
            return
        super().full_clean()

    def is_valid(self) -> bool:
        return super().is_valid() and not self.loading

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        form = self.arguments_form
        if form is None:
            return cleaned
        if not form.is_bound:
            self.add_error(
                "definition", "Its arguments were not shown yet. Check them below, then save."
            )
        elif not form.is_valid():
            self.add_error(None, SEE_ARGUMENTS)
        else:
            self.instance.arguments = form.payload
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        _forget_other_kinds(self.instance)
        try:
            validate(self.instance)
        except ValidationError as error:
            self._tell(error.message_dict)

    def _tell(self, messages: Mapping[str, list[str]]) -> None:
        for field, texts in messages.items():
            for text in texts:
                if field in self.fields:
                    self.add_error(field, text)
                else:
                    self.add_error(None, f"{field}: {text}")


def _forget_other_kinds(schedule: JobSchedule) -> None:
    """Empty the fields of the kinds that the schedule is not, so that no dead rule is shown."""
    empty = {"cron": "", "every": None, "run_at": None}
    for kind, field in FIELD_OF_KIND.items():
        if kind != ScheduleKind(schedule.kind):
            setattr(schedule, field, empty[field])


def _queues(kept: str) -> list[tuple[str, str]]:
    names = [*conf.QUEUES, *([kept] if kept and kept not in conf.QUEUES else [])]
    return [("", "(the definition's queue)"), *((name, name) for name in names)]


def _zones(kept: str) -> list[tuple[str, Any]]:
    """All time zones, by continent; those without one first."""
    names = sorted(available_timezones() | {kept}, key=lambda name: ("/" in name, name))
    groups = [
        (region, [(name, name) for name in group])
        for region, group in groupby(names, key=lambda name: name.partition("/")[0] * ("/" in name))
    ]
    alone = [option for region, options in groups if not region for option in options]
    return [*alone, *((region, options) for region, options in groups if region)]
