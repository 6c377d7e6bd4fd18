"""How large the ledger is in PostgreSQL, and how much of it is dead."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.contract import System

_QUESTION = r"""
SELECT coalesce(sum(n_live_tup), 0), coalesce(sum(n_dead_tup), 0),
       coalesce(sum(pg_table_size(relid)), 0), coalesce(sum(pg_indexes_size(relid)), 0),
       coalesce(sum(autovacuum_count), 0)
  FROM pg_stat_user_tables WHERE relname LIKE 'jobs\_%'
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """Of all tables of the app `jobs`."""

    rows: int
    dead_rows: int
    table_bytes: int
    index_bytes: int
    vacuums: int


def growth(system: System) -> Growth:
    """Rows are PostgreSQL's estimates; sizes include free space."""
    return Growth(*(int(value) for value in system.ask(_QUESTION)))
