"""LedgerSession: the ledger over a connection that is made anew whenever it breaks."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections

from jobs.conf import settings as conf
from jobs.ledger import Ledger, connect, ledger

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

CONNECTION_LOST = (OperationalError, InterfaceError)
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_LIMIT_EXCEEDED = "54"
"""The class of SQLSTATEs that PostgreSQL's driver reports as an operational error too."""

logger = logging.getLogger("jobs.cluster")


class TooMuchForTheDatabase(DatabaseError):
    """A statement exceeds a limit of PostgreSQL, such as 256 MB of text in a JSON value."""


def thread_connection() -> BaseDatabaseWrapper:
    """This thread's own connection to the ledger's database, as the ORM uses it."""
    return connections[conf.DATABASE]


def ledger_connection() -> BaseDatabaseWrapper:
    """A connection of this thread that knows the ledger's statements, and from now on is what the
    ORM uses here too: one connection, not two. Raises the database's error if there is none."""
    connection = connect()
    connections[conf.DATABASE] = connection
    return connection


class LedgerSession:
    """Runs work on the ledger, and outlives restarts of the database.

    `pause(seconds)` is how its owner waits, so that a signal can end the wait. `on_loss` is called
    each time a connection is given up. One thread's own.
    """

    def __init__(
        self,
        connect: Callable[[], BaseDatabaseWrapper],
        *,
        pause: Callable[[float], object],
        on_loss: Callable[[], object] = lambda: None,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._connect = connect
        self._pause = pause
        self._on_loss = on_loss
        self._longest_pause = longest_pause
        self._ledger: Ledger | None = None

    @property
    def connection(self) -> BaseDatabaseWrapper:
        return self._current().connection

    def _current(self) -> Ledger:
        # One ledger for as long as its connection: it remembers where the last claim ended.
        if self._ledger is None:
            self._ledger = ledger(self._connect())
        return self._ledger

    def once(self, work: Callable[[Ledger], T]) -> T:
        """Run `work`; if the connection breaks, give it up and raise what broke it.

        Raises TooMuchForTheDatabase for a statement that will not do however often it is tried.
        """
        try:
            return work(self._current())
        except CONNECTION_LOST as error:
            self.lost()
            refuse_what_is_too_much(error)
            raise

    def lost(self) -> None:
        """Give up a connection that has broken."""
        self.close()
        self._on_loss()

    def call(
        self, work: Callable[[Ledger], T], *, give_up: Callable[[], bool] = lambda: False
    ) -> T:
        """Run `work`, again and again until the database takes it.

        It may have been done although the connection broke, so `work` must bear being repeated.
        Raises what broke the connection once `give_up()` is true.
        """
        failures = 0
        while True:
            try:
                return self.once(work)
            except CONNECTION_LOST as error:
                if give_up():
                    raise
                pause = min(FIRST_PAUSE * 2**failures, self._longest_pause)
                failures += 1
                logger.warning("the database does not answer, trying again: %s", _line(error))
                # Spread, so that a fleet does not come back in step.
                self._pause(pause * random.uniform(0.5, 1.0))

    def close(self) -> None:
        """Close the connection; the next call makes another."""
        if self._ledger is not None:
            former, self._ledger = self._ledger, None
            try:
                former.connection.close()
            except CONNECTION_LOST:
                logger.debug("a broken connection could not be closed", exc_info=True)


def refuse_what_is_too_much(error: BaseException) -> None:
    """Raise TooMuchForTheDatabase if that is what the error says."""
    if str(getattr(error.__cause__, "sqlstate", None)).startswith(_LIMIT_EXCEEDED):
        raise TooMuchForTheDatabase(_line(error)) from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
