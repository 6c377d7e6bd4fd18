"""The forms of rules: their filters are chosen, not typed."""

from __future__ import annotations

from typing import Any

from django import forms

from jobs import queue_names
from jobs.admin.forms.definitions import choices
from jobs.models import NotificationRule


class RuleForm(forms.ModelForm):
    """A rule whose filters are chosen: a misspelt one would let nothing pass, and nobody would be
    told."""

    without_filter = "(any)"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        nothing = ("", self.without_filter)
        self._offer("queue", [nothing, *_queues(self.instance.queue)])
        self._offer("definition", [nothing, *choices(self.instance.definition)[1:]])

    def _offer(self, name: str, options: list[tuple[str, Any]]) -> None:
        # Who may only look has no such field.
        if name in self.fields:
            old = self.fields[name]
            self.fields[name] = forms.ChoiceField(
                choices=options, required=False, label=old.label, help_text=old.help_text
            )


class NotificationRuleForm(RuleForm):
    """Who is told of failure groups."""

    class Meta:
        model = NotificationRule
        fields = ("name", "enabled", "channel", "target", "queue", "definition", "cooldown")


def _queues(kept: str) -> list[tuple[str, Any]]:
    names = dict.fromkeys([*queue_names.known(), *([kept] if kept else [])])
    return [(name, name) for name in names]
