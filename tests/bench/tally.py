"""Tally: a file in shared memory in which every job notes that it ran, and when it began.

A no-op job has to leave a trace, or a lost one could not be told from one that ran; two stores into
a mapped file cost under a microsecond and are the same for every system.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "BENCH_TALLY"
"""The environment variable by which a worker finds the file."""
SUFFIX = ".tally"
"""How the name of the file ends."""

_MOMENT = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often the jobs ran: each exactly once, or not."""

    jobs: int
    lost: int
    doubled: int

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled)

    def __str__(self) -> str:
        if self.holds:
            return f"each of {self.jobs} jobs ran once"
        return f"of {self.jobs} jobs {self.lost} were lost and {self.doubled} ran more than once"


class Tally:
    """One byte per job for its executions, and eight for the moment of its first start.

    Moments are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. A job that
    two processes begin within the same few nanoseconds may count once.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.jobs = len(self._memory) // (1 + _MOMENT.size)

    @classmethod
    def create(cls, path: Path, jobs: int) -> Tally:
        """Make an empty tally for jobs numbered from 0."""
        # A new file, as a worker of an earlier run might still hold the old one.
        path.unlink(missing_ok=True)
        path.write_bytes(bytes(jobs * (1 + _MOMENT.size)))
        return cls(path)

    def mark(self, number: int) -> None:
        """Note that the job has begun. Its count stops at 255."""
        now = time.monotonic_ns()
        before = self._memory[number]
        self._memory[number] = min(before + 1, 255)
        if not before:
            _MOMENT.pack_into(self._memory, self._place(number), now)

    def started(self, number: int) -> int | None:
        """When the job first began; None if it has not."""
        (moment,) = _MOMENT.unpack_from(self._memory, self._place(number))
        return moment or None

    def first_start(self, numbers: range | None = None) -> int | None:
        """When the first of all jobs began, or of those with the numbers from one to another."""
        chosen = range(self.jobs) if numbers is None else numbers
        moments = self._memory[self._place(chosen.start) : self._place(chosen.stop)]
        return min((one for (one,) in _MOMENT.iter_unpack(moments) if one), default=None)

    def executed(self, numbers: range | None = None) -> int:
        """How many jobs have begun at least once, of all or of those from one number to another."""
        chosen = range(self.jobs) if numbers is None else numbers
        return len(chosen) - self._memory[chosen.start : chosen.stop].count(0)

    def verdict(self) -> Verdict:
        counts = self._counts()
        lost = counts.count(0)
        return Verdict(self.jobs, lost, self.jobs - lost - counts.count(1))

    def _counts(self) -> bytes:
        return self._memory[: self.jobs]

    def _place(self, number: int) -> int:
        return self.jobs + number * _MOMENT.size


@cache
def of_this_process() -> Tally:
    """The tally that the environment names."""
    return Tally(Path(os.environ[VARIABLE]))
