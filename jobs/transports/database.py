"""The transport `database`: LISTEN/NOTIFY on PostgreSQL, polling on SQLite.

NOTIFY takes a lock at commit that all notifying transactions share. So it is sent after the
caller's commit, in a statement of its own, and at most once per queue in `QUIET`; a worker that was
woken, or has just worked, looks again at short intervals for longer than that, so that nothing
enqueued in the silence waits for the slow poll.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error, connections

from jobs.conf import settings
from jobs.transports.contract import Listener, Transport

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

CHANNEL = "jobs_ready"
QUIET = 0.005
"""Seconds in which a queue is announced once."""
EAGER_WAITS = (0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between the looks of a worker that has just had work; longer than QUIET in sum."""

logger = logging.getLogger("jobs.transports")
_announced: dict[str, float] = {}


class DatabaseTransport(Transport):
    """See the module."""

    def dispatched(self, job_ids: Sequence[UUID], ready_in: Collection[str]) -> None:
        self.wake(ready_in)

    def wake(self, queues: Iterable[str]) -> None:
        now = time.monotonic()
        due = [queue for queue in queues if now - _announced.get(queue, -1) > QUIET]
        connection = connections[settings.DATABASE] if due else None
        if connection is None or connection.vendor != "postgresql":
            return
        try:
            announce(connection, due)
        except Error:
            # The jobs are committed; workers find them with their slow poll.
            logger.warning("could not wake workers for %s", ", ".join(due), exc_info=True)
            return
        _announced.update(dict.fromkeys(due, now))


def announce(connection: BaseDatabaseWrapper, queues: Iterable[str]) -> None:
    """Notify the workers of these queues over this connection; nothing on SQLite."""
    names = list(queues)
    if names and connection.vendor == "postgresql":
        calls = ", ".join([f"pg_notify('{CHANNEL}', %s)"] * len(names))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", names)


def listen(connection: BaseDatabaseWrapper, queues: Sequence[str]) -> Listener:
    """A listener for these queues over a worker's own connection."""
    if connection.vendor == "postgresql":
        return PostgresListener(connection, queues)
    return PollingListener()


class PostgresListener(Listener):
    """Waits in LISTEN on the worker's ledger connection."""

    def __init__(self, connection: BaseDatabaseWrapper, queues: Sequence[str]) -> None:
        self.connection = connection
        self.queues = frozenset(queues)
        self._session: Any = None

    def wait(self, seconds: float, wakeup_fd: int | None = None) -> bool:
        session = self._listening()
        if self._heard(session):
            return True
        watched = [session.fileno()] + ([wakeup_fd] if wakeup_fd is not None else [])
        readable, _, _ = select.select(watched, [], [], seconds)
        _drain(wakeup_fd, readable)
        return self._heard(session) if session.fileno() in readable else False

    def _listening(self) -> Any:
        """The driver's connection, listening; a new one after each reconnect."""
        self.connection.ensure_connection()
        session = self.connection.connection
        if session is not self._session:
            session.execute(f"LISTEN {CHANNEL}")
            self._session = session
        return session

    def _heard(self, session: Any) -> bool:
        notes = list(session.notifies(timeout=0))
        return any(note.payload in self.queues for note in notes)

    def close(self) -> None:
        self._session = None


class PollingListener(Listener):
    """Sleeps for JOBS_POLL_INTERVAL at the longest, as SQLite cannot call."""

    def wait(self, seconds: float, wakeup_fd: int | None = None) -> bool:
        longest = min(seconds, settings.POLL_INTERVAL.total_seconds())
        readable, _, _ = select.select(
            [wakeup_fd] if wakeup_fd is not None else [], [], [], longest
        )
        _drain(wakeup_fd, readable)
        return False

    def close(self) -> None:
        return None


def _drain(wakeup_fd: int | None, readable: Sequence[int]) -> None:
    if wakeup_fd is not None and wakeup_fd in readable:
        os.read(wakeup_fd, 4096)
