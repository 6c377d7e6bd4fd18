"""What passes between a sentinel and its children: memory and pipes, never a lock."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cluster.deaths import Death, Obituaries
from jobs.cluster.flag import Flag
from jobs.cluster.mailbox import channel
from jobs.cluster.slot import Running, Slot
from jobs.cluster.starting import RestartPace
from jobs.cluster.vigil import Vigil
from jobs.cluster.wake import Wake
from tests.support.waiting import wait_until


def _in_child(work: object) -> int:
    """Fork, run `work`, and return the child's id; it ends without Python's goodbye."""
    child = os.fork()
    if child == 0:
        try:
            work()  # type: ignore[operator]
        finally:
            os._exit(0)
    return child


@given(job_id=st.uuids(), fence=st.integers(1, 2**31), deadline=st.floats(0.001, 1e9))
@settings(max_examples=50)
def test_a_slot_gives_back_what_was_written(job_id, fence, deadline) -> None:  # type: ignore[no-untyped-def]
    slot = Slot()
    slot.begin(job_id, fence, deadline)
    running = slot.running()
    assert running is not None
    assert (running.job_id, running.fence) == (job_id, fence)
    assert running.deadline is not None
    assert abs(running.deadline - deadline) < 1e-5
    slot.begin(job_id, fence, None)
    assert slot.running() == Running(job_id, fence, None)
    slot.end()
    assert slot.running() is None
    assert slot.jobs_done == 1


def test_the_parent_never_reads_half_of_one_attempt_and_half_of_another() -> None:
    slot, done = Slot(), Flag()
    pairs = {(uuid4(), number) for number in range(1, 20)}

    def write() -> None:
        while not done.is_set():
            for job_id, number in pairs:
                slot.begin(job_id, number, float(number))
                # So that a reader meets whole attempts too, and not only changing ones.
                for _ in range(200):
                    slot.jobs_done  # noqa: B018

    child = _in_child(write)
    try:
        read = set()
        wait_until(slot.running)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            if running := slot.running():
                read.add((running.job_id, running.fence, running.deadline))
    finally:
        done.set()
        os.waitpid(child, 0)
    assert read <= {(job_id, number, float(number)) for job_id, number in pairs}


def test_a_flag_set_by_a_child_that_is_killed_is_set() -> None:
    flag = Flag()
    assert not flag.wait(0.01)

    def work() -> None:
        flag.set()
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(_in_child(work), 0)
    assert flag.wait(0)


def test_messages_arrive_whole_and_in_order_however_full_the_pipe_is() -> None:
    receiver, sender = channel()
    for number in range(3000):
        sender.post({"number": number, "text": "x" * 100})
    assert not sender.flush()
    got = []
    while len(got) < 3000:
        got += receiver.receive()
        sender.flush()
    assert [message["number"] for message in got] == list(range(3000))


def test_a_reader_that_is_gone_stops_no_sender_and_is_told_to_the_reader_of_the_other_way() -> None:
    receiver, sender = channel()
    receiver.close()
    sender.post({"kind": "lost"})
    assert sender.flush()
    receiver, sender = channel()
    sender.post({"kind": "last"})
    sender.close()
    assert receiver.receive() == [{"kind": "last"}]
    assert receiver.closed


def test_a_signal_between_the_look_and_the_wait_ends_the_wait() -> None:
    wake, seen = Wake(), []
    former = signal.signal(signal.SIGUSR1, lambda *args: seen.append(args))
    try:
        wake.arm()
        os.kill(os.getpid(), signal.SIGUSR1)
        started = time.monotonic()
        wake.wait(10)
        assert time.monotonic() - started < 1
        assert seen
        started = time.monotonic()
        wake.wait(0.05)
        assert time.monotonic() - started >= 0.04
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, former)


def test_a_death_is_kept_until_it_is_confirmed() -> None:
    obituaries = Obituaries()
    first = obituaries.add(pid=1, worker_id=7, detail="signal 9")
    second = obituaries.add(pid=2, worker_id=8, detail="exit code 1", timed_out=True)
    obituaries.confirm(first.number)
    assert obituaries.unconfirmed() == [second]
    assert Death.from_message(second.as_message()) == second


def test_processes_that_die_while_starting_are_started_ever_more_slowly() -> None:
    pace = RestartPace()
    pauses = []
    for _ in range(9):
        pace.failed()
        pauses.append(pace.seconds_left())
    assert pauses == sorted(pauses)
    assert 14 < pauses[-1] <= 15
    assert not pace.may_start()
    pace.succeeded()
    assert pace.may_start()


def test_a_clock_that_goes_round_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((100.0, 103.0, 104.0, 104.5))
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("jobs.cluster.vigil.time", clock)
    vigil = Vigil()
    assert vigil.silent_for() == 3.0
    vigil.tick()
    assert vigil.silent_for() == 0.5
