"""Walking through many rows in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

T = TypeVar("T")
M = TypeVar("M", bound=Model)


def id_batches(rows: QuerySet[M, Any], size: int) -> Iterator[list[int]]:
    """The ids of `rows` in ascending batches of at most `size`.

    Each batch is its own query that begins after the last id, so that memory stays flat, no
    cursor stays open, and rows that the caller changes or deletes on the way do no harm.
    """
    last: int | None = None
    ordered = rows.order_by("pk")
    while True:
        page = ordered if last is None else ordered.filter(pk__gt=last)
        ids = list(page.values_list("pk", flat=True)[:size])
        if not ids:
            return
        yield ids
        last = ids[-1]


def batched(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
