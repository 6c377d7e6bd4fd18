"""A clock that stands still until a test moves it, for Python and for the ledger alike.

Python asks `django.utils.timezone.now()`, which is replaced. SQL asks the database: on the caller's
connection to JOBS_DATABASE every call of the database's clock in a statement is replaced by the
moment. Both are undone at the end; nothing of this is in the way of a process that freezes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from django.conf import settings as django_settings
from django.db import connections
from django.utils import timezone

from jobs.conf import settings
from jobs.ledger import outcome

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_CLOCKS = re.compile(
    r"\b(?:statement|clock|transaction)_timestamp\(\)|\bnow\(\)|\bCURRENT_TIMESTAMP\b"
    # As Django's `Now()` is written on SQLite.
    r"|STRFTIME\('%+Y-%+m-%+d %+H:%+M:%+f', 'NOW'\)",
    re.IGNORECASE,
)
# On PostgreSQL a single ready job leaves its time to the column's default.
_INSERT = "INSERT INTO jobs_job ("

_clocks: list[FrozenClock] = []
"""The clocks that are frozen here, the innermost last."""


class FrozenClock:
    """The time inside `frozen_clock()`."""

    def __init__(self, moment: dt.datetime) -> None:
        self._moment = moment.astimezone(dt.UTC)

    def now(self) -> dt.datetime:
        """The moment at which the clock stands, in UTC."""
        return self._moment

    def advance(self, by: dt.timedelta | float) -> dt.datetime:
        """Move the clock on, by a timedelta or by seconds, and return the new moment.

        Raises ValueError for a negative time: jobs cannot become undue.
        """
        return self.move_to(self._moment + _span(by))

    def move_to(self, moment: dt.datetime) -> dt.datetime:
        """Move the clock on to a moment, and return it in UTC.

        Raises ValueError for one that has passed, and for one without a time zone.
        """
        wanted = _aware(moment)
        if wanted < self._moment:
            raise ValueError(
                f"moment: {moment!r}: must not be before {self._moment.isoformat()}, "
                "where the clock stands"
            )
        self._moment = wanted.astimezone(dt.UTC)
        return self._moment

    def _django_now(self) -> dt.datetime:
        """As `timezone.now()` gives it on this site."""
        if django_settings.USE_TZ:
            return self._moment
        return self._moment.astimezone().replace(tzinfo=None)


@contextmanager
def frozen_clock(moment: dt.datetime | None = None) -> Iterator[FrozenClock]:
    """Let the clock stand at a moment, by default at this one, until it is moved on.

    Inside, `timezone.now()` and what the ledger takes for now are that moment: when a job is
    enqueued, due, started and finished, and when schedules run. What stays as it is: `time.time()`
    and `datetime.now()`, timeouts of jobs, other threads' connections, and on PostgreSQL columns
    that the database fills by default.
    """
    clock = FrozenClock(_aware(moment) if moment is not None else present())
    _clocks.append(clock)
    try:
        with (
            patch.object(timezone, "now", clock._django_now),
            # By which a claimed job tells how long it has run.
            patch.object(outcome, "monotonic_ns", lambda: 0),
            connections[settings.DATABASE].execute_wrapper(_tell_the_moment),
        ):
            yield clock
    finally:
        _clocks.pop()


def current_clock() -> FrozenClock | None:
    """The clock that is frozen here, if one is."""
    return _clocks[-1] if _clocks else None


def present() -> dt.datetime:
    """Now, in UTC: where the clock stands, if one is frozen here."""
    clock = current_clock()
    return clock.now() if clock is not None else dt.datetime.now(dt.UTC)


def _tell_the_moment(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    clock = current_clock()
    if clock is not None and isinstance(sql, str):
        sql = _frozen(sql, _literal(clock.now(), context["connection"]))
    return execute(sql, params, many, context)


def _frozen(sql: str, literal: str) -> str:
    """A statement with a moment in the place of the database's clock."""
    if sql.startswith(_INSERT) and "enqueued_at" not in sql.partition(")")[0]:
        sql = sql.replace(_INSERT, f"{_INSERT}enqueued_at, ", 1)
        sql = sql.replace("VALUES (", f"VALUES ({literal}, ", 1)
    return _CLOCKS.sub(literal, sql)


def _literal(moment: dt.datetime, connection: BaseDatabaseWrapper) -> str:
    if connection.vendor == "postgresql":
        return f"'{moment.isoformat()}'::timestamptz"
    return f"'{moment.replace(tzinfo=None).isoformat(' ')}'"


def _span(by: dt.timedelta | float) -> dt.timedelta:
    span = by if isinstance(by, dt.timedelta) else dt.timedelta(seconds=by)
    if span < dt.timedelta(0):
        raise ValueError(f"by: {by!r}: must not be negative")
    return span


def _aware(moment: dt.datetime) -> dt.datetime:
    if not isinstance(moment, dt.datetime) or timezone.is_naive(moment):
        raise ValueError(f"moment: {moment!r}: must be a datetime with a time zone")
    return moment
