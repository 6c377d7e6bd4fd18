"""Filters of the lists. Each uses an index, and none looks through a table for its choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters, ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from jobs import queue_names, registry
from jobs.admin.pagination import CURSORS
from jobs.models import FINISHED_STATES, JobState, OperationState, StepState, WorkflowState

Choices = Iterable[tuple[str, str]]


class ExactFilter(ListFilter):
    """Rows whose `field` has one value. A value that is no choice filters too: it is never
    ignored, since actions on «all that match» rely on it."""

    parameter = ""
    parameters: tuple[str, ...] = ()
    """All names in the query string that it answers for; `parameter` and the further ones."""
    further_parameters: tuple[str, ...] = ()
    field = ""
    as_form = False
    """Whether to choose in a form with a list, instead of by links."""
    template = "admin/jobs/filter.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        given = params.pop(self.parameter, [])
        self.value = given[-1] if given else ""
        if "\x00" in self.value:
            raise IncorrectLookupParameters(f"{self.parameter}: must not contain a NUL character")

    def __init_subclass__(cls) -> None:
        cls.parameters = (cls.parameter, *cls.further_parameters)

    def lookups(self) -> Choices:
        return ()

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value}) if self.value else queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """One dict for the template: the links or options, and what its form must keep."""
        options = list(self.lookups())
        if self.value and self.value not in dict(options):
            options.append((self.value, self.value))
        remove = list(self.parameters)
        yield {
            "filter": self,
            "kept": _kept(changelist, remove),
            "clear": changelist.get_query_string(remove=remove),
            "options": [
                {
                    "value": value,
                    "label": label,
                    "selected": value == self.value,
                    "query": changelist.get_query_string({self.parameter: value}),
                }
                for value, label in options
            ],
        }


class StateFilter(ExactFilter):
    title = "state"
    parameter = "state"

    def lookups(self) -> Choices:
        return JobState.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value in FINISHED_STATES:
            # Says to the database that the index of finished jobs holds them all.
            queryset = queryset.filter(finished_at__isnull=False)
        return queryset.filter(state=self.value) if self.value else queryset


class QueueFilter(ExactFilter):
    title = "queue"
    parameter = "queue"
    field = "queue"

    def lookups(self) -> Choices:
        return [(name, name) for name in queue_names.known()]


class DefinitionFilter(ExactFilter):
    title = "definition"
    parameter = "definition"
    field = "definition"
    as_form = True

    def lookups(self) -> Choices:
        return [(definition.path, definition.path) for definition in registry.all()]


class TagFilter(ExactFilter):
    title = "tag"
    parameter = "tag"
    field = "tags__name"
    as_form = True


class WorkflowStateFilter(ExactFilter):
    title = "state"
    parameter = "state"
    field = "state"

    def lookups(self) -> Choices:
        return [choice for choice in WorkflowState.choices if choice[0] != WorkflowState.WAITING]


class StepStateFilter(ExactFilter):
    title = "state"
    parameter = "state"
    field = "state"

    def lookups(self) -> Choices:
        return StepState.choices


class NameFilter(ExactFilter):
    title = "name"
    parameter = "name"
    field = "name"
    as_form = True


class ExceptionFilter(ExactFilter):
    title = "exception"
    parameter = "exception"
    field = "exception_class"
    as_form = True


class FingerprintFilter(ExactFilter):
    """Failures of one cause; shown once a link to it was followed."""

    title = "cause"
    parameter = "fingerprint"
    field = "fingerprint"
    as_form = True


class RetriedFilter(ExactFilter):
    title = "retried"
    parameter = "retried"

    def lookups(self) -> Choices:
        return (("no", "Not retried"), ("yes", "Retried"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value:
            return queryset
        if self.value not in ("no", "yes"):
            raise IncorrectLookupParameters(f"retried: {self.value!r}: must be yes or no")
        return queryset.filter(retried_at__isnull=self.value == "no")


class EnabledFilter(ExactFilter):
    title = "state"
    parameter = "enabled"

    def lookups(self) -> Choices:
        return (("yes", "Enabled"), ("no", "Paused"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value:
            return queryset
        if self.value not in ("no", "yes"):
            raise IncorrectLookupParameters(f"enabled: {self.value!r}: must be yes or no")
        return queryset.filter(enabled=self.value == "yes")


class OperationStateFilter(ExactFilter):
    title = "state"
    parameter = "state"
    field = "state"

    def lookups(self) -> Choices:
        return OperationState.choices


class ActionFilter(ExactFilter):
    """By the name of an audited operation."""

    title = "action"
    parameter = "action"
    field = "action"
    as_form = True


def _kept(changelist: ChangeList, removed: list[str]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, values in changelist.filter_params.items()
        if name not in removed and name not in CURSORS
        for value in values
    ]
