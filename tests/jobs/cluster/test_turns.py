"""In an ordered list of queues a late one still moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cluster import turns
from jobs.cluster.identity import Identity
from jobs.cluster.slot import Slot
from jobs.cluster.turns import Turns
from jobs.cluster.wake import Wake
from jobs.cluster.worker import Mode, Worker
from jobs.conf import Pool
from tests.jobs import sample_jobs

QUEUES = ("high", "default", "low")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    told = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: told.now))
    return told


def firsts(order: Turns, clock: SimpleNamespace, seconds: int) -> list[str]:
    """What comes first at each claim, one every second."""
    found = []
    for _ in range(seconds):
        clock.now += 1
        found.append(order.next(50)[0][0])
    return found


def test_each_queue_comes_first_once_in_the_time_of_aging(
    settings: Any, clock: SimpleNamespace
) -> None:
    settings.JOBS_AGING = 10
    found = firsts(Turns(QUEUES), clock, 40)
    for begin in range(0, 40, 10):
        some = found[begin : begin + 10]
        assert (some.count("high"), some.count("default"), some.count("low")) == (8, 1, 1)


def test_a_turn_out_of_order_takes_one_job(settings: Any, clock: SimpleNamespace) -> None:
    settings.JOBS_AGING = 10
    order = Turns(QUEUES)
    assert order.next(50) == (QUEUES, 50)
    clock.now += 5
    assert order.next(50) == (("default", "high", "low"), 1)
    assert order.next(50) == (QUEUES, 50)


def test_it_can_be_switched_off(settings: Any, clock: SimpleNamespace) -> None:
    settings.JOBS_AGING = None
    assert set(firsts(Turns(QUEUES), clock, 1000)) == {"high"}


def test_a_single_queue_has_no_turns(settings: Any, clock: SimpleNamespace) -> None:
    settings.JOBS_AGING = 1
    assert Turns(["only"]).next(7) == (("only",), 7)


@given(count=st.integers(1, 12), claims=st.integers(1, 200))
def test_whatever_the_turn_every_queue_is_looked_at(count: int, claims: int) -> None:
    names = tuple(f"q{number}" for number in range(count))
    order = Turns(names)
    order._next_at = 0.0
    for _ in range(claims):
        assert sorted(order.next(5)[0]) == sorted(names)


def test_a_worker_runs_a_job_of_a_late_queue_though_an_earlier_one_is_deep(
    transactional_db: None, settings: Any, calls: list[Any]
) -> None:
    settings.JOBS_AGING = 0.000001
    settings.JOBS_CLAIM_SIZE = 1
    sample_jobs.add.using(queue_name="high").enqueue_many(range(20))
    sample_jobs.add.using(queue_name="low").enqueue(1000)
    pool = Pool(name="default", queues=("high", "low"))
    worker = Worker(Identity(name="ours", pools=(pool,)), pool, Slot(), Wake())
    worker.run(Mode.UNTIL_EMPTY)
    assert calls.index((1000, 0)) < 3
