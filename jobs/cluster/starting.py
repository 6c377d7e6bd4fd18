"""RestartPace: how soon a process that died is started again."""

from __future__ import annotations

import time

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 15.0


class RestartPace:
    """At once, unless processes die while they start: then ever more slowly."""

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0

    def may_start(self) -> bool:
        return time.monotonic() >= self._not_before

    def seconds_left(self) -> float:
        return max(0.0, self._not_before - time.monotonic())

    def failed(self) -> None:
        """One has died before it was ready."""
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures += 1
        self._not_before = time.monotonic() + pause

    def succeeded(self) -> None:
        """One has been ready, however it ended."""
        self._failures = 0
        self._not_before = 0.0
