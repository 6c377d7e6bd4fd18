"""What was: figures of the past by queue, by definition and in the course of time, from the
roll-ups, so that they cost the same however many jobs there were, and outlive them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.db.models import Q, QuerySet

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.metrics.figures import Figures, add_up
from jobs.metrics.rollup import floor
from jobs.models import JobMetric, MetricLevel, MetricMark
from jobs.models.metric import LENGTHS

BY_MINUTE = dt.timedelta(hours=3)
"""Windows up to here are told by the minute."""
BY_HOUR = dt.timedelta(days=14)
"""Windows up to here are told by the hour; longer ones by the day."""


@dataclass(frozen=True, slots=True)
class Point:
    """One stretch in the course of time."""

    at: dt.datetime
    length: dt.timedelta
    figures: Figures

    @property
    def per_minute(self) -> float:
        """Jobs that ended."""
        return self.figures.ended / (self.length / dt.timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the past up to what was rolled up last."""

    since: dt.datetime
    until: dt.datetime
    level: MetricLevel
    """By what it is told in the course of time."""

    @classmethod
    def last(cls, length: dt.timedelta, now: dt.datetime | None = None) -> Window:
        """The last hours or days, from the beginning of a stretch of its level on. `now` is the
        database's clock unless given."""
        level = _level_of(length)
        moment = now or ledger().now()
        marks = MetricMark.objects.using(conf.DATABASE).filter(pk=MetricLevel.MINUTE)
        until = marks.values_list("until", flat=True).first() or floor(moment, MetricLevel.MINUTE)
        return cls(floor(moment - length, level), until, level)

    @property
    def minutes(self) -> float:
        return max((self.until - self.since) / dt.timedelta(minutes=1), 0)

    def rows(self, queue: str = "", definition: str = "") -> QuerySet[JobMetric]:
        """The rows that together tell of it, each moment in one of them: the coarsest that are
        complete, then finer ones."""
        found = JobMetric.objects.using(conf.DATABASE).filter(self._parts())
        if queue:
            found = found.filter(queue=queue)
        if definition:
            found = found.filter(definition=definition)
        return found.order_by()

    def _parts(self) -> Q:
        marks = dict(MetricMark.objects.using(conf.DATABASE).values_list("pk", "until"))
        parts, start = Q(pk__in=[]), self.since
        for level in _coarser_first(self.level):
            end = min(marks.get(level, start), self.until)
            if end > start:
                parts |= Q(level=level, at__gte=start, at__lt=end)
                start = end
        return parts


def total(found: Iterable[Figures]) -> Figures:
    """All of these together."""
    whole = Figures()
    for figures in found:
        whole.add(figures)
    return whole


def figures(window: Window, *, queue: str = "", definition: str = "") -> Figures:
    """All of a window together."""
    return total(map(Figures.of, window.rows(queue, definition)))


def course(window: Window, *, queue: str = "", definition: str = "") -> list[Point]:
    """The figures in the course of time, a point for each stretch, those without a job too. The
    last one may not be complete."""
    return course_of(window, window.rows(queue, definition))


def courses_by(
    window: Window, by: Literal["queue", "definition"], *, queue: str = "", definition: str = ""
) -> dict[str, list[Point]]:
    """The course of time of each queue, or of each definition, in the order of their names."""
    return courses_of(window, window.rows(queue, definition), by)


def courses_of(
    window: Window, rows: Iterable[JobMetric], by: Literal["queue", "definition"]
) -> dict[str, list[Point]]:
    """The same from rows of the window that were read already."""
    found: dict[str, list[JobMetric]] = defaultdict(list)
    for row in rows:
        found[getattr(row, by)].append(row)
    return {name: course_of(window, found[name]) for name in sorted(found)}


def course_of(window: Window, rows: Iterable[JobMetric]) -> list[Point]:
    """The course of time from rows of the window that were read already."""
    found = add_up(rows, lambda row: floor(row.at, window.level))
    length, points, at = LENGTHS[window.level], [], window.since
    while at < window.until:
        points.append(Point(at, min(length, window.until - at), found.get(at, Figures())))
        at += length
    return points


def _level_of(length: dt.timedelta) -> MetricLevel:
    if length <= BY_MINUTE:
        return MetricLevel.MINUTE
    return MetricLevel.HOUR if length <= BY_HOUR else MetricLevel.DAY


def _coarser_first(level: MetricLevel) -> list[MetricLevel]:
    levels = [MetricLevel.DAY, MetricLevel.HOUR, MetricLevel.MINUTE]
    return levels[levels.index(level) :]
