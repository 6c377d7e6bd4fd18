"""Flag: a switch that processes share, without the lock that a dead one could hold for ever."""

from __future__ import annotations

import mmap
import time


class Flag:
    """Can be set once, by any process that was forked after it was made.

    It has the methods of `multiprocessing.Event` that django-q2's cluster uses. That one is guarded
    by a semaphore: if a process is killed inside `is_set()`, every other hangs in `set()`.
    """

    POLL = 0.05

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._byte[0] = 1

    def is_set(self) -> bool:
        return self._byte[0] == 1

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the flag; return whether it is set."""
        deadline = time.monotonic() + timeout
        while not self.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, self.POLL))
        return True
