"""Slot: what a worker tells its sentinel, in memory that both see."""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass, field
from uuid import UUID

SIZE = mmap.PAGESIZE
"""Bytes of a slot: where it is the head of a file, so many are not for anything else."""

_CELLS = 16
_VERSION, _JOB_HIGH, _JOB_LOW, _FENCE, _DEADLINE, _SINCE = range(6)
_WORKER_ID, _JOBS_DONE, _READY, _LEAVE_BY, _WAITING, _RELIEVED, _DELIVERED, _BOOT = range(6, 14)
# A relief that its author has not lived to finish is begun anew by another.
_BEGUN, _DONE = 1, 2


@dataclass(frozen=True, slots=True)
class Running:
    """The attempt that a worker is at. Times are on the monotonic clock, in seconds."""

    job_id: UUID
    fence: int
    deadline: float | None
    since: float = field(default=0.0, compare=False)


class Slot:
    """One worker's place to write, its sentinel's to read: no lock, a single writer.

    Every cell is an aligned number of eight bytes. Those that belong together are framed by a
    version that is odd while they change, so that a reader never takes half of one attempt for
    half of another. It is there for the processes forked after it was made and, as the head of a
    file, for those that read the file when all of these are dead.
    """

    def __init__(self, descriptor: int = -1) -> None:
        """`descriptor` is of a file of at least SIZE bytes; without one it is anonymous memory."""
        self._cells = memoryview(mmap.mmap(descriptor, SIZE)).cast("q")

    def made_in(self, boot: int) -> None:
        """Say in which life of the host this was made."""
        self._cells[_BOOT] = boot

    # The worker's side

    def ready(self, worker_id: int) -> None:
        """Say that the worker is registered and about to claim."""
        self._cells[_WORKER_ID] = worker_id
        self._cells[_READY] = 1

    def begin(self, job_id: UUID, fence: int, deadline: float | None, waiting: int = 0) -> None:
        """Say which attempt starts, when its process is to be killed, and how many other jobs wait
        for its end: to be started, or for their own end to be written."""
        cells, number = self._cells, job_id.int
        cells[_VERSION] += 1
        cells[_JOB_HIGH] = (number >> 64) - _SIGN if number >> 127 else number >> 64
        low = number & _LOW
        cells[_JOB_LOW] = low - _SIGN if low >> 63 else low
        cells[_FENCE] = fence
        cells[_DEADLINE] = _microseconds(deadline)
        cells[_SINCE] = time.monotonic_ns() // 1000
        cells[_WAITING] = waiting
        cells[_VERSION] += 1

    def end(self, waiting: int = 0) -> None:
        """Say that no attempt runs, and how many jobs wait for their start."""
        cells = self._cells
        cells[_VERSION] += 1
        cells[_FENCE] = 0
        cells[_DEADLINE] = 0
        cells[_WAITING] = waiting
        cells[_VERSION] += 1
        cells[_JOBS_DONE] += 1

    def hold(self, waiting: int) -> None:
        """Say how many jobs wait beside one, while none runs."""
        self._cells[_WAITING] = waiting

    def in_time(self) -> None:
        """Say that the attempt has ended in time, though there is no trace of its end yet."""
        self._cells[_DEADLINE] = 0

    def leave_by(self, deadline: float) -> None:
        """Say that the worker is leaving, and must be gone by then."""
        self._cells[_LEAVE_BY] = _microseconds(deadline)

    def heed_relief(self) -> int | None:
        """None, unless the worker was relieved of what waits: then up to which byte its journal
        was delivered too. Asked and answered under the journal's lock."""
        if not self._cells[_RELIEVED]:
            return None
        self._cells[_RELIEVED] = 0
        return self._cells[_DELIVERED]

    # The side of those who watch over it

    @property
    def boot(self) -> int:
        """In which life of the host it was made."""
        return self._cells[_BOOT]

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

    @property
    def waiting(self) -> int:
        """How many jobs that are held wait beside the one that runs, or is just to be started."""
        return 0 if self._cells[_RELIEVED] == _DONE else self._cells[_WAITING]

    def running(self) -> Running | None:
        """The attempt that runs; None if none does, or if it is just changing."""
        cells = self._cells
        version = cells[_VERSION]
        high, low = cells[_JOB_HIGH], cells[_JOB_LOW]
        fence, deadline, since = cells[_FENCE], cells[_DEADLINE], cells[_SINCE]
        if version % 2 or version != cells[_VERSION] or not fence:
            return None
        job_id = UUID(int=((high % _SIGN) << 64) | (low % _SIGN))
        return Running(job_id, fence, _seconds(deadline), since / 1e6)

    def relieve(self) -> None:
        """Take away what waits. Under the journal's lock, and before it is given to others."""
        self._cells[_DELIVERED] = 0
        self._cells[_RELIEVED] = _BEGUN

    def delivered(self, size: int) -> None:
        """Say that nothing waits any more: what the journal has up to this byte is in the ledger,
        and what was taken away is given back."""
        self._cells[_DELIVERED] = size
        self._cells[_RELIEVED] = _DONE


_SIGN = 2**64
_LOW = _SIGN - 1


def _microseconds(moment: float | None) -> int:
    return 0 if moment is None else int(moment * 1e6)


def _seconds(cell: int) -> float | None:
    return cell / 1e6 if cell else None
