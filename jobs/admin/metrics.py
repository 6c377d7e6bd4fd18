"""Metrics: throughput, failures, waits and runs of the past, by queue and by definition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jobs.admin.readonly import ReadOnlyAdmin
from jobs.admin.sparkline import bars
from jobs.metrics.figures import Figures
from jobs.metrics.history import Point, Window, course, course_of, courses_of, total
from jobs.models import JobMetric

PERIODS = {
    "1h": ("Last hour", dt.timedelta(hours=1)),
    "24h": ("Last 24 hours", dt.timedelta(hours=24)),
    "7d": ("Last 7 days", dt.timedelta(days=7)),
    "30d": ("Last 30 days", dt.timedelta(days=30)),
}
SHOWN = 200
"""Rows of a table."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. An unknown period is the last hour."""

    period: str
    queue: str
    definition: str

    @classmethod
    def of(cls, request: HttpRequest) -> Asked:
        period = request.GET.get("period", "1h")
        return cls(
            period if period in PERIODS else "1h",
            request.GET.get("queue", "")[:64],
            request.GET.get("definition", "")[:200],
        )

    @property
    def length(self) -> dt.timedelta:
        return PERIODS[self.period][1]

    def address(self, **changed: str) -> str:
        """The query of the same page, but for what is changed."""
        values = {"period": self.period, "queue": self.queue, "definition": self.definition}
        return "?" + urlencode({key: one for key, one in (values | changed).items() if one})


@admin.register(JobMetric)
class JobMetricAdmin(ReadOnlyAdmin):
    """One page, which the address filters."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.course_view)
        return [path("course/", view, name="jobs_jobmetric_course"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._check(request)
        asked = Asked.of(request)
        window = Window.last(asked.length)
        rows = list(window.rows(asked.queue, asked.definition))
        points = course_of(window, rows)
        context = {
            **self.admin_site.each_context(request),
            "title": "Metrics",
            "opts": self.opts,
            "asked": asked,
            "periods": [
                (label, asked.address(period=key), key == asked.period)
                for key, (label, _) in PERIODS.items()
            ],
            "all_queues": asked.address(queue=""),
            "all_definitions": asked.address(definition=""),
            "figures": total(point.figures for point in points),
            "window": window,
            "points": points,
            "course_url": reverse("admin:jobs_jobmetric_course") + asked.address(),
            "tables": [
                _table(asked, window, by, rows)
                for by in ("queue", "definition")
                if not getattr(asked, by)
            ],
            "media": self.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/jobs/jobmetric/change_list.html", context)

    def course_view(self, request: HttpRequest) -> HttpResponse:
        """The course of time as columns, for the chart."""
        self._check(request)
        asked = Asked.of(request)
        points = course(Window.last(asked.length), queue=asked.queue, definition=asked.definition)
        return JsonResponse(_columns(points))

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied


def _table(
    asked: Asked, window: Window, by: Literal["queue", "definition"], rows: Sequence[JobMetric]
) -> dict[str, Any]:
    found = courses_of(window, rows, by)
    lines = [_row(asked, window, by, name, points) for name, points in found.items()]
    lines.sort(key=lambda line: (-line["figures"].ended, line["name"]))
    return {"by": by, "rows": lines[:SHOWN], "more": max(len(lines) - SHOWN, 0)}


def _row(asked: Asked, window: Window, by: str, name: str, points: list[Point]) -> dict[str, Any]:
    figures = total(point.figures for point in points)
    return {
        "name": name,
        "url": asked.address(**{by: name}),
        "figures": figures,
        "per_minute": figures.ended / window.minutes if window.minutes else 0,
        "sparkline": _sparkline(figures, points),
    }


def _sparkline(figures: Figures, points: list[Point]) -> SafeString:
    counts = [point.figures.ended for point in points]
    return bars(counts, f"{figures.ended:,} jobs ended, in {len(points)} stretches of time")


def _columns(points: list[Point]) -> dict[str, Any]:
    """Times in seconds since 1970, jobs a minute, and percentiles in seconds; null for none."""
    return {
        "at": [point.at.timestamp() for point in points],
        "succeeded": [_per_minute(point, point.figures.succeeded) for point in points],
        "failed": [_per_minute(point, point.figures.failed) for point in points],
        "retried": [_per_minute(point, point.figures.retried) for point in points],
        "wait_p50": [_seconds(point.figures.wait.p50) for point in points],
        "wait_p95": [_seconds(point.figures.wait.p95) for point in points],
        "run_p50": [_seconds(point.figures.run.p50) for point in points],
        "run_p95": [_seconds(point.figures.run.p95) for point in points],
    }


def _per_minute(point: Point, count: int) -> float:
    return round(count / (point.length / dt.timedelta(minutes=1)), 3)


def _seconds(duration: dt.timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None
