"""A soak keeps its load, tells how its bursts fare, and counts only if every job ran once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import output
from tests.bench.contract import Job, Place, System
from tests.bench.measures import RunFailed, take
from tests.bench.plan import Size
from tests.bench.results import Results, Row, read
from tests.bench.soak import course, drawing
from tests.bench.soak.load import Load
from tests.bench.soak.points import points_of, thirds
from tests.bench.systems.jobsite import Jobsite
from tests.bench.tally import Tally

SIZE = Size(jobs=60, seconds=0.3, rate=200, drained=5, deadline=30)


class InProcess(Jobsite):
    """Runs a job as soon as it is enqueued, or when it is resumed."""

    def __init__(self, place: Place) -> None:
        System.__init__(self, place)
        self.environment = {}
        self.paused = False
        self.waiting: list[int] = []

    def prepare(self) -> None:
        """It has no tables."""

    def start_workers(self, processes: int) -> None:
        """It has no workers."""

    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        self.enqueue_many(job, numbers)

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        self.waiting.extend(numbers)
        if not self.paused:
            self.work()

    def work(self) -> None:
        tally = Tally(self.place.tally)
        for number in self.waiting:
            tally.mark(number)
        self.waiting.clear()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.work()

    def unfinished(self) -> int:
        return len(self.waiting)

    def failed(self) -> int:
        return 0

    def ask(self, question: str) -> tuple[int, ...]:
        return (1000, 10, 2 * 1024**2, 1024**2, 3)


class Doubling(InProcess):
    def resume(self) -> None:
        Tally(self.place.tally).mark(self.waiting[0])
        super().resume()


class Failing(InProcess):
    def failed(self) -> int:
        return 7


class Overloaded(InProcess):
    def unfinished(self) -> int:
        return 1_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("postgres://nowhere", "redis://nowhere", tmp_path, tmp_path / "tally")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.measures.SETTLING", 0)


def test_a_soak_looks_at_even_intervals_and_tells_what_it_saw(place: Place) -> None:
    system = InProcess(place)

    taken = take(system, "soak", SIZE)

    points = taken.notes["points"]
    assert len(points) == course.POINTS
    assert set(taken.figures) == {"soak_first", "soak_last", "soak_ratio"}
    assert all(point["rate"] > 0 for point in points)
    assert (points[0]["dead_rows"], points[0]["tables_mb"], points[0]["vacuums"]) == (10, 2, 3)
    # The load, and the bursts of every look.
    assert taken.jobs >= 50 + course.POINTS * course.BURSTS * SIZE.drained
    assert float(system.environment["BENCH_RETENTION"]) == SIZE.seconds / course.KEPT


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        (Doubling, "0 were lost, 50 ran more than once, and 0 failed"),
        (Failing, "0 were lost, 0 ran more than once, and 7 failed"),
        (Overloaded, "1,000,000 jobs wait after 0.0 minutes: 200 jobs/s are more than it does"),
    ],
)
def test_a_soak_with_a_fault_does_not_count(
    place: Place, system: type[InProcess], reason: str
) -> None:
    with pytest.raises(RunFailed, match=reason):
        take(system(place), "soak", SIZE)


def test_a_load_comes_at_its_rate_and_makes_up_for_what_held_it_up(place: Place) -> None:
    tally = Tally.create(place.tally, 1000)
    load = Load(InProcess(place), tally, rate=500, next=0)

    load.go_on(time.monotonic() + 0.3)

    assert 148 <= load.next <= 151
    assert tally.executed() == load.next
    assert all(wait < 1000 for wait in load.waits())
    assert load.waits() == []


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=40))
def test_the_thirds_of_a_soak_are_rates_that_were_seen_or_lie_between_them(
    rates: list[float],
) -> None:
    first, last = thirds(rates)

    assert min(rates) <= first <= max(rates)
    assert (last, first) == thirds(rates[::-1])


def test_a_drop_at_the_end_shows_and_one_odd_burst_does_not() -> None:
    assert thirds([100, 100, 100, 90, 80, 70, 50, 50, 50]) == (100, 50)
    assert thirds([100, 10, 100, 100, 100, 100, 100, 100, 100]) == (100, 100)


def soaked(place: Place) -> list[Row]:
    taken = take(InProcess(place), "soak", SIZE)
    found = Results({"cores": 2})
    found.add("jobsite", "soak", {"figures": taken.figures, "jobs": 9, "notes": taken.notes})
    return found.rows()


def test_the_course_of_a_soak_is_told_and_kept(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output.finish(soaked(place), tmp_path, quick=False, whole=False)

    assert len(points_of(read(tmp_path / "results.json"))) == course.POINTS
    assert points_of(read(tmp_path / "soak" / "results.json"))
    told = capsys.readouterr().out
    assert "burst jobs/s" in told
    assert "soak_ratio" in told
    # Of the targets only its own: nothing else was measured.
    assert "not measured" not in told


def test_the_course_of_a_soak_is_drawn(place: Place, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    drawing.draw(soaked(place), tmp_path / "soak.svg")

    assert "</svg>" in (tmp_path / "soak.svg").read_text()


def test_without_a_soak_nothing_is_drawn(tmp_path: Path) -> None:
    drawing.draw([], tmp_path / "soak.svg")

    assert not list(tmp_path.iterdir())
