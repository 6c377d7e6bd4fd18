"""Reads many rows in an order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

PAGE = 500


def pages(rows: QuerySet[Any] | Iterable[UUID], size: int = PAGE) -> Iterator[list[UUID]]:
    """Yield the ids of the rows, ascending, `size` at a time.

    Each page is read when it is asked for, from where the last one ended, so the caller may change
    or delete rows in between. Rows with an id above the highest at the start are not visited: an
    operation that brings forth rows that match its own filter comes to an end. The ascending order
    lets two operations lock their rows without waiting for each other in a circle.
    """
    if not isinstance(rows, QuerySet):
        yield from _chunks(sorted(set(rows)), size)
        return
    if rows.query.is_sliced:
        # The same slice would hold other rows once the first page is changed.
        yield from _chunks(sorted(set(rows.values_list("pk", flat=True))), size)
        return
    plain = _plain(rows)
    last = plain.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return
    page = plain.filter(pk__lte=last).order_by("pk").values_list("pk", flat=True)
    ids = list(page[:size])
    while ids:
        yield ids
        if len(ids) < size:
            return
        ids = list(page.filter(pk__gt=ids[-1])[:size])


def first_of(parts: Sequence[QuerySet[Any]], ordering: Sequence[str], count: int) -> list[Any]:
    """The first `count` rows, in this order, of querysets that have no row in common.

    Each part is read in that order, so that each can use an index of its own. Of several parts the
    `ordering` must name plain fields that are never empty and no text, such as "-id".
    """
    if len(parts) == 1:
        return list(parts[0].order_by(*ordering)[:count])
    rows = [row for part in parts for row in part.order_by(*ordering)[:count]]
    # By the last field first: sorting keeps the order of equal rows.
    for name in reversed(ordering):
        rows.sort(key=attrgetter(name.lstrip("-")), reverse=name.startswith("-"))
    return rows[:count]


def _plain(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows as a queryset that further filters narrow, whatever made it."""
    query = rows.query
    if query.combinator or query.distinct or query.group_by is not None:
        model: type[Model] = rows.model
        chosen = rows.order_by().values("pk")
        return model._default_manager.using(rows.db).filter(pk__in=chosen)
    return rows.order_by()


def _chunks(ids: list[UUID], size: int) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
