"""When a worker has served long enough and makes room for a fresh one."""

from __future__ import annotations

import sys
import time

from jobs.cluster.process import resident_bytes
from jobs.conf import Pool

MEGABYTE = 1024 * 1024


class ServiceLife:
    """The limits of a pool, measured on this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._born = time.monotonic()
        self.jobs = 0
        """How many jobs were run."""

    def count_job(self) -> None:
        self.jobs += 1

    def jobs_left(self) -> int:
        """How many more jobs may be run, at least one."""
        if self._pool.max_jobs is None:
            return sys.maxsize
        return max(1, self._pool.max_jobs - self.jobs)

    def is_over(self) -> str:
        """Why this worker should be replaced, in words; empty while it should not."""
        pool = self._pool
        if pool.max_jobs is not None and self.jobs >= pool.max_jobs:
            return f"recycled after {self.jobs} jobs"
        if self.seconds_left() <= 0:
            return f"recycled after {time.monotonic() - self._born:.0f} s"
        if pool.memory is not None and self.jobs:
            used = resident_bytes() // MEGABYTE
            if used > pool.memory:
                return f"recycled at {used} MB"
        return ""

    def seconds_left(self) -> float:
        """Until the pool's greatest age."""
        if self._pool.max_time is None:
            return float("inf")
        return self._born + self._pool.max_time.total_seconds() - time.monotonic()
