"""A benchmark goes on after a system that fails, and starts from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import __main__ as program
from tests.bench import child, output, systems
from tests.bench.contract import EVERY, Place, System
from tests.bench.leash import leashed
from tests.bench.plan import FULL, Size
from tests.bench.results import read


class Named(System):
    """A system that nobody starts here."""

    records = "nothing"
    guarantees = "none"

    def prepare(self) -> None: ...
    def enqueue_each(self, job: object, numbers: object) -> None: ...
    def start_workers(self, processes: int) -> None: ...
    def recorded(self) -> int:
        return 0


class Rival(Named):
    name = title = "rival"
    rounds = EVERY


class Passerby(Named):
    name = title = "passer-by"
    takes_many = False


class NoServers:
    """Servers that answer as far as a benchmark without runs needs them."""

    def start(self) -> None: ...
    def remove(self) -> None: ...

    def versions(self) -> dict[str, str]:
        return {"postgresql": "0"}

    @contextmanager
    def place(self) -> Iterator[Place]:
        yield Place("postgres://nowhere", "redis://nowhere", Path(), Path("tally"))


FOUND: dict[str, type[System]] = {"rival": Rival, "passer-by": Passerby}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> program.Benchmark:
    def find(name: str) -> type[System]:
        if name == "absent":
            raise ImportError("No module named 'absent'")
        if name == "broken":
            raise AttributeError("a part of it has moved")
        return FOUND[name]

    monkeypatch.setattr(systems, "find", find)
    monkeypatch.setattr(program, "Servers", NoServers)
    return program.Benchmark(FULL, tmp_path, False, None)


def answers(monkeypatch: pytest.MonkeyPatch, *faults: tuple[str, Exception]) -> list[Any]:
    """Let runs answer with the figure 5, or with the fault of a system; return what was run."""
    runs: list[Any] = []

    def run(place: Place, system: str, measure: str, size: Size, log: Path) -> dict[str, Any]:
        runs.append((system, measure))
        for name, fault in faults:
            if name == system:
                raise fault
        return {"figures": {measure: [5.0, "jobs/s"]}, "jobs": size.jobs, "seconds": 1}

    monkeypatch.setattr(child, "run", run)
    return runs


def test_a_system_that_cannot_be_loaded_leaves_its_reason_and_the_others_their_figures(
    benchmark: program.Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch)

    benchmark.run(["absent", "broken", "rival"], ["drain", "soak"])

    found = {(row.system, row.measure): row for row in benchmark.results.rows()}
    assert found["absent", "drain"].reason == "not installed here: No module named 'absent'"
    assert found["broken", "drain"].reason == (
        "cannot be loaded here: AttributeError: a part of it has moved"
    )
    assert found["rival", "drain"].median == 5
    # What only Jobsite can do is no fault of others.
    assert {measure for _, measure in found} == {"drain"}


def test_a_run_that_goes_wrong_costs_its_own_figure_alone(
    benchmark: program.Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers(monkeypatch, ("rival", OSError("no space left")))

    benchmark.run(["rival", "passer-by"], ["drain"])

    rows = {row.system: row for row in read(tmp_path / "results.json")}
    assert (rows["rival"].median, rows["rival"].reason) == (None, "OSError: no space left")
    assert rows["passer-by"].rounds == 2


def test_a_benchmark_that_is_stopped_has_written_what_it_found(
    benchmark: program.Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    answers(monkeypatch)
    benchmark.run(["passer-by"], ["drain"])
    monkeypatch.setattr(child, "run", stop)

    with pytest.raises(KeyboardInterrupt):
        benchmark.run(["rival"], ["drain"])

    assert [row.system for row in read(tmp_path / "results.json")] == ["passer-by"]


def test_rivals_take_part_in_every_round_and_others_in_as_many_as_they_say(
    benchmark: program.Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = answers(monkeypatch)

    benchmark.run(["rival", "passer-by"], ["enqueue", "enqueue_many"])

    assert runs.count(("rival", "enqueue")) == runs.count(("rival", "enqueue_many")) == FULL.rounds
    assert runs.count(("passer-by", "enqueue")) == Passerby.rounds
    assert ("passer-by", "enqueue_many") not in runs


def test_nothing_of_an_earlier_run_is_left_when_a_new_one_begins(tmp_path: Path) -> None:
    kept = tmp_path / output.FULL / output.RESULTS
    for file in (tmp_path / output.RESULTS, tmp_path / "logs" / "a-drain.log", kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("old")

    output.clear(tmp_path)

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [kept]


def test_a_run_of_an_unknown_system_answers_with_the_reason(tmp_path: Path) -> None:
    place = Place("postgres://nowhere", "redis://nowhere", tmp_path, tmp_path / "tally")

    answer = child.run(place, "sellery", "drain", Size(jobs=1), tmp_path / "log")

    assert answer["reason"] == "cannot be loaded here: KeyError: 'sellery'"
    assert "KeyError" in (tmp_path / "log").read_text()


def test_a_run_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("postgres://nowhere", "redis://nowhere", tmp_path, tmp_path / "tally")
    monkeypatch.setattr(child, "SPARE", 0.0)

    answer = child.run(place, "sellery", "drain", Size(jobs=7, deadline=0.01), tmp_path / "log")

    assert "the run had not ended after 0 s" in answer["reason"]
    assert answer["jobs"] == 7


def test_a_leash_leaves_the_command_as_it_is() -> None:
    assert leashed(["python", "-m", "this"])[-3:] == ["python", "-m", "this"]
