from __future__ import annotations

import calendar
from datetime import datetime, timedelta

from .bounds import BoundedRule
from .cron import CronTimes
from .interval import CalendarIntervalRule, IntervalRule
from .once import OnceRule
from .rules import CronRule, Rule
from .slots import as_utc
from .zones import zone_named

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
EVERY_DAY = "Every day"
TIMES_TOLD = 6


def describe(rule: Rule, *, show_zone: bool = True) -> str:
    """The rule as an English sentence without a full stop: "Every day at 02:00 (Europe/Rome)".

    The zone is named wherever the sentence names a time or a day, unless ``show_zone`` is False.
    Every rule has a sentence that is true of it; an unusual cron expression gets its values listed.
    Raises TypeError for a rule of another kind.
    """
    match rule:
        case BoundedRule():
            return describe(rule.rule, show_zone=show_zone)
        case CronRule():
            text, needs_zone = _cron(rule.times)
        case IntervalRule():
            text, needs_zone = _interval(rule)
        case CalendarIntervalRule():
            text, needs_zone = _calendar(rule), True
        case OnceRule():
            at = as_utc("at", rule.at).astimezone(zone_named(rule.timezone))
            date = f"{at.day} {calendar.month_name[at.month]} {at.year}"
            text, needs_zone = f"Once on {date} at {_time_of(at)}", True
        case _:
            raise TypeError(f"{type(rule).__name__} is not a rule that has words")
    return f"{text} ({rule.timezone})" if needs_zone and show_zone else text


def _cron(times: CronTimes) -> tuple[str, bool]:
    day = _day_phrase(times)
    frequency = _frequency(times)
    if frequency is None:
        if times.per_day <= TIMES_TOLD:
            return f"{day} at {_listed(_times_of_day(times))}", True
        return f"{day}, at {_values_listed(times)}", True
    hours = times.hours
    whole_day = len(hours) == 24 or _step_over(hours, 24) is not None
    if not whole_day:
        frequency += f" between {hours[0]:02}:00 and {hours[-1]:02}:59"
    if day == EVERY_DAY:
        return frequency, not whole_day
    return f"{frequency}, {day[0].lower()}{day[1:]}", True


def _frequency(times: CronTimes) -> str | None:
    """Words such as "Every 15 minutes", where the times of a day are evenly spaced; else None."""
    every_hour, every_minute = len(times.hours) == 24, len(times.minutes) == 60
    in_a_row = times.hours == tuple(range(times.hours[0], times.hours[-1] + 1))
    seconds, minutes, hours = (
        _step_over(times.seconds, 60),
        _step_over(times.minutes, 60),
        _step_over(times.hours, 24),
    )
    if every_minute and seconds and in_a_row:
        return _every(seconds, "second")
    if times.seconds == (0,) and minutes and in_a_row and (every_hour or len(times.minutes) > 1):
        return _every(minutes, "minute")
    if times.seconds != (0,) or len(times.minutes) != 1:
        return None
    at_minute = f" at minute {times.minutes[0]}" if times.minutes[0] else ""
    if every_hour or (in_a_row and len(times.hours) > TIMES_TOLD):
        return "Every hour" + at_minute
    if hours and not times.fixed:
        return _every(hours, "hour") + at_minute
    return None


def _step_over(values: tuple[int, ...], size: int) -> int | None:
    """n where ``values`` are 0, n, 2n … and start over evenly after ``size``; else None."""
    step = size // len(values)
    return (
        step
        if len(values) > 1 and values == tuple(range(0, size, step)) and not size % step
        else None
    )


def _day_phrase(times: CronTimes) -> str:
    days, weekdays = _days_of_month(times), _weekdays(times)
    if times.either_day and not (days and weekdays):
        days = weekdays = ""
    months = ""
    if len(times.months) < 12:
        months = _listed([calendar.month_name[month] for month in times.months])
    if days and weekdays:
        joint = "and on" if times.either_day else "if it is"
        phrase = f"On {days} of the month {joint} {weekdays}"
    elif days:
        only = sorted(times.days.values)
        one_date = len(times.months) == len(only) == 1 and not times.days.last
        if one_date and (times.months, only) != ((2,), [29]):
            return f"Every year on {only[0]} {months}"
        return f"On {days} of {months or 'the month'}"
    elif weekdays:
        phrase = f"Every {weekdays}" if not times.weekdays.nth else f"On {weekdays}"
    else:
        phrase = EVERY_DAY
    return f"{phrase} in {months}" if months else phrase


def _days_of_month(times: CronTimes) -> str:
    days = sorted(times.days.values)
    if len(days) == 31:
        return ""
    last = ["the last day"] if times.days.last else []
    if not days:
        return last[0]
    return _listed([f"day {days[0]}" if len(days) == 1 else f"days {_listed(days)}", *last])


def _weekdays(times: CronTimes) -> str:
    days = sorted(times.weekdays.values)
    if len(days) == 7:
        return ""
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        plain = [f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"]
    else:
        plain = [WEEKDAYS[day] for day in days]
    nth = [f"the {ORDINALS[n]} {WEEKDAYS[day]}" for day, n in sorted(times.weekdays.nth)]
    return _listed([*plain, *nth])


def _times_of_day(times: CronTimes) -> list[str]:
    return [
        f"{hour:02}:{minute:02}" + (f":{second:02}" if times.seconds != (0,) else "")
        for hour in times.hours
        for minute in times.minutes
        for second in times.seconds
    ]


def _values_listed(times: CronTimes) -> str:
    parts = []
    if times.seconds != (0,):
        parts.append(_values("second", times.seconds, 60))
    parts.append(_values("minute", times.minutes, 60))
    parts.append(_values("hour", times.hours, 24))
    return " of ".join(parts)


def _values(name: str, values: tuple[int, ...], size: int) -> str:
    if len(values) == size:
        return f"every {name}"
    return f"{name}{'s' if len(values) > 1 else ''} {_listed(values)}"


def _interval(rule: IntervalRule) -> tuple[str, bool]:
    if not rule.keeps_wall_clock:
        return f"Every {_duration(rule.every)}", False
    anchor = rule.anchor.astimezone(zone_named(rule.timezone))
    days = rule.every.days
    if days % 7:
        return f"{_every(days, 'day')} at {_time_of(anchor)}", True
    weekday = WEEKDAYS[anchor.isoweekday() % 7]
    week = f"Every {weekday}" if days == 7 else f"{_every(days // 7, 'week')} on {weekday}"
    return f"{week} at {_time_of(anchor)}", True


def _duration(every: timedelta) -> str:
    """Words such as "1 hour 30 minutes"; "hour" where there is just one."""
    minutes, seconds = divmod(every.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [(hours, "hour"), (minutes, "minute"), (seconds, "second")]
    told = [(amount, unit) for amount, unit in parts if amount]
    if len(told) == 1 and told[0][0] == 1:
        return told[0][1]
    return " ".join(f"{amount:g} {unit}{'' if amount == 1 else 's'}" for amount, unit in told)


def _calendar(rule: CalendarIntervalRule) -> str:
    anchor = rule.anchor.astimezone(zone_named(rule.timezone))
    time = _time_of(anchor)
    years, months = divmod(rule.months, 12)
    if not months:
        date = f"{anchor.day} {calendar.month_name[anchor.month]}"
        leap = " (28 February in other years)" if (anchor.day, anchor.month) == (29, 2) else ""
        return f"{_every(years, 'year')} on {date}{leap} at {time}"
    short = ", or the last of a shorter month," if anchor.day > 28 else ""
    if rule.months == 1:
        return f"On day {anchor.day} of the month{short} at {time}"
    return f"Every {rule.months} months on day {anchor.day}{short} at {time}"


def _every(amount: int, unit: str) -> str:
    return f"Every {unit}" if amount == 1 else f"Every {amount} {unit}s"


def _time_of(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _listed(items: list[str] | list[int] | tuple[int, ...]) -> str:
    *first, last = (str(item) for item in items)
    return f"{', '.join(first)} and {last}" if first else last
