"""Counts that stop at a limit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Self, TypeVar

from django.db import connections
from django.db.models import QuerySet, Value

from jobs.conf import settings as conf

LIMIT = 10_000
"""Counting stops here unless the caller says otherwise."""

Key = TypeVar("Key", bound=Hashable)


class BoundedCount(int):
    """A number of rows; where `capped`, there are more. Its text is such as "42" or "10,000+"."""

    capped: bool

    def __new__(cls, value: int, *, capped: bool = False) -> Self:
        count = super().__new__(cls, value)
        count.capped = capped
        return count

    @classmethod
    def of(cls, found: int, limit: int) -> Self:
        """What a count that looked at `limit` + 1 rows at most tells."""
        return cls(min(found, limit), capped=found > limit)

    def __add__(self, other: int) -> BoundedCount:
        capped = self.capped or getattr(other, "capped", False)
        return BoundedCount(int(self) + int(other), capped=capped)

    __radd__ = __add__

    def __str__(self) -> str:
        return f"{int(self):,}+" if self.capped else f"{int(self):,}"


def bounded_counts(
    rows: Mapping[Key, QuerySet[Any]], limit: int = LIMIT
) -> dict[Key, BoundedCount]:
    """Count each of these querysets up to `limit`, all with one statement.

    The cost is that of reading `limit` rows of each, if an index finds them.
    """
    if not rows:
        return {}
    connection = connections[conf.DATABASE]
    parts: list[str] = []
    parameters: list[Any] = []
    for number, queryset in enumerate(rows.values()):
        # No column at all: then an index that finds the rows is all that is read.
        query = queryset.order_by().values(row=Value(1))[: limit + 1].query
        sql, values = query.get_compiler(connection=connection).as_sql()
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) AS counted_{number})")
        parameters += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        found = cursor.fetchone()
    return {key: BoundedCount.of(count, limit) for key, count in zip(rows, found, strict=True)}
