"""The tally tells a job that was lost, and one that ran twice, from one that ran once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.tally import VARIABLE, Tally
from tests.bench.workers import ROOT


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally.create(tmp_path / "tally", 4)


def test_jobs_that_ran_once_each_hold(tally: Tally) -> None:
    for number in range(4):
        tally.mark(number)

    assert tally.verdict().holds
    assert str(tally.verdict()) == "each of 4 jobs ran once"
    assert tally.executed() == 4


def test_a_lost_and_a_doubled_job_do_not_make_up_for_each_other(tally: Tally) -> None:
    for number in (0, 1, 1, 2):
        tally.mark(number)

    verdict = tally.verdict()

    assert not verdict.holds
    assert (verdict.lost, verdict.doubled) == (1, 1)
    assert str(verdict) == "of 4 jobs 1 were lost and 1 ran more than once"


def test_a_job_that_runs_without_end_is_still_a_doubled_one(tally: Tally) -> None:
    for number in [0] * 300 + [1, 2, 3]:
        tally.mark(number)

    assert (tally.verdict().lost, tally.verdict().doubled) == (0, 1)


def test_the_first_start_counts_and_a_second_one_does_not_move_it(tally: Tally) -> None:
    before = time.monotonic_ns()
    tally.mark(2)
    first = tally.started(2)
    tally.mark(2)
    tally.mark(1)

    assert first is not None
    assert before <= first == tally.started(2) == tally.first_start()
    assert tally.started(0) is None


def test_nothing_has_started_in_a_new_tally(tally: Tally) -> None:
    assert tally.executed() == 0
    assert tally.first_start() is None


def test_another_process_marks_the_same_tally_on_the_same_clock(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path / "tally", 2)
    before = time.monotonic_ns()

    subprocess.run(
        [sys.executable, "-c", "from tests.bench import work; work.noop(1)"],
        env={VARIABLE: str(tmp_path / "tally")},
        cwd=ROOT,
        check=True,
    )

    started = tally.started(1)
    assert started is not None
    assert before <= started <= time.monotonic_ns()
    assert (tally.verdict().lost, tally.verdict().doubled) == (1, 0)
