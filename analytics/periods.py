"""Days, weeks and months in the site's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.utils import timezone

from analytics.models import Period


class UnknownPeriod(ValueError):
    """A period is daily, weekly or monthly."""


@dataclass(frozen=True, slots=True)
class Span:
    """A period: its first day, and its two ends as moments. `end` is not in it."""

    period: Period
    first_day: date
    start: datetime
    end: datetime


def period_named(name: str) -> Period:
    """Raises `UnknownPeriod`."""
    try:
        return Period(name)
    except ValueError:
        known = ", ".join(Period.values)
        raise UnknownPeriod(f"period: must be one of {known}, not {name!r}") from None


def span_of(period: Period, day: date) -> Span:
    """The period that `day` lies in. Weeks begin on Monday (ISO 8601).

    The ends are midnights of the site's time zone, so that a day of a clock change has 23 or 25
    hours.
    """
    first = _first_day(period, day)
    return Span(period, first, _midnight(first), _midnight(_following(period, first)))


def closed_span(period: Period, now: datetime | None = None) -> Span:
    """The last period that is over: at 01:00 that is yesterday, not the hour-old today."""
    today = timezone.localtime(now, site_zone()).date()
    return span_of(period, _first_day(period, today) - timedelta(days=1))


def day_named(text: str) -> date:
    """Raises `ValueError` unless `text` is a date of the form 2025-03-24."""
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"date: must be a date like 2025-03-24, not {text!r}") from None


def _first_day(period: Period, day: date) -> date:
    if period is Period.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period is Period.MONTHLY else day


def _following(period: Period, first: date) -> date:
    if period is Period.MONTHLY:
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if period is Period.WEEKLY else 1)


def _midnight(day: date) -> datetime:
    # Where midnight is skipped by a clock change, this is the moment that the day begins at.
    return datetime.combine(day, time.min, tzinfo=site_zone())


def site_zone() -> tzinfo:
    """The site's time zone. Not the current one: a request's would shift the days for one user."""
    return timezone.get_default_timezone()
