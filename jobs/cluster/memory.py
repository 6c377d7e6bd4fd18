"""When a worker takes so much memory that waiting for the end of its job endangers the host."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from jobs.cluster.process import resident_bytes
from jobs.cluster.recycling import MEGABYTE
from jobs.conf import Pool

LOOK_EVERY = 0.5
"""Seconds between two looks."""
OVER_THE_POOL = 2
"""Up to so many times a pool's `memory` a worker may finish its job before it is replaced."""
SHARE_OF_HOST = 0.8
"""The most that a worker may take where its pool has no `memory`."""

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def is_beyond_hope(pid: int, pool: Pool) -> bool:
    """Whether this worker is to be killed in the middle of its job."""
    limit = hard_limit(pool.memory)
    return limit > 0 and resident_bytes(pid) > limit


@cache
def hard_limit(pool_memory: int | None) -> int:
    """Bytes at which a worker is killed, for a pool's `memory` in megabytes; 0 if unknown."""
    if pool_memory is not None:
        return OVER_THE_POOL * pool_memory * MEGABYTE
    return int(SHARE_OF_HOST * _memory_of_host())


def _memory_of_host() -> int:
    """Of the machine or, if that is less, of the container."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (OSError, ValueError):
        return 0
    for file in _CGROUP_LIMITS:
        text = Path(file).read_text().strip() if os.access(file, os.R_OK) else ""
        if text.isdigit():
            found.append(int(text))
    return min(found)
