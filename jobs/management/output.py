"""How commands print: JSON for programs, tables and short phrases for people."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

NOTHING = "-"
LONGEST_CELL = 60


def as_json(value: Any) -> str:
    """Indented JSON: moments in ISO 8601, durations in seconds, ids and paths as text."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def plain(value: Any) -> Any:
    """The value as JSON has it; dataclasses become objects. TypeError for what it cannot hold."""
    match value:
        case None | bool() | str():
            return str(value) if isinstance(value, str) else value
        case int():
            return int(value)
        case float():
            return round(value, 6)
        case dt.timedelta():
            return round(value.total_seconds(), 6)
        case dt.datetime() | dt.date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns as wide as they need; numbers to the right. Long cells lose their middle."""
    cells = [[cell(item) for item in row] for row in rows]
    raw = [tuple(row) for row in [list(headings), *cells]]
    widths = [max(len(row[column]) for row in raw) for column in range(len(headings))]
    right = [
        bool(cells) and all(row[column][:1].isdigit() or row[column] == NOTHING for row in cells)
        for column in range(len(headings))
    ]
    lines = []
    for row in raw:
        parts = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def cell(value: Any) -> str:
    """One value as a short text on one line."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case dt.timedelta():
            return duration(value)
        case dt.datetime():
            return moment(value)
        case list() | tuple():
            text = ", ".join(str(item) for item in value)
        case _:
            text = str(value)
    text = " ".join(text.split())
    if len(text) > LONGEST_CELL:
        half = (LONGEST_CELL - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text or NOTHING


def moment(value: dt.datetime) -> str:
    """Date and time to the second, in the current time zone."""
    return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")


def duration(value: dt.timedelta) -> str:
    """Two units at most: "120 ms", "4.2 s", "3 min 20 s", "2 d 4 h"."""
    seconds = value.total_seconds()
    if seconds < 0:
        return f"-{duration(-value)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Such as "1 job", "2,000 failed jobs"; the plural is with an s unless it is given."""
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"
