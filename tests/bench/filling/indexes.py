"""Sets indexes aside while a table is filled: to build one at the end takes a fraction of the time
that it takes to keep it up, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from django.db import connection

MEMORY = "512MB"
"""For the sort of each index; two are built at once."""

_OTHERS = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = ANY (%s::regclass[]) AND NOT indisunique
ORDER BY pg_relation_size(indrelid) DESC
"""


@contextmanager
def set_aside(tables: Sequence[str]) -> Iterator[None]:
    """Run the block without the tables' indexes, apart from those that keep rows unique.

    They are built again whatever becomes of the block. Nothing is done but on PostgreSQL.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS, [list(tables)])
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        statements = [definition for _, definition in found]
        builders = [Thread(target=_build, args=(statements[place::2],)) for place in range(2)]
        for builder in builders:
            builder.start()
        for builder in builders:
            builder.join()


def _build(statements: Sequence[str]) -> None:
    """In a thread, and so over a connection of its own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('maintenance_work_mem', %s, false)", [MEMORY])
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
