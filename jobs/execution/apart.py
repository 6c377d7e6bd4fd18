"""Queries of the engine's own from inside a job, apart from the job's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

from jobs.conf import settings

T = TypeVar("T")


def run_apart(query: Callable[[], T], *, on_worker: bool) -> T:
    """Run a query over another thread's connection where it must not, or cannot, be this one's.

    In a transaction of the job it would lock the job's row until that ends, against any rescue
    from a host that falls silent; and Django allows none where an event loop runs. SQLite has one
    writer, which would wait for itself. `on_worker` is false where the job runs in its caller:
    then nobody else may see its row yet.
    """
    mine = connections[settings.DATABASE]
    in_transaction = mine.in_atomic_block and mine.vendor == "postgresql"
    if not _a_loop_runs() and not (in_transaction and on_worker):
        return query()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_then_disconnect, query).result()


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _then_disconnect(query: Callable[[], T]) -> T:
    try:
        return query()
    finally:
        connections.close_all()
