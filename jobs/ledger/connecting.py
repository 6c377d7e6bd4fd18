"""A connection for the ledger alone."""

from __future__ import annotations

import datetime as dt
import weakref
from typing import TYPE_CHECKING

from django.db import connections

from jobs.conf import settings

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from psycopg.abc import Buffer

# The statements of the ledger are few and the same for ever, so the server keeps them, planned
# once: to plan them each time takes longer than to execute them. Their one good plan goes row by
# row through an index. It must not depend on what the statistics say of a table that was empty a
# minute ago, nor on the planner's notion that `LIMIT $1` means a tenth of everything.
_SESSION = {
    "datestyle": "ISO",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


_own: weakref.WeakSet[BaseDatabaseWrapper] = weakref.WeakSet()


def is_own(connection: BaseDatabaseWrapper) -> bool:
    """Whether `connect` has made this connection."""
    return connection in _own


def connect(patience: dt.timedelta | None = None) -> BaseDatabaseWrapper:
    """A connection to JOBS_DATABASE of the caller's own, in autocommit: what a worker writes to
    the ledger must not depend on the transaction of the job that it runs.

    Raises the database's error if there is no connection to be had; within `patience`, unless the
    site has an option of its own for that.
    """
    connection = connections.create_connection(settings.DATABASE)
    _own.add(connection)
    if connection.vendor == "postgresql":
        _prepare(connection, patience)
    return connection


def _prepare(connection: BaseDatabaseWrapper, patience: dt.timedelta | None) -> None:
    from psycopg.adapt import Loader

    class MomentLoader(Loader):
        """Reads a moment in a tenth of the time of Django's loader, which goes through Python's
        regular expressions for every value."""

        timezone = dt.UTC
        """What Django asks for before it puts its own in place."""

        def load(self, data: Buffer) -> dt.datetime:
            return dt.datetime.fromisoformat(bytes(data).decode())

    given = connection.settings_dict
    options = {key: value for key, value in given["OPTIONS"].items() if key != "pool"}
    if patience is not None:
        options.setdefault("connect_timeout", round(patience.total_seconds()))
    # Django's own setting for a pooler between, which gives each transaction another session: there
    # is nothing that could be kept in one.
    if not given.get("DISABLE_SERVER_SIDE_CURSORS"):
        options |= {"server_side_binding": True, "prepare_threshold": 0}
    connection.settings_dict = {**given, "OPTIONS": options}
    with connection.cursor() as cursor:
        connection.connection.adapters.register_loader("timestamptz", MomentLoader)
        for name, value in _SESSION.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
