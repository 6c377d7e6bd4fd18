"""Ticker: a thread that does things at intervals, each on its own account."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import connections

from jobs.cluster.session import CONNECTION_LOST, LedgerSession, thread_connection
from jobs.ledger import Ledger

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

LONGEST_PAUSE = 30.0
SLACK = 0.05
AFTER_LOSS = 1.0
"""Seconds at the longest before the database is tried again."""

logger = logging.getLogger("jobs.cluster")


@dataclass(slots=True)
class Tick:
    """Something to do every `every` seconds; `run` may return the seconds to the next time."""

    name: str
    every: float
    run: Callable[[Ledger], float | None]
    due: float = field(default=0.0, init=False)
    slack: float = field(default=0.0, init=False)
    """Seconds by which it may come early, so that one waking serves several."""
    failures: int = field(default=0, init=False)

    def next_after(self, wanted: float | None) -> None:
        self.due = time.monotonic() + (self.every if wanted is None else wanted)
        # Who asks for a certain moment gets that.
        self.slack = min(SLACK, self.every / 10) if wanted is None else 0.0

    def call(self) -> None:
        """Have it run in this round of its ticker; one that has failed waits for its turn."""
        if not self.failures:
            self.due = 0.0


class Ticker(threading.Thread):
    """Runs its ticks, one after the other, over a connection of its own.

    A tick that fails is logged and comes again ever more slowly; it never stops the others, and
    the thread ends only by `stop()`.
    """

    def __init__(
        self,
        name: str,
        ticks: Sequence[Tick],
        *,
        connect: Callable[[], BaseDatabaseWrapper] = thread_connection,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._ticks = ticks
        self._connect = connect
        self._poked = threading.Event()
        self._stopping = False

    def poke(self, name: str) -> None:
        """Run a tick now. From any thread."""
        for tick in self._ticks:
            if tick.name == name:
                tick.due = 0.0
        self._poked.set()

    def stop(self) -> None:
        """End after the tick that runs."""
        self._stopping = True
        self._poked.set()

    def run(self) -> None:
        session = LedgerSession(self._connect, pause=time.sleep)
        while not self._stopping:
            self._poked.clear()
            self.run_due(session)
            pause = min(tick.due for tick in self._ticks) - time.monotonic()
            if pause > 0:
                self._poked.wait(pause)
        session.close()
        connections.close_all()

    def run_due(self, session: LedgerSession) -> None:
        """Run the ticks whose time has come."""
        for tick in self._ticks:
            if tick.due - tick.slack <= time.monotonic() and not self._stopping:
                self._run(tick, session)

    def _run(self, tick: Tick, session: LedgerSession) -> None:
        # Before it runs, so that a poke meanwhile is not forgotten.
        tick.next_after(None)
        try:
            wanted = session.once(tick.run)
        except CONNECTION_LOST as error:
            pause = self._put_off(tick, AFTER_LOSS)
            logger.warning("%s: no database, again in %.1f s: %s", tick.name, pause, error)
            return
        except Exception:
            # Of whatever kind: the other ticks have nothing to do with it.
            pause = self._put_off(tick, LONGEST_PAUSE)
            logger.exception("%s failed; again in %.1f s", tick.name, pause)
            session.close()
            connections.close_all()
            return
        tick.failures = 0
        if wanted is not None and tick.due:
            tick.next_after(wanted)

    def _put_off(self, tick: Tick, longest: float) -> float:
        tick.failures += 1
        pause = min(tick.every * 2.0**tick.failures, longest)
        tick.next_after(pause)
        return pause
