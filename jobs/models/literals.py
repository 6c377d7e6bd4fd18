"""States as a part of the statement that names them, not as its parameters.

A partial index can serve a statement only if its condition follows from the statement itself. A
plan that is made once for all values, as on a connection with prepared statements, does not know
what `state = $1` will be, and reads the whole table instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Value

from jobs.models.states import JobState


class _Word(Value):
    """A word that needs no quoting beyond the quotes."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return f"'{self.value}'", ()


EMPTY: Any = _Word("")
"""The empty text as a literal."""


def literal(state: str) -> _Word | str:
    """The state as a literal; what is none stays a parameter, and finds nothing."""
    return _Word(str(state)) if state in JobState.values else state


def literals(states: Iterable[str]) -> list[_Word | str]:
    return [literal(state) for state in states]
