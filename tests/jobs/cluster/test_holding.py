"""What a worker holds, and what its file says of that at any moment."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from jobs.cluster import holding as holdings
from jobs.cluster import journals
from jobs.cluster.holding import Holding
from jobs.cluster.journal import Journal
from jobs.cluster.slot import Slot
from jobs.ledger.outcome import Outcome
from tests.jobs.claims import claimed_job, end_of


def record(outcome: Outcome) -> str:
    """Enough of a record to be found again."""
    return f'{{"job_id":"{outcome.job.id.hex}","fence":{outcome.job.fence}}}'


@pytest.fixture
def path(tmp_path: Path, settings: Settings) -> Path:
    settings.JOBS_JOURNAL_DIR = tmp_path / "journals"
    return journals.create(uuid4())


@pytest.fixture
def slot(path: Path) -> Slot:
    """The slot as others see it."""
    return journals.slot_of(path)


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.of(path)
    yield journal
    journal.close()


@pytest.fixture
def holding(path: Path, journal: Journal) -> Holding:
    return Holding(journals.slot_of(path), journal, record)


def ends_in(path: Path) -> list[str]:
    """The ids of the jobs whose ends stand in the journal."""
    with journals.reading(path) as (_, reader):
        return [found["job_id"] for found, _ in reader.read()]


def relieve(path: Path, *, delivered: bool = True) -> None:
    """Take what waits as the clock does; with `delivered` false, die after that."""
    with journals.reading(path) as (slot, reader), reader.locked(1) as locked:
        assert locked
        slot.relieve()
        if delivered:
            reader.read()
            slot.delivered(reader.size)


def test_jobs_are_started_in_the_order_of_their_claim(holding: Holding, slot: Slot) -> None:
    jobs = [claimed_job() for _ in range(3)]
    holding.take(jobs)
    for job in jobs:
        assert holding.next() is job
        assert holding.start(None)
        running = slot.running()
        assert running is not None
        assert (running.job_id, running.fence) == (job.id, job.fence)
        holding.end(end_of(job))
        assert slot.running() is None
    assert holding.next() is None
    assert slot.jobs_done == 3


def test_an_end_is_in_the_journal_before_the_slot_is_free(
    holding: Holding, slot: Slot, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a job that has ended would be taken for one that was never started."""
    job = claimed_job()
    holding.take([job])
    holding.start(None)
    seen = []
    real = Slot.end
    monkeypatch.setattr(Slot, "end", lambda *args: (seen.append(ends_in(path)), real(*args)))
    holding.end(end_of(job))
    assert seen == [[job.id.hex]]


def test_ends_are_written_together_when_nothing_waits_or_the_time_is_up(
    holding: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [claimed_job() for _ in range(3)]
    holding.take(jobs)
    assert not holding.is_due
    holding.start(None)
    holding.end(end_of(jobs[0]))
    assert not holding.is_due
    monkeypatch.setattr(holdings, "DELIVER_EVERY", 0.0)
    holding.written()
    holding.start(None)
    holding.end(end_of(jobs[1]))
    assert holding.is_due
    holding.written()
    assert not holding.is_due
    monkeypatch.undo()
    holding.start(None)
    holding.end(end_of(jobs[2]))
    assert holding.is_due


def test_ends_that_are_not_written_wait_for_the_running_job_too(
    holding: Holding, slot: Slot
) -> None:
    """The last job of a claim may run for an hour: the ends before it must not wait so long."""
    first, last = claimed_job(), claimed_job()
    holding.take([first, last])
    holding.start(None)
    assert slot.waiting == 1
    holding.end(end_of(first))
    holding.start(None)
    assert holding.next() is None
    assert slot.waiting == 1


def test_a_job_that_runs_alone_keeps_nobody_waiting(holding: Holding, slot: Slot) -> None:
    holding.take([claimed_job()])
    holding.start(None)
    assert slot.waiting == 0


def test_jobs_are_seen_to_wait_from_their_claim_to_the_last_start(
    holding: Holding, slot: Slot
) -> None:
    """Who watches looks closely as long: a moment between two jobs must not lull him."""
    jobs = [claimed_job() for _ in range(3)]
    holding.take(jobs)
    assert slot.waiting == 2
    holding.start(None)
    holding.end(end_of(jobs[0]))
    assert slot.waiting == 2
    holding.start(None)
    holding.end(end_of(jobs[1]))
    holding.written()
    holding.start(None)
    holding.end(end_of(jobs[2]))
    assert slot.waiting == 0


def test_nothing_is_seen_to_wait_after_it_was_given_up(holding: Holding, slot: Slot) -> None:
    holding.take([claimed_job() for _ in range(3)])
    holding.leave()
    assert slot.waiting == 0


def test_what_was_taken_away_is_not_started(holding: Holding, slot: Slot, path: Path) -> None:
    running, waiting = claimed_job(), claimed_job()
    holding.take([running, waiting])
    holding.start(None)
    relieve(path)
    holding.end(end_of(running))
    assert not holding.start(None)
    assert slot.running() is None
    assert holding.leave() == []
    assert holding.was_relieved
    assert [outcome.job for outcome in holding.unwritten()] == [running]


def test_ends_that_others_have_written_are_not_written_again_but_told_of(
    holding: Holding, path: Path
) -> None:
    first, second, third = (claimed_job() for _ in range(3))
    holding.take([first, second, third])
    holding.start(None)
    holding.end(end_of(first))
    holding.start(None)
    relieve(path)
    holding.end(end_of(second))
    assert [outcome.job for outcome in holding.unwritten()] == [second]
    assert [outcome.job for outcome in holding.written_by_others()] == [first]
    assert holding.written_by_others() == []
    assert holding.ids == {second.id}


def test_a_relief_that_died_before_it_wrote_the_ends_leaves_them_to_the_worker(
    holding: Holding, path: Path
) -> None:
    first, second = claimed_job(), claimed_job()
    holding.take([first, second, claimed_job()])
    holding.start(None)
    holding.end(end_of(first))
    holding.start(None)
    relieve(path, delivered=False)
    holding.end(end_of(second))
    assert [outcome.job for outcome in holding.unwritten()] == [first, second]
    assert holding.written_by_others() == []


def test_until_a_relief_is_done_others_still_wait(holding: Holding, slot: Slot, path: Path) -> None:
    """So that it is tried again: else they would wait for the end of the job that is stuck."""
    holding.take([claimed_job(), claimed_job()])
    holding.start(None)
    relieve(path, delivered=False)
    assert slot.waiting == 1
    relieve(path)
    assert slot.waiting == 0


def test_an_end_never_leaves_the_journal_before_it_is_in_the_ledger(
    holding: Holding, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = claimed_job(), claimed_job()
    holding.take([first, second, claimed_job()])
    holding.start(None)
    holding.end(end_of(first))
    holding.start(None)
    relieve(path)
    holding.end(end_of(second))
    monkeypatch.setattr(os, "ftruncate", lambda *args: pytest.fail("it was cut"))
    holding.leave()
    assert second.id.hex in ends_in(path)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for a line any more."""

    def write(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)


def test_an_end_for_which_there_is_no_room_is_due_at_once(
    holding: Holding, full: None, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [claimed_job(), claimed_job()]
    holding.take(jobs)
    holding.start(None)
    holding.end(end_of(jobs[0]))
    assert holding.is_due
    assert [outcome.job for outcome in holding.unwritten()] == jobs[:1]
    assert "No space left on device" in caplog.text


def test_a_job_whose_end_stands_nowhere_is_not_taken_for_one_that_never_started(
    holding: Holding, slot: Slot, full: None
) -> None:
    """One that must not run twice would be given back, and run twice."""
    job = claimed_job()
    holding.take([job])
    holding.start(time.monotonic())
    holding.end(end_of(job))
    running = slot.running()
    assert running is not None
    assert running.job_id == job.id
    # It has ended in time.
    assert running.deadline is None
    holding.written()
    assert slot.running() is None
    assert slot.jobs_done == 1


def test_an_end_for_which_there_was_no_room_is_not_taken_for_written_by_others(
    holding: Holding, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = claimed_job(), claimed_job()
    holding.take([first, second, claimed_job()])
    holding.start(None)
    holding.end(end_of(first))
    holding.start(None)
    relieve(path)

    def write(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        holding.end(end_of(second))
    assert [outcome.job for outcome in holding.unwritten()] == [second]


def test_an_end_that_makes_no_record_is_left_to_the_ledger_to_refuse(
    path: Path, journal: Journal
) -> None:
    def refuse(outcome: Outcome) -> str:
        raise ValueError("Exceeds the limit for integer string conversion")

    holding = Holding(journals.slot_of(path), journal, refuse)
    job = claimed_job()
    holding.take([job])
    holding.start(None)
    holding.end(end_of(job))
    assert holding.is_due
    assert [outcome.job for outcome in holding.unwritten()] == [job]


def test_a_claim_that_has_grown_old_is_not_started(
    holding: Holding, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a pause of the whole process its jobs may be somebody else's."""
    jobs = [claimed_job(), claimed_job()]
    holding.take(jobs)
    holding.start(None)
    holding.end(end_of(jobs[0]))
    monkeypatch.setattr(holdings, "STALE", -1.0)
    assert not holding.start(None)
    assert slot.running() is None
    assert holding.leave() == jobs[1:]
    assert not holding.was_relieved


def test_what_is_held_is_what_waits_and_what_has_ended(holding: Holding) -> None:
    first, second, third = (claimed_job() for _ in range(3))
    holding.take([first, second, third])
    holding.start(None)
    holding.end(end_of(first))
    assert holding.ids == {first.id, second.id, third.id}
    holding.written()
    assert holding.ids == {second.id, third.id}
    assert holding.leave() == [second, third]
    assert holding.ids == set()
