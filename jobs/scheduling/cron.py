from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from .cron_fields import DAY, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND, CronField, FieldValues
from .slots import RuleError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# The weekdays of 29 February repeat after 28 years within a century.
YEARS_TO_SEARCH = range(2000, 2040)


@dataclass(frozen=True, slots=True)
class CronTimes:
    """The wall-clock times of a cron expression. Made by ``parse_cron``.

    ``seconds``, ``minutes``, ``hours`` and ``months`` are ascending. ``fixed`` is False when the
    seconds, minutes or hours begin with ``*``. A day matches when its day of month and its day of
    week both do; when neither of these fields begins with ``*``, one of the two is enough, as in
    Vixie's cron.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: FieldValues
    months: tuple[int, ...]
    weekdays: FieldValues
    fixed: bool

    @property
    def either_day(self) -> bool:
        return not self.days.wildcard and not self.weekdays.wildcard

    @property
    def per_day(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def days_of(self, year: int, month: int) -> list[int]:
        """The days of a month on which the expression runs."""
        if month not in self.months:
            return []
        monday_based, length = calendar.monthrange(year, month)
        matching = []
        for day in range(1, length + 1):
            # Cron counts weekdays from Sunday = 0.
            weekday = (monday_based + day) % 7
            by_day = day in self.days.values or (self.days.last and day == length)
            by_weekday = (
                weekday in self.weekdays.values
                or (weekday, (day + 6) // 7) in self.weekdays.nth
                or ((weekday, -1) in self.weekdays.nth and day + 7 > length)
            )
            if (by_day or by_weekday) if self.either_day else (by_day and by_weekday):
                matching.append(day)
        return matching

    def walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The wall-clock times with ``start <= wall < end``, in order."""
        if start.microsecond:
            start = start.replace(microsecond=0) + timedelta(seconds=1)
        for year, month in _months(start, end):
            for day in self.days_of(year, month):
                at_start = (year, month, day) == (start.year, start.month, start.day)
                if at_start:
                    times = self._times_from(start)
                elif (year, month, day) < (start.year, start.month, start.day):
                    continue
                else:
                    times = self._times()
                for hour, minute, second in times:
                    wall = datetime(year, month, day, hour, minute, second)
                    if wall >= end:
                        return
                    yield wall

    def count(self, start: datetime, end: datetime) -> int:
        """How many times there are with ``start <= wall < end``; costs a step per month."""
        if start >= end:
            return 0
        first, last = start.date(), end.date()
        total = 0
        for year, month in _months(start, end):
            days = self.days_of(year, month)
            total += len(days) * self.per_day
            if (year, month) == (first.year, first.month):
                total -= bisect_left(days, first.day) * self.per_day
                total -= self._times_before(start) if first.day in days else 0
            if (year, month) == (last.year, last.month):
                total -= (len(days) - bisect_left(days, last.day)) * self.per_day
                total += self._times_before(end) if last.day in days else 0
        return total

    def _times(self) -> Iterator[tuple[int, int, int]]:
        for hour in self.hours:
            for minute in self.minutes:
                for second in self.seconds:
                    yield hour, minute, second

    def _times_from(self, start: datetime) -> Iterator[tuple[int, int, int]]:
        for hour in self.hours[bisect_left(self.hours, start.hour) :]:
            same_hour = hour == start.hour
            minutes = self.minutes
            for minute in minutes[bisect_left(minutes, start.minute) :] if same_hour else minutes:
                seconds = self.seconds
                if same_hour and minute == start.minute:
                    seconds = seconds[bisect_left(seconds, start.second) :]
                for second in seconds:
                    yield hour, minute, second

    def _times_before(self, wall: datetime) -> int:
        """How many times of a day lie before the time of day of ``wall``."""
        total = bisect_left(self.hours, wall.hour) * len(self.minutes) * len(self.seconds)
        if wall.hour in self.hours:
            total += bisect_left(self.minutes, wall.minute) * len(self.seconds)
            if wall.minute in self.minutes:
                total += bisect_left(self.seconds, wall.second)
                total += wall.second in self.seconds and wall.microsecond > 0
        return total


@lru_cache(maxsize=4096)
def parse_cron(expression: str) -> CronTimes:
    """Reads a cron expression of five fields, six with the seconds first, or a macro (``@daily``).

    Fields: second (0-59, optional), minute (0-59), hour (0-23), day of month (1-31, ``L`` for the
    last), month (1-12, JAN-DEC), day of week (0-7 with 0 and 7 for Sunday, SUN-SAT; ``FRI#2`` for
    the second Friday of the month, ``FRIL`` for the last). Each takes ``*``, lists, ranges and
    steps. Raises RuleError for anything else, and for what never runs, such as 30 February.
    """
    words = expression.split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0].lower() not in MACROS:
            raise RuleError("cron", expression, f"is not one of {', '.join(MACROS)}")
        words = MACROS[words[0].lower()].split()
    if len(words) == 5:
        words = ["0", *words]
    if len(words) != 6:
        raise RuleError(
            "cron",
            expression,
            f"has {len(words)} fields; needs five (minute, hour, day of month, month, "
            "day of week), or six with the seconds first",
        )

    def read(field: CronField, text: str) -> FieldValues:
        try:
            return field.parse(text)
        except ValueError as error:
            raise RuleError("cron", expression, str(error)) from error

    fields = (SECOND, MINUTE, HOUR, DAY, MONTH, DAY_OF_WEEK)
    second, minute, hour, day, month, weekday = map(read, fields, words)
    times = CronTimes(
        seconds=tuple(sorted(second.values)),
        minutes=tuple(sorted(minute.values)),
        hours=tuple(sorted(hour.values)),
        days=day,
        months=tuple(sorted(month.values)),
        weekdays=weekday,
        fixed=not (second.wildcard or minute.wildcard or hour.wildcard),
    )
    if not any(times.days_of(year, month) for year in YEARS_TO_SEARCH for month in times.months):
        raise RuleError("cron", expression, "never runs: no such day exists in any year")
    return times


def with_seconds_first(expression: str) -> str:
    """A croniter expression, as django-q2 stores it, in our order: there the seconds come last."""
    words = expression.split()
    return " ".join([words[5], *words[:5]]) if len(words) == 6 else expression


def _months(start: datetime, end: datetime) -> Iterator[tuple[int, int]]:
    year, month = start.year, start.month
    while (year, month) <= (end.year, end.month):
        yield year, month
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
