"""The soft timeout: an exception inside the job when its time is up.

The hard one is the sentinel's, which kills the process; see `jobs.cluster`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from jobs.exceptions import JobTimeout

TimeLimit = Callable[[float | None], AbstractContextManager[object]]
"""Raises JobTimeout in its block after so many seconds; None is no limit."""

LOOK_EVERY = 0.05
"""Seconds after which an alarm makes sure that no job has taken its signal away."""
_SOONEST = 0.001


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
            signal.setitimer(signal.ITIMER_REAL, max(former_left - (seconds - left), _SOONEST))


class Alarm:
    """The same for a process that does nothing but run jobs, in no time.

    One timer serves many jobs: it is set for the first, left running when that ends in time, and
    when it rings it is set anew for what is left to the job of that moment.
    """

    def __init__(self) -> None:
        self._limit = 0.0
        self._deadline: float | None = None
        """When the job's time is up, on the monotonic clock; None while there is no limit."""
        self._rings_at = 0.0
        """When the timer rings; 0 while it is not set."""
        self._looked = 0.0
        self._none = nullcontext()

    def limit(self, seconds: float | None) -> AbstractContextManager[object]:
        """See TimeLimit. In the main thread of a process only, and not inside of itself."""
        if seconds is None:
            return self._none
        now = time.monotonic()
        self._limit = seconds
        self._deadline = now + seconds
        if not now < self._rings_at <= self._deadline or now - self._looked > LOOK_EVERY:
            self._set(now)
        return self

    def __enter__(self) -> None:
        """The limit is on since it was made: what comes in between is no more than a call."""

    def __exit__(self, *error: object) -> None:
        self._deadline = None

    def _set(self, now: float) -> None:
        assert self._deadline is not None
        # A job may have used the signal, or the timer, for itself.
        if signal.getsignal(signal.SIGALRM) != self._ring:
            signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, max(self._deadline - now, _SOONEST))
        self._rings_at = self._deadline
        self._looked = now

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        self._rings_at = 0.0
        if self._deadline is None:
            return
        now = time.monotonic()
        if now < self._deadline:
            self._set(now)
            return
        self._deadline = None
        raise JobTimeout(self._limit)
