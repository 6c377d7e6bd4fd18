"""Soft timeouts: one alarm for all the jobs of a worker, and what jobs do to it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.exceptions import JobTimeout
from jobs.execution import timeouts
from jobs.execution.timeouts import Alarm, time_limit

SOON = 0.05


@pytest.fixture(autouse=True)
def own_signal() -> Iterator[None]:
    """Leave the signal and the timer as they were."""
    former = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture
def alarm() -> Alarm:
    return Alarm()


def wait(seconds: float) -> None:
    """Sleep so long, whatever signal comes between."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)


def seconds_until_it_rings(alarm: Alarm, limit: float) -> float:
    started = time.monotonic()
    with pytest.raises(JobTimeout, match=f"{limit}"), alarm.limit(limit):
        wait(10)
    return time.monotonic() - started


def test_it_rings_after_a_fraction_of_a_second(alarm: Alarm) -> None:
    assert 0.05 <= seconds_until_it_rings(alarm, 0.05) < 0.5


def test_none_is_no_limit(alarm: Alarm) -> None:
    with alarm.limit(None):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_it_does_not_ring_after_the_end(alarm: Alarm) -> None:
    with alarm.limit(SOON):
        pass
    wait(2 * SOON)


def test_it_does_not_ring_for_a_job_without_a_limit(alarm: Alarm) -> None:
    with alarm.limit(SOON):
        pass
    with alarm.limit(None):
        wait(2 * SOON)


def test_one_timer_serves_many_jobs_and_each_has_its_whole_time(
    alarm: Alarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sets = signal.setitimer, []

    def setitimer(*args: Any) -> Any:
        sets.append(args)
        return real(*args)

    monkeypatch.setattr(timeouts, "LOOK_EVERY", 60.0)
    monkeypatch.setattr(signal, "setitimer", setitimer)
    for _ in range(500):
        with alarm.limit(60):
            pass
    assert len(sets) == 1
    # The timer of the first still runs when the next begins.
    with alarm.limit(2 * SOON):
        wait(SOON)
    assert 2 * SOON <= seconds_until_it_rings(alarm, 2 * SOON) < 0.5


def test_a_shorter_limit_than_that_of_the_job_before_rings_in_time(alarm: Alarm) -> None:
    with alarm.limit(60):
        pass
    assert seconds_until_it_rings(alarm, SOON) < 0.5


def test_it_rings_for_one_job_after_it_has_rung_for_another(alarm: Alarm) -> None:
    for _ in range(3):
        assert seconds_until_it_rings(alarm, SOON) < 0.5


@pytest.mark.parametrize("theft", ["the handler", "the timer"])
def test_a_job_that_takes_the_signal_away_does_so_from_itself_only(
    alarm: Alarm, monkeypatch: pytest.MonkeyPatch, theft: str
) -> None:
    """At the latest from `LOOK_EVERY` on."""
    with alarm.limit(60):
        if theft == "the handler":
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)
    monkeypatch.setattr(timeouts, "LOOK_EVERY", -1.0)
    assert seconds_until_it_rings(alarm, SOON) < 0.5


def test_a_job_that_goes_on_after_it_rang_is_not_rung_for_again(alarm: Alarm) -> None:
    """The hard timeout is somebody else's."""
    with alarm.limit(SOON):
        with pytest.raises(JobTimeout):
            wait(10)
        wait(2 * SOON)


def test_a_limit_inside_a_job_has_its_own_time_and_the_jobs_goes_on_after_it(alarm: Alarm) -> None:
    """As of a job that the transport `sync` runs inside of another."""
    inner: list[float] = []

    def work() -> None:
        with pytest.raises(JobTimeout, match=r"0\.05"), time_limit(0.05):
            wait(10)
        inner.append(time.monotonic() - started)
        wait(10)

    started = time.monotonic()
    with pytest.raises(JobTimeout, match=r"0\.4"), alarm.limit(0.4):
        work()
    assert inner[0] < 0.4 <= time.monotonic() - started < 2


def test_a_limit_inside_a_job_that_outlasts_the_jobs_own_ends_with_that_right_after(
    alarm: Alarm,
) -> None:
    def work() -> None:
        with time_limit(60):
            wait(2 * SOON)
        wait(10)

    started = time.monotonic()
    with pytest.raises(JobTimeout, match=r"0\.05"), alarm.limit(SOON):
        work()
    assert time.monotonic() - started < 1
