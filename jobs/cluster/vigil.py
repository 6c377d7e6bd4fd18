"""Vigil: the sign of life that the clock gives to its sentinel."""

from __future__ import annotations

import mmap
import time


class Vigil:
    """One number in memory that both see: when the clock last went round its loop.

    A clock that hangs, in a connection that neither answers nor breaks, gives no heartbeat. Its
    sentinel must notice and start another before the cluster is taken for dead.
    """

    PATIENCE = 30.0
    """Seconds; longer than a heartbeat may take on a busy database."""

    def __init__(self) -> None:
        self._cell = memoryview(mmap.mmap(-1, 8)).cast("q")
        self.tick()

    def tick(self) -> None:
        self._cell[0] = int(time.monotonic() * 1000)

    def silent_for(self) -> float:
        return time.monotonic() - self._cell[0] / 1000
