"""What the jobs of every system do: nothing, or one small write to the database."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

from tests.bench import tally

if TYPE_CHECKING:
    import asyncpg
    import psycopg

INSERT = "INSERT INTO bench_write (number) VALUES (%s)"

_own = threading.local()
_pools: dict[str, asyncpg.Pool] = {}
_connecting = asyncio.Lock()


def noop(number: int) -> None:
    """Nothing, beside noting that it ran."""
    tally.of_this_process().mark(number)


def write(number: int) -> None:
    """Commit one row, over a connection that the thread keeps."""
    tally.of_this_process().mark(number)
    _connection().execute(INSERT, [number])


def write_with_django(number: int) -> None:
    """Commit one row over Django's connection, as a job of a Django site does."""
    from django.db import connection

    tally.of_this_process().mark(number)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [number])


async def write_with_asyncpg(number: int) -> None:
    """Commit one row over a pool that the process keeps."""
    tally.of_this_process().mark(number)
    pool = _pools.get("write") or await _connect_pool()
    await pool.execute("INSERT INTO bench_write (number) VALUES ($1)", number)


async def _connect_pool() -> asyncpg.Pool:
    import asyncpg

    # Many jobs may come here at once; a pool that still connects serves nobody.
    async with _connecting:
        if "write" not in _pools:
            address = os.environ["BENCH_POSTGRES"]
            _pools["write"] = await asyncpg.create_pool(address, min_size=1, max_size=10)
    return _pools["write"]


def _connection() -> psycopg.Connection[Any]:
    import psycopg

    # A forked child must not use its parent's connection.
    if getattr(_own, "pid", None) != os.getpid():
        _own.connection = psycopg.connect(os.environ["BENCH_POSTGRES"], autocommit=True)
        _own.pid = os.getpid()
    connection: psycopg.Connection[Any] = _own.connection
    return connection
