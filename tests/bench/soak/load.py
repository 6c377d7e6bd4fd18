"""A steady load: so many jobs each second, in small lots."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.bench.contract import System
from tests.bench.tally import Tally

LOT = 0.1
"""Seconds between two lots."""


@dataclass(slots=True)
class Load:
    """Numbers its jobs upwards from `next`, and knows when the first of each lot was enqueued."""

    system: System
    tally: Tally
    rate: int
    next: int
    """The number of the next job."""
    _called: dict[int, int] = field(default_factory=dict)

    def go_on(self, until: float) -> None:
        """Enqueue at the rate until a moment of `time.monotonic()`.

        What a slow call has held up comes with the next lot, so that the load is what it says.
        """
        began, first = time.monotonic(), self.next
        while True:
            now = min(time.monotonic(), until)
            due = first + int((now - began) * self.rate) + 1
            if lot := range(self.next, min(due, self.tally.jobs)):
                self._called[lot[0]] = time.monotonic_ns()
                self.system.enqueue_many("noop", lot)
                self.next = lot[-1] + 1
            if now == until:
                return
            time.sleep(max(0.0, min(now + LOT, until) - time.monotonic()))

    def waits(self) -> list[float]:
        """Milliseconds that the first job of each lot has waited, since this was last asked."""
        started = {number: self.tally.started(number) for number in self._called}
        found = [
            (started_at - self._called[number]) / 1e6
            for number, started_at in started.items()
            if started_at is not None
        ]
        self._called.clear()
        return found
