"""Turns: the order in which a worker looks at its queues."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from jobs.conf import settings as conf


class Turns:
    """The queues in their order, but each of the later ones first now and then.

    Where an earlier queue never runs dry the later ones would stand still. So within JOBS_AGING
    every worker begins once with each of them, for a single claim of one job.
    """

    def __init__(self, queues: Sequence[str]) -> None:
        self._queues = tuple(queues)
        self._turn = 0
        later = len(self._queues) - 1
        aging = conf.AGING
        self._every = aging.total_seconds() / later if aging is not None and later else math.inf
        self._next_at = time.monotonic() + self._every

    def next(self, most: int) -> tuple[tuple[str, ...], int]:
        """The queues in the order for the next claim, and how many jobs it may take of `most`."""
        now = time.monotonic()
        if now < self._next_at or len(self._queues) < 2:
            return self._queues, most
        self._next_at = now + self._every
        self._turn = self._turn % (len(self._queues) - 1) + 1
        first = self._queues[self._turn]
        return (first, *(name for name in self._queues if name != first)), 1
