"""The database connections that jobs use, from one job to the next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.utils import Error

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

IDLE_TRUST = 1.0
"""Seconds for which an unused connection is taken to be whole."""


class UserConnections:
    """Gives each job connections that work and carry nothing over from the job before.

    Django does this for a request with `close_old_connections()`, which without CONN_MAX_AGE means
    a new connection each time: too dear for a job of a few milliseconds.
    """

    def __init__(self) -> None:
        self._checked = time.monotonic()
        self._open: Sequence[BaseDatabaseWrapper] | None = None
        """Those that may be open. To ask Django for them takes longer than a short job, so that is
        done only when one was opened since."""
        connection_created.connect(self._opened)

    def _opened(self, **kwargs: object) -> None:
        self._open = None

    def _those_open(self) -> Sequence[BaseDatabaseWrapper]:
        if self._open is None:
            self._open = connections.all(initialized_only=True)
        return self._open

    def before_job(self) -> None:
        """Close connections that have broken while nothing ran."""
        idle = time.monotonic() - self._checked > IDLE_TRUST
        for connection in self._those_open():
            if connection.connection is None or not (idle or connection.errors_occurred):
                continue
            connection.errors_occurred = False
            if not connection.is_usable():
                connection.close()

    def after_job(self) -> None:
        """Roll back what the job has left open, and close what is broken or too old."""
        for connection in self._those_open():
            connection.queries_log.clear()
            if connection.connection is None and not connection.in_atomic_block:
                continue
            if _has_open_transaction(connection):
                _discard(connection)
                self._open = None
            elif connection.errors_occurred:
                connection.errors_occurred = False
                if not connection.is_usable():
                    connection.close()
            elif _is_too_old(connection):
                connection.close()
        self._checked = time.monotonic()

    def close(self) -> None:
        """Close all, as when the database has gone away."""
        for connection in connections.all(initialized_only=True):
            _discard(connection)
        self._open = None


def _has_open_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or not connection.autocommit


def _is_too_old(connection: BaseDatabaseWrapper) -> bool:
    # With CONN_MAX_AGE = 0 Django sets a time that has passed at once.
    if not connection.settings_dict["CONN_MAX_AGE"]:
        return False
    return connection.close_at is not None and time.monotonic() >= connection.close_at


def _discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection and forget what it was in the middle of."""
    try:
        connection.close()
    except Error:
        # Broken already: the server has rolled back.
        connection.connection = None
    finally:
        # Inside an atomic block `close()` leaves the wrapper unusable; the next job gets a new one.
        del connections[connection.alias]
