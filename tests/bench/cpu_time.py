"""How long processes have been on a processor, to the nanosecond where the system tells.

The times of `ps` are counted in ticks of 10 ms, by whoever is on the processor when one comes. Of a
process that wakes for a tenth of that, several times a second, they are a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Of all their threads; of threads and processes that have ended meanwhile nothing."""
    return sum(map(_of_one, processes))


def _of_one(process: psutil.Process) -> float:
    found = []
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            # https://docs.kernel.org/scheduler/sched-stats.html: nanoseconds come first.
            with suppress(FileNotFoundError):
                found.append(int((thread / "schedstat").read_text().split()[0]) / 1e9)
    if found:
        return sum(found)
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
