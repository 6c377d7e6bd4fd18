"""Holding: the jobs that a worker has claimed and not started, and the ends that it has not yet
written to the ledger."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from uuid import UUID

from jobs.cluster.journal import Journal
from jobs.cluster.slot import Slot
from jobs.ledger.outcome import ClaimedJob, Outcome

DELIVER_EVERY = 0.05
"""Seconds for which an end may wait to be written together with others."""
STALE = 2.0
"""Seconds after which a job that was claimed is not started any more: a process that stood still
for so long may have been taken for dead."""

logger = logging.getLogger("jobs.cluster")

# Goes on while the machine sleeps, where a system has such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Holding:
    """Keeps the slot and the journal true, so that whoever finds this process dead, or stuck in a
    job, knows what has ended, what runs, and what was never started."""

    def __init__(self, slot: Slot, journal: Journal, record: Callable[[Outcome], str]) -> None:
        """`record` puts an outcome as `Ledger.record` does."""
        self._slot = slot
        self._journal = journal
        self._record = record
        self._waiting: deque[ClaimedJob] = deque()
        self._taken_at = 0.0
        self._finished: list[Outcome] = []
        self._ends: list[int] = []
        """Of each finished attempt: the size of the journal with it."""
        self._is_unrecorded = False
        """Whether the last end is not in the journal."""
        self._deliver_by = 0.0
        self._taken_over: list[Outcome] = []
        self.was_relieved = False
        """Whether what waited was taken away: the ledger may still hold this worker for its
        holder."""

    def take(self, jobs: Iterable[ClaimedJob]) -> None:
        """Hold claimed jobs, to be started in this order."""
        self._taken_at = time.clock_gettime(_CLOCK)
        self._waiting.extend(jobs)
        # Before the first start: who watches is to look closely from now on.
        self._slot.hold(max(0, len(self._waiting) - 1))

    @property
    def ids(self) -> set[UUID]:
        """The jobs that the ledger rightly says are held here."""
        return {job.id for job in self._waiting} | {item.job.id for item in self._finished}

    def next(self) -> ClaimedJob | None:
        """The job to start next; None if there is none."""
        return self._waiting[0] if self._waiting else None

    def start(self, deadline: float | None) -> bool:
        """Note the start of the next job; False if it was taken away meanwhile."""
        with self._journal:
            if self._heed_relief() or self._is_stale():
                return False
            job = self._waiting.popleft()
            waiting = len(self._waiting) + len(self._finished)
            self._slot.begin(job.id, job.fence, deadline, waiting)
        return True

    def pass_over(self) -> None:
        """Forget the next job: it is held here no more, and was not started."""
        with self._journal:
            if not self._heed_relief():
                self._waiting.popleft()
                self._slot.hold(max(0, len(self._waiting) - 1))

    def end(self, outcome: Outcome) -> None:
        """Note how the job ended that was started last."""
        if not self._finished:
            self._deliver_by = time.monotonic() + DELIVER_EVERY
        self._finished.append(outcome)
        try:
            self._journal.append(self._record(outcome))
        except Exception as error:
            # Until the ledger has it, or refuses it, only the slot says that the job was started.
            logger.warning("an end is not in the journal, so it is written at once: %s", error)
            self._ends.append(sys.maxsize)
            self._deliver_by = 0.0
            self._is_unrecorded = True
            self._slot.in_time()
        else:
            self._ends.append(self._journal.size)
            self._slot.end(len(self._waiting))

    @property
    def is_due(self) -> bool:
        """Whether the ends are to be written now."""
        return bool(self._finished) and (not self._waiting or time.monotonic() >= self._deliver_by)

    def unwritten(self) -> list[Outcome]:
        """The ends to write. Nobody else writes them after this call, while no job runs."""
        with self._journal:
            self._heed_relief()
        return list(self._finished)

    def written(self) -> None:
        """Forget the ends: the ledger has them."""
        self._finished.clear()
        self._ends.clear()
        if self._is_unrecorded:
            self._is_unrecorded = False
            self._slot.end()
        self._journal.reset()

    def written_by_others(self) -> list[Outcome]:
        """The ends that others have written since this was last asked."""
        taken, self._taken_over = self._taken_over, []
        return taken

    def leave(self) -> list[ClaimedJob]:
        """Give up what waits; return it, to be given back."""
        with self._journal:
            self._heed_relief()
            left = list(self._waiting)
            self._waiting.clear()
            self._slot.hold(0)
        return left

    def _is_stale(self) -> bool:
        return time.clock_gettime(_CLOCK) - self._taken_at > STALE

    def _heed_relief(self) -> bool:
        """Forget what others have taken away, and the ends that they have written."""
        delivered = self._slot.heed_relief()
        if delivered is None:
            return False
        self.was_relieved = True
        self._waiting.clear()
        # The journal stays as it is: what the ledger has of it is refused if it comes again.
        count = sum(end <= delivered for end in self._ends)
        self._taken_over += self._finished[:count]
        del self._finished[:count], self._ends[:count]
        return True
