"""Idle: how a worker waits for work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from jobs.cluster.session import CONNECTION_LOST, LedgerSession
from jobs.cluster.wake import Wake
from jobs.conf import settings as conf
from jobs.ledger.outcome import ClaimedJob
from jobs.transports import database, handover
from jobs.transports.contract import Listener
from jobs.transports.doorbell import Doorbell, Ear

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class Idle:
    """Waits until there may be work: for a ring from this host; on PostgreSQL for a call, on SQLite
    for a moment.

    After work, and after a connection was lost, the first waits are short. They cover what was
    enqueued in the silence between two calls, or before this worker listened again.

    Who rings may also give a job that the ledger has as this worker's already.
    """

    def __init__(
        self,
        session: LedgerSession,
        queues: Sequence[str],
        wake: Wake,
        *,
        on_broken_promise: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_broken_promise` is called when the ledger may have given this worker a job that it
        does not know of."""
        self._session = session
        self._queues = queues
        self._wake = wake
        self._on_broken_promise = on_broken_promise
        self.doorbell: Doorbell | None = None
        """The bell to listen to, if there is one."""
        self._given: list[ClaimedJob] = []
        self._listener: Listener | None = None
        self._listens_on: BaseDatabaseWrapper | None = None
        self._looks = 0

    def had_work(self) -> None:
        """The next waits are short ones."""
        self._looks = 0

    def given(self) -> list[ClaimedJob]:
        """The jobs that came while this worker waited; they are told once."""
        given, self._given = self._given, []
        return given

    def wait(self, longest: float) -> None:
        """Wait for work, a signal, or `longest` seconds."""
        seconds = min(self._next_wait(), max(longest, 0.0))
        try:
            if self._hears(seconds):
                self._looks = 0
        except CONNECTION_LOST:
            # The session makes a new connection when the claim is next tried.
            self._session.lost()
            self._wake.wait(seconds)

    def _hears(self, seconds: float) -> bool:
        connection = self._session.connection
        # The driver's own errors pass as Django's.
        with connection.wrap_database_errors:
            if self._listener is None or self._listens_on is not connection:
                self._listener = database.listen(connection, self._queues)
                self._listens_on = connection
            with self.doorbell.heard() if self.doorbell else nullcontext() as ear:
                try:
                    return self._listener.wait(seconds, [self._wake, ear] if ear else [self._wake])
                finally:
                    self._wake.drain()
                    if ear is not None:
                        self._hear_out(ear)

    def _hear_out(self, ear: Ear) -> None:
        ear.close()
        self._given += map(handover.received, ear.given)
        if ear.promise_broken:
            self._on_broken_promise()

    def _next_wait(self) -> float:
        eager = database.EAGER_WAITS
        if self._looks < len(eager):
            self._looks += 1
            return eager[self._looks - 1]
        return conf.LISTEN_POLL.total_seconds()
