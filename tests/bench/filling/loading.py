"""Loads rows into the ledger's tables: `COPY` on PostgreSQL, `executemany` on SQLite."""

from __future__ import annotations

import datetime as dt
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import cache, lru_cache
from itertools import islice
from typing import Any

from django.db import connection, models

from jobs.models import Attempt, FailedJob, Job, JobTag
from tests.bench.filling.made_up import Made, Value, Values

BATCH = 20_000
"""Jobs per COPY or transaction."""


def moment(timestamp: float) -> str:
    """A moment as the database of this site stores it: UTC, to the microsecond."""
    seconds, microseconds = divmod(round(timestamp * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{microseconds:06d}{_zone()}"


@lru_cache(maxsize=100_000)
def _second(timestamp: int) -> str:
    """Kept, as jobs of one second have several moments each."""
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


@cache
def _zone() -> str:
    return "" if connection.vendor == "sqlite" else "+00"


class Table:
    """A model's columns in their order, and what a row has where nothing else is said.

    They come from the model, so that a new column with a default needs no change here.
    """

    def __init__(self, model: type[models.Model]) -> None:
        fields = [
            field
            for field in model._meta.concrete_fields
            if not isinstance(field, models.AutoField)
        ]
        self.name = model._meta.db_table
        self.columns = [field.column for field in fields]
        self.defaults = [_default(field) for field in fields]

    def row(self, values: Values) -> list[Value]:
        return [
            values.get(column, default)
            for column, default in zip(self.columns, self.defaults, strict=True)
        ]


def _default(field: Any) -> Value:
    if not field.has_default():
        return None if field.null else ""
    value = field.get_default()
    if isinstance(field, models.JSONField):
        return json.dumps(value)
    return int(value) if isinstance(value, bool) else value


class Loader(ABC):
    """Writes made-up jobs with all that belongs to them."""

    def __init__(self) -> None:
        self.jobs = Table(Job)
        self.attempts = Table(Attempt)
        self.failures = Table(FailedJob)
        self.tags = Table(JobTag)

    def load(self, made: Iterable[Made]) -> int:
        """Write them and return how many jobs they were."""
        written = 0
        rest = iter(made)
        while batch := list(islice(rest, BATCH)):
            self._write(self.jobs, [one.job for one in batch])
            self._write(self.attempts, [row for one in batch for row in one.attempts])
            self._write(self.failures, [one.failed for one in batch if one.failed])
            self._write(self.tags, [row for one in batch for row in one.tags])
            written += len(batch)
        return written

    def _write(self, table: Table, values: Sequence[Values]) -> None:
        if values:
            self.write(table, [table.row(one) for one in values])

    @abstractmethod
    def write(self, table: Table, rows: Sequence[Sequence[Value]]) -> None: ...


class PostgresLoader(Loader):
    def write(self, table: Table, rows: Sequence[Sequence[Value]]) -> None:
        columns = ", ".join(table.columns)
        with ExitStack() as stack:
            cursor = stack.enter_context(connection.cursor())
            copy = stack.enter_context(cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN"))
            for row in rows:
                copy.write_row(row)


class SqliteLoader(Loader):
    def write(self, table: Table, rows: Sequence[Sequence[Value]]) -> None:
        columns = ", ".join(table.columns)
        marks = ", ".join("?" * len(table.columns))
        connection.ensure_connection()
        # The driver's own cursor: Django's would translate each row's placeholders.
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)
        cursor.execute("COMMIT")


def loader() -> Loader:
    """The loader for the database of this site."""
    return SqliteLoader() if connection.vendor == "sqlite" else PostgresLoader()
