"""The ledger: which jobs there are and who runs them; the SQL of the hot path.

`ledger()` gives the implementation for a connection's database; `contract.Ledger` says what holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from jobs.conf import settings
from jobs.exceptions import JobsConfigurationError
from jobs.ledger.connecting import connect
from jobs.ledger.contract import Ledger

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Ledger", "connect", "ledger"]

VENDORS = ("postgresql", "sqlite")


def ledger(connection: BaseDatabaseWrapper | None = None) -> Ledger:
    """The ledger over a connection; by default over the caller's own to JOBS_DATABASE, and so in
    the caller's transaction. Raises JobsConfigurationError for an unsupported database."""
    chosen = connection or connections[settings.DATABASE]
    if chosen.vendor == "postgresql":
        from jobs.ledger.postgresql import PostgresLedger

        return PostgresLedger(chosen)
    if chosen.vendor == "sqlite":
        from jobs.ledger.sqlite import SqliteLedger

        return SqliteLedger(chosen)
    raise JobsConfigurationError(
        f"JOBS_DATABASE: {chosen.alias!r} is {chosen.vendor}: must be one of {', '.join(VENDORS)}"
    )
