"""Slot: what a worker tells its sentinel, in memory that both see."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from uuid import UUID

_CELLS = 16
_VERSION, _JOB_HIGH, _JOB_LOW, _FENCE, _DEADLINE = range(5)
_WORKER_ID, _JOBS_DONE, _READY, _LEAVE_BY = range(5, 9)


@dataclass(frozen=True, slots=True)
class Running:
    """The attempt that a worker is at. `deadline` is on the monotonic clock, in seconds."""

    job_id: UUID
    fence: int
    deadline: float | None


class Slot:
    """One worker's place to write, its sentinel's to read: no lock, a single writer.

    Every cell is an aligned number of eight bytes. Those that belong together are framed by a
    version that is odd while they change, so that a reader never takes half of one attempt for
    half of another. Anonymous memory: it is there for the processes forked after it was made.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, _CELLS * 8)).cast("q")

    # The worker's side

    def ready(self, worker_id: int) -> None:
        """Say that the worker is registered and about to claim."""
        self._cells[_WORKER_ID] = worker_id
        self._cells[_READY] = 1

    def begin(self, job_id: UUID, fence: int, deadline: float | None) -> None:
        """Say which attempt starts, and when its process is to be killed."""
        self._cells[_VERSION] += 1
        self._cells[_JOB_HIGH] = int.from_bytes(job_id.bytes[:8], signed=True)
        self._cells[_JOB_LOW] = int.from_bytes(job_id.bytes[8:], signed=True)
        self._cells[_FENCE] = fence
        self._cells[_DEADLINE] = _microseconds(deadline)
        self._cells[_VERSION] += 1

    def end(self) -> None:
        """Say that no attempt runs."""
        self._cells[_VERSION] += 1
        self._cells[_FENCE] = 0
        self._cells[_DEADLINE] = 0
        self._cells[_VERSION] += 1
        self._cells[_JOBS_DONE] += 1

    def leave_by(self, deadline: float) -> None:
        """Say that the worker is leaving, and must be gone by then."""
        self._cells[_LEAVE_BY] = _microseconds(deadline)

    # The sentinel's side

    @property
    def worker_id(self) -> int:
        """The id of the worker's row; 0 until it has one."""
        return self._cells[_WORKER_ID]

    @property
    def is_ready(self) -> bool:
        return bool(self._cells[_READY])

    @property
    def jobs_done(self) -> int:
        return self._cells[_JOBS_DONE]

    @property
    def leaves_by(self) -> float | None:
        return _seconds(self._cells[_LEAVE_BY])

    def running(self) -> Running | None:
        """The attempt that runs; None if none does, or if it is just changing."""
        version = self._cells[_VERSION]
        high, low = self._cells[_JOB_HIGH], self._cells[_JOB_LOW]
        fence, deadline = self._cells[_FENCE], self._cells[_DEADLINE]
        if version % 2 or version != self._cells[_VERSION] or not fence:
            return None
        job_id = UUID(bytes=high.to_bytes(8, signed=True) + low.to_bytes(8, signed=True))
        return Running(job_id, fence, _seconds(deadline))


def _microseconds(moment: float | None) -> int:
    return 0 if moment is None else int(moment * 1e6)


def _seconds(cell: int) -> float | None:
    return cell / 1e6 if cell else None
