"""Moments and durations as people type them."""

from __future__ import annotations

import datetime as dt
import re
from argparse import ArgumentTypeError

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
FORMS = "a duration such as 90s, 30m, 2h, 7d or 1d12h"


def duration(text: str) -> dt.timedelta:
    """Read "90s", "30m", "2h", "7d", "1w" or several in a row. Raises ArgumentTypeError."""
    lowered = text.strip().lower().replace(" ", "")
    if not _DURATION.fullmatch(lowered):
        raise ArgumentTypeError(f"{text!r} is not {FORMS}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(lowered))
    try:
        length = dt.timedelta(seconds=seconds)
        timezone.now() - length
        timezone.now() + length
    except OverflowError:
        raise ArgumentTypeError(f"{text!r} is longer than time can be counted") from None
    return length


def past(text: str) -> dt.datetime:
    """A past moment: a date, with a time or not, or how long ago. ArgumentTypeError if not."""
    now = timezone.now()
    found = now - duration(text) if _is_duration(text) else _absolute(text)
    if found > now:
        raise ArgumentTypeError(f"{text!r} is in the future")
    return found


def future(text: str) -> dt.datetime:
    """A coming moment: a date, with a time or not, or in how long. ArgumentTypeError if not."""
    now = timezone.now()
    found = now + duration(text) if _is_duration(text) else _absolute(text)
    if found <= now:
        raise ArgumentTypeError(f"{text!r} is in the past")
    return found


def _is_duration(text: str) -> bool:
    return bool(_DURATION.fullmatch(text.strip().lower().replace(" ", "")))


def _absolute(text: str) -> dt.datetime:
    try:
        found = parse_datetime(text.strip())
        if found is None and (day := parse_date(text.strip())) is not None:
            found = dt.datetime.combine(day, dt.time())
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None
    if found is None:
        raise ArgumentTypeError(
            f"{text!r} is neither {FORMS}, nor a moment such as 2026-03-01 or 2026-03-01T14:30"
        )
    return timezone.make_aware(found) if timezone.is_naive(found) else found
