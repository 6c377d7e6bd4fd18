"""Filters of the lists by time."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters, ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.admin.filters import Choices, ExactFilter
from jobs.admin.moments import moment_of
from jobs.identifiers import uuid7_floor

APART = dt.timedelta(hours=1)
"""The clock of a caller, which makes ids, and that of the database are less apart. It tells the
indexes by `enqueued_at` where to begin and end."""


class PeriodFilter(ExactFilter):
    """Rows from a time range: the latest minutes, hours or days, or from one time to another."""

    title = "time"
    parameter = "period"
    further_parameters = ("from", "to")
    template = "admin/jobs/filter_period.html"
    periods = (
        ("15m", "Last 15 minutes", dt.timedelta(minutes=15)),
        ("1h", "Last hour", dt.timedelta(hours=1)),
        ("24h", "Last 24 hours", dt.timedelta(hours=24)),
        ("7d", "Last 7 days", dt.timedelta(days=7)),
    )

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.start = params.pop("from", [""])[-1]
        self.end = params.pop("to", [""])[-1]

    def lookups(self) -> Choices:
        return [(value, label) for value, label, _ in self.periods]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value:
            lengths = {value: length for value, _, length in self.periods}
            if self.value not in lengths:
                raise IncorrectLookupParameters(f"period: {self.value!r}: is not a known period")
            queryset = self.since(queryset, timezone.now() - lengths[self.value])
        if self.start:
            queryset = self.since(queryset, _moment("from", self.start))
        if self.end:
            queryset = self.until(queryset, _moment("to", self.end))
        return queryset

    def since(self, queryset: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__gte": moment})

    def until(self, queryset: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__lte": moment})


class EnqueuedFilter(PeriodFilter):
    """By the time in the job's id: that is when the caller made it, and it needs no index of its
    own."""

    title = "time enqueued"

    def since(self, queryset: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
        return queryset.filter(id__gte=uuid7_floor(moment), enqueued_at__gte=moment - APART)

    def until(self, queryset: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
        end = uuid7_floor(moment + dt.timedelta(milliseconds=1))
        return queryset.filter(id__lt=end, enqueued_at__lte=moment + APART)


class FailedAtFilter(PeriodFilter):
    title = "time failed"
    field = "failed_at"


class AuditedAtFilter(PeriodFilter):
    title = "time"
    field = "at"


def _moment(name: str, text: str) -> dt.datetime:
    try:
        return moment_of(text)
    except ValueError as error:
        raise IncorrectLookupParameters(f"{name}: {text!r}: {error}") from error
