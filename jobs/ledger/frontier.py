"""The frontier of a claimer: where its last look at each queue ended.

A claimed job leaves a dead entry in the index of ready jobs until a vacuum, and a claim from the
start of a queue passes all of them: about 10 ns for each, and twenty times that while an open
transaction still sees the rows, so that no vacuum can help. So one who claims batch after batch
goes on where the last one ended, and looks from the start only now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from uuid import UUID

START = (-1, UUID(int=0))
"""Before every job: ranks are not negative."""
BATCH = 32
"""A smaller claim is no sign of a deep queue, and always looks from the start."""
LONGEST = 0.1
"""Seconds between two looks from the start: so long may an urgent job be overlooked."""
SHARE = 10
"""Unless a look takes so long itself that they would be more than one part in so many."""


class Frontier:
    """The last job of each queue that was claimed from here. Not shared between threads."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, UUID]] = {}
        self._began = 0.0
        self._until = 0.0

    @property
    def is_start(self) -> bool:
        """Whether the bounds leave nothing out."""
        return not self._last

    def bounds(self, queues: Sequence[str], limit: int) -> tuple[list[int], list[UUID]]:
        """The rank and the id, by queue, behind which a claim of so many is to look."""
        self._began = monotonic()
        if limit < BATCH or self._began >= self._until:
            self.reset()
        found = [self._last.get(name, START) for name in queues]
        return [rank for rank, _ in found], [job_id for _, job_id in found]

    def reset(self) -> None:
        """Look from the start next."""
        self._last.clear()

    def reach(self, claimed: Iterable[tuple[str, int, UUID]]) -> None:
        """Note what was claimed, as queue, rank and id, where that was the limit."""
        if self.is_start:
            now = monotonic()
            self._until = now + max(LONGEST, SHARE * (now - self._began))
        for queue, rank, job_id in claimed:
            self._last[queue] = max(self._last.get(queue, START), (rank, job_id))
