"""The transport `database`: LISTEN/NOTIFY on PostgreSQL, polling on SQLite; and a doorbell for the
workers of the caller's own host, who are also given single jobs through it.

NOTIFY takes a lock at commit that all notifying transactions share. So it is sent after the
caller's commit, in a statement of its own, and at most once per queue in `QUIET`; a worker that was
woken, or has just worked, looks again at short intervals for longer than that, so that nothing
enqueued in the silence waits for the slow poll.
"""

from __future__ import annotations

import logging
import select
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error, connections

from jobs.conf import settings
from jobs.transports import doorbell, handover
from jobs.transports.contract import Listener, Transport

if TYPE_CHECKING:
    import datetime as dt

    from _typeshed import FileDescriptorLike
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jobs.dispatch import NewJob
    from jobs.ledger import Ledger

CHANNEL = "jobs_ready"
QUIET = 0.005
"""Seconds in which a queue is announced once."""
EAGER_WAITS = (0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between the looks of a worker that has just had work; longer than QUIET in sum."""

logger = logging.getLogger("jobs.transports")
_announced: dict[str, float] = {}


class DatabaseTransport(Transport):
    """See the module."""

    def hand_over(self, book: Ledger, job: NewJob) -> dt.datetime | None:
        # While a queue was announced just now nobody is idle, or whoever is looks soon.
        if _was_announced(job.queue) or not _commits_by_itself(book.connection):
            return None
        handed = handover.hand_over(book, job)
        if handed is None:
            return None
        if handed.is_ready:
            _call([job.queue], 1)
        return handed.enqueued_at

    def dispatched(self, job_ids: Sequence[UUID], ready_in: Collection[str]) -> None:
        _call(ready_in, len(job_ids))

    def wake(self, queues: Iterable[str]) -> None:
        _call(queues, sys.maxsize)


def _was_announced(queue: str) -> bool:
    return time.monotonic() - _announced.get(queue, -1) <= QUIET


def _commits_by_itself(connection: BaseDatabaseWrapper) -> bool:
    """Whether each statement is a transaction of its own."""
    return not connection.in_atomic_block and connection.get_autocommit()


def _call(queues: Iterable[str], most: int) -> None:
    """Wake workers of these queues: on this host up to so many."""
    now = time.monotonic()
    due = [queue for queue in queues if not _was_announced(queue)]
    if not due:
        return
    doorbell.ring(due, most)
    try:
        announce(connections[settings.DATABASE], due)
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
        if _commits_by_itself(connection):
            # A call that a crash of the server loses is a call to nobody: it need not wait for the
            # disk. The setting ends with the statement, which is a transaction of its own here.
            calls += ", set_config('synchronous_commit', 'off', true)"
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

    def wait(self, seconds: float, wakeups: Sequence[FileDescriptorLike] = ()) -> bool:
        session = self._listening()
        if self._heard(session):
            return True
        readable, _, _ = select.select([session.fileno(), *wakeups], [], [], seconds)
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

    def wait(self, seconds: float, wakeups: Sequence[FileDescriptorLike] = ()) -> bool:
        longest = min(seconds, settings.POLL_INTERVAL.total_seconds())
        select.select(wakeups, [], [], longest)
        return False

    def close(self) -> None:
        return None
