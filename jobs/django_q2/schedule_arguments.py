"""The arguments of a django-q2 schedule, which are texts of Python literals."""

from __future__ import annotations

import ast
from typing import Any

from jobs.exceptions import JobsError


class MalformedSchedule(JobsError, ValueError):
    """A django-q2 schedule cannot be run: `field`, `value` and `rule` say why."""

    def __init__(self, field: str, value: Any, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{field}: {value!r}: {rule}")


UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)
"""What `ast.literal_eval` raises (its documentation)."""


def positional(text: str | None) -> tuple[Any, ...]:
    """Read `1, 2, 'John'`; a single value is one argument. Raises MalformedSchedule."""
    if not text:
        return ()
    try:
        value = ast.literal_eval(text)
    except UNREADABLE as error:
        raise MalformedSchedule(
            "args", text, f"is not a list of Python literals: {error}"
        ) from error
    return value if isinstance(value, tuple) else (value,)


def keyword(text: str | None) -> dict[str, Any]:
    """Read `x=1, name='John'` or `{'x': 1, 'name': 'John'}`. Raises MalformedSchedule."""
    if not text:
        return {}
    try:
        value = ast.literal_eval(text)
    except UNREADABLE:
        value = _keywords(text)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise MalformedSchedule("kwargs", text, "is neither x=1, y=2 nor a dict with names as keys")
    return value


def _keywords(text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args):
            raise ValueError("not keyword arguments alone")
        return {_name(item): ast.literal_eval(item.value) for item in call.keywords}
    except UNREADABLE as error:
        raise MalformedSchedule(
            "kwargs", text, f"is not a list of names with Python literals: {error}"
        ) from error


def _name(item: ast.keyword) -> str:
    if item.arg is None:
        raise ValueError("** needs a literal")
    return item.arg
