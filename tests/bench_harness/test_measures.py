"""A run counts only if every job ran once, was recorded, and did so in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench.contract import Job, Place, System
from tests.bench.measures import RunFailed, take
from tests.bench.plan import Size
from tests.bench.tally import Tally


class InProcess(System):
    """Runs its jobs when its workers start, in the order in which they were enqueued."""

    name = "in-process"
    title = "In this process"
    records = "a number"
    guarantees = "none"
    enqueued: list[int]
    stopped = False

    def prepare(self) -> None:
        self.enqueued = []

    def prepare_writes(self) -> None:
        """It has no database."""

    def written(self) -> tuple[int, int]:
        return len(self.run()), len(set(self.run()))

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        self.enqueued.extend(numbers)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        self.enqueued.extend(numbers)

    def start_workers(self, processes: int) -> None:
        tally = Tally(self.place.tally)
        for number in self.run():
            tally.mark(number)

    def run(self) -> list[int]:
        """The jobs that it does run."""
        return self.enqueued

    def recorded(self) -> int:
        return len(self.enqueued)

    def stop(self) -> None:
        self.stopped = True


class Losing(InProcess):
    def run(self) -> list[int]:
        return self.enqueued[1:]


class Doubling(InProcess):
    def run(self) -> list[int]:
        return [*self.enqueued, self.enqueued[0]]


class Forgetting(InProcess):
    def recorded(self) -> int:
        return len(self.enqueued) - 1


class WritingTwice(InProcess):
    def written(self) -> tuple[int, int]:
        return len(self.enqueued) + 1, len(self.enqueued)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("postgres://nowhere", "redis://nowhere", tmp_path, tmp_path / "tally")


@pytest.mark.parametrize("measure", ["drain", "drain_db"])
def test_jobs_that_ran_once_and_are_recorded_give_a_rate(place: Place, measure: str) -> None:
    taken = take(InProcess(place), measure, Size(jobs=50, deadline=10))

    rate, unit = taken.figures[measure]
    assert rate > 0
    assert unit == "jobs/s"
    assert taken.jobs == 50


def test_a_lost_job_fails_the_run_when_the_time_is_over(place: Place) -> None:
    with pytest.raises(RunFailed, match="not done in time: of 50 jobs 1 were lost and 0 ran more"):
        take(Losing(place), "drain", Size(jobs=50, deadline=0.1))


def test_a_doubled_job_fails_the_run_however_quick_it_was(place: Place) -> None:
    with pytest.raises(RunFailed, match="0 were lost and 1 ran more than once"):
        take(Doubling(place), "drain", Size(jobs=50, deadline=10))


def test_a_job_that_ran_without_a_record_fails_the_run(place: Place) -> None:
    with pytest.raises(RunFailed, match="49 of 50 jobs were recorded as done"):
        take(Forgetting(place), "drain", Size(jobs=50, deadline=0.1))


def test_a_row_too_many_fails_the_run(place: Place) -> None:
    with pytest.raises(RunFailed, match="50 jobs wrote 51 rows with 50 numbers"):
        take(WritingTwice(place), "drain_db", Size(jobs=50, deadline=10))


def test_the_system_is_stopped_also_when_the_run_fails(place: Place) -> None:
    system = Doubling(place)

    with pytest.raises(RunFailed):
        take(system, "drain", Size(jobs=5, deadline=10))

    assert system.stopped
