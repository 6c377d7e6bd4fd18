"""The course of a soak: steady load, and at intervals a look at how quick bursts are drained."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass

from tests.bench.contract import System
from tests.bench.measures import WARM_UP, RunFailed, Taken, start_warm, wait
from tests.bench.plan import Size
from tests.bench.soak.growth import Growth, growth
from tests.bench.soak.load import Load
from tests.bench.soak.points import Point, thirds
from tests.bench.summary import percentile
from tests.bench.systems.jobsite import Jobsite
from tests.bench.tally import Tally

POINTS = 10
"""Looks at how things stand, at even intervals."""
BURSTS = 5
"""Drained at each look; the median counts, as a vacuum may fall into one."""
KEPT = 15
"""Finished jobs are kept for this part of the soak, so that rows go while others come."""
TOO_MUCH = 30.0
"""Seconds of load that may wait at a look; with more it is more than what can be done."""
MB = 1024**2


@dataclass(slots=True)
class Soak:
    """One soak of a running cluster."""

    system: Jobsite
    size: Size
    tally: Tally
    load: Load
    ends_at: float
    began: float
    _done: int = 0
    """The jobs with lower numbers have run."""

    def look(self) -> Point:
        """Let the backlog go, drain the bursts, and note how things stand."""
        backlog = self.system.unfinished()
        minute = (time.monotonic() - self.began) / 60
        if backlog > TOO_MUCH * self.size.rate:
            raise RunFailed(
                f"{backlog:,} jobs wait after {minute:.1f} minutes: "
                f"{self.size.rate:,} jobs/s are more than it does"
            )
        self._wait_until_done()
        waits = self.load.waits()
        rate = statistics.median(self._burst() for _ in range(BURSTS))
        ledger: Growth = growth(self.system)
        return Point(
            minute=round(minute, 2),
            rate=round(rate, 1),
            backlog=backlog,
            wait_p50_ms=round(percentile(waits, 0.5), 2),
            wait_p99_ms=round(percentile(waits, 0.99), 2),
            enqueued=self.load.next,
            rows=ledger.rows,
            dead_rows=ledger.dead_rows,
            tables_mb=round(ledger.table_bytes / MB, 1),
            indexes_mb=round(ledger.index_bytes / MB, 1),
            vacuums=ledger.vacuums,
            pss_mb=round(self.system.workers.pss() / MB, 1),
        )

    def _burst(self) -> float:
        """Jobs per second from the first start to the last record, of jobs that came at once."""
        first = self.load.next
        numbers = range(first, first + self.size.drained)
        self.system.pause()
        self.system.enqueue_many("noop", numbers)
        self.load.next = numbers[-1] + 1
        self.system.resume()
        self._wait_until_done()
        done = time.monotonic_ns()
        began = self.tally.first_start(numbers)
        assert began is not None
        return len(numbers) / ((done - began) / 1e9)

    def _wait_until_done(self) -> None:
        def told() -> str:
            return f"{self.system.unfinished():,} jobs are not done"

        # Only the newest: a look at all jobs of a soak would take a good part of a core.
        new = range(self._done, self.load.next)
        wait(self.system, lambda: self.tally.executed(new) == len(new), self.ends_at, told)
        wait(self.system, lambda: not self.system.unfinished(), self.ends_at, told)
        self._done = self.load.next


def soak(system: System, size: Size, ends_at: float) -> Taken:
    """Rates of the first and the last third of the looks, and what was seen at each.

    Fails if a job was lost, doubled or failed, or if the load is more than can be done.
    """
    if not isinstance(system, Jobsite):
        raise RunFailed(f"{system.title} has no such measure")
    bursts = POINTS * BURSTS * size.drained
    tally = Tally.create(system.place.tally, WARM_UP + size.jobs + bursts)
    system.prepare()
    system.keep_succeeded(size.seconds / KEPT)
    start_warm(system, tally, ends_at)
    began = time.monotonic()
    course = Soak(system, size, tally, Load(system, tally, size.rate, WARM_UP), ends_at, began)
    points = []
    for number in range(1, POINTS + 1):
        course.load.go_on(began + number * size.seconds / POINTS)
        points.append(course.look())
        print(asdict(points[-1]), flush=True)
    system.stop()
    return _taken(course, points)


def _taken(course: Soak, points: list[Point]) -> Taken:
    jobs, counts = course.load.next, course.tally.verdict()
    # The tally has room for more jobs than may have come.
    lost = counts.lost - (counts.jobs - jobs)
    failed = course.system.failed()
    if lost or counts.doubled or failed:
        raise RunFailed(
            f"of {jobs:,} jobs {lost:,} were lost, {counts.doubled:,} ran more than once, "
            f"and {failed:,} failed"
        )
    first, last = thirds([point.rate for point in points])
    figures = {
        "soak_first": (first, "jobs/s"),
        "soak_last": (last, "jobs/s"),
        "soak_ratio": (last / first, "of the first third"),
    }
    notes = {
        "minutes": round(course.size.seconds / 60, 1),
        "load": course.size.rate,
        "kept_s": round(course.size.seconds / KEPT, 1),
        "points": [asdict(point) for point in points],
    }
    return Taken(figures, jobs, notes)
