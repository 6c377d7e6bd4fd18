"""Vigil: the sign of life that the clock gives to its sentinel."""

from __future__ import annotations

import mmap
import time

from django.db import connections

from jobs.conf import settings as conf

LEAST_PATIENCE = 3.0
PATIENCE_WITH_SQLITE = 30.0
"""Seconds; above the time for which a writer there may have to wait for its turn."""


class Vigil:
    """One number in memory that both see: when the clock last went round its loop.

    A clock that hangs, in a connection that neither answers nor breaks, gives no heartbeat. Its
    sentinel must notice and start another before the cluster is taken for dead.
    """

    def __init__(self) -> None:
        self._cell = memoryview(mmap.mmap(-1, 8)).cast("q")
        self.tick()

    def tick(self) -> None:
        """Say that the clock is alive. By the clock."""
        self._cell[0] = int(time.monotonic() * 1000)

    def silent_for(self) -> float:
        """Seconds since the clock last said so."""
        return time.monotonic() - self._cell[0] / 1000


def patience() -> float:
    """Seconds of silence after which a clock hangs: less than the three heartbeats after which the
    cluster is lost."""
    # Known without connecting.
    if connections[conf.DATABASE].vendor == "sqlite":
        return PATIENCE_WITH_SQLITE
    return max(LEAST_PATIENCE, 2 * conf.HEARTBEAT.total_seconds())
