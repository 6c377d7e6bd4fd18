"""The soft timeout: an exception inside the job when its time is up.

The hard one is the sentinel's, which kills the process; see `jobs.cluster`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jobs.exceptions import JobTimeout


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise JobTimeout in the block after so many seconds, fractions included; None is no limit.

    Works by SIGALRM, so only in the main thread of a process; in another thread, such as a web
    server's with the `sync` transport, there is no limit. A timer that was running before, such as
    that of an enclosing job, goes on with the time it has left.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        raise JobTimeout(seconds)

    former_handler = signal.signal(signal.SIGALRM, ring)
    former_left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former_handler)
        if former_left:
            signal.setitimer(signal.ITIMER_REAL, max(former_left - (seconds - left), 0.001))
