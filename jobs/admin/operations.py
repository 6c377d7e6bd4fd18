"""An operation: something an operator may do to rows, the same from every place it is offered."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Min, Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from jobs.admin.display import when
from jobs.audit import Actor

COUNT_CAP = 10_000
NAMES_SHOWN = 6

Facts = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Touched:
    """What an operation is about to touch. `more` says that there are more rows than `count`."""

    count: int
    facts: Facts
    more: bool = False

    @property
    def amount(self) -> str:
        return f"{self.count:,}+" if self.more else f"{self.count:,}"


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation did, in words, for the message that follows it."""

    message: str
    level: int = messages.SUCCESS


@dataclass(frozen=True, slots=True)
class Matching:
    """A list's filter as it stands in the address, and the time up to which rows are meant."""

    filters: Mapping[str, str]
    search: str
    until: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a confirmed operation was given: by whom, why, on which rows in words, and the rest of
    its form."""

    actor: Actor
    reason: str = ""
    scope: str = ""
    matching: Matching | None = None
    """Given where it is for all rows that match a list's filter."""
    data: Mapping[str, Any] = field(default_factory=dict)


class ReasonForm(forms.Form):
    """What every operation asks: why."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text="Optional. It is kept in the audit log.",
    )


def always(row: Any) -> str:
    return ""


def nowhere() -> str:
    return ""


def all_rows(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation and all that its surfaces need: buttons, confirmation, permission, effect.

    It is offered on selected rows, on all rows that match a list's filter, or on a single row.
    """

    name: str
    label: str
    permission: str
    """The admin class answers for it with `has_<permission>_permission(request)`."""
    consequence: str
    """What will happen, in a sentence or two."""
    touches: Callable[[Any], Touched]
    perform: Callable[[Any, Order], Result]
    applicable: Callable[[Any], Any] = all_rows
    """The rows among those given that it can touch."""
    refusal: Callable[[Any], str] = always
    """Why it cannot be done to this row now; empty if it can."""
    form: type[forms.Form] = ReasonForm
    selected: bool = False
    matching: bool = False
    single: bool = False
    destructive: bool = False
    undo: Callable[[], str] = nowhere
    """How a destructive one can be undone; empty if it cannot."""
    bounded_by: str = ""
    """Of all that match, only rows whose time in this field is not after the confirmation's."""
    leaves_row: bool = True
    """Whether the row is still there afterwards."""

    def phrase(self, amount: str, model: type[Model]) -> str:
        """Such as «Retry 12 failed jobs»."""
        options = model._meta
        noun = options.verbose_name if amount == "1" else options.verbose_name_plural
        return f"{self.label} {amount} {noun}"


def action_of(operation: Operation) -> Callable[..., Any]:
    """The operation as an action of a list, on the selected rows."""

    @admin.action(
        permissions=[operation.permission], description=f"{capfirst(operation.label)} selected"
    )
    def act(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return modeladmin.operate_on_selected(request, queryset, operation)

    act.__name__ = f"{operation.name}_selected"
    return act


def rows_of_jobs(time_field: str, *, exact: bool) -> Callable[[Any], Touched]:
    """Tell count, oldest, queues and definitions of jobs or failed jobs.

    Not exact, it looks at 10,000 rows at most and says when there are more.
    """

    def touches(rows: QuerySet[Any]) -> Touched:
        rows = rows.order_by()
        queues: Counter[str] = Counter()
        definitions: Counter[str] = Counter()
        oldest: dt.datetime | None = None
        if exact:
            told = rows.aggregate(count=Count("pk"), oldest=Min(time_field))
            count, oldest = told["count"], told["oldest"]
            queues.update(dict(_per("queue", rows)))
            definitions.update(dict(_per("definition", rows)))
        else:
            sample = list(rows.values_list("queue", "definition", time_field)[: COUNT_CAP + 1])
            count = len(sample)
            for queue, definition, moment in sample[:COUNT_CAP]:
                queues[queue] += 1
                definitions[definition] += 1
                oldest = moment if oldest is None else min(oldest, moment)
        more = not exact and count > COUNT_CAP
        facts: Facts = []
        if count:
            at_least = " (of those looked at)" if more else ""
            facts = [
                (f"Oldest{at_least}", when(oldest)),
                (f"Queues{at_least}", _listed(queues)),
                (f"Definitions{at_least}", _listed(definitions)),
            ]
        return Touched(min(count, COUNT_CAP) if more else count, facts, more)

    return touches


def rows_by_name(rows: Any) -> Touched:
    """Tell the rows by their names."""
    names = [str(row) for row in rows]
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return Touched(len(names), [("Which", shown)] if names else [])


def _per(field: str, rows: QuerySet[Any]) -> Any:
    return rows.values_list(field).annotate(rows=Count("pk"))


def _listed(counter: Counter[str]) -> str:
    shown = [f"{name} ({count:,})" for name, count in counter.most_common(NAMES_SHOWN)]
    more = len(counter) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
