"""A sentinel sleeps while nothing can happen, and is awake in time."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from jobs.cluster import rehearsal
from jobs.cluster.bell import Bell
from jobs.cluster.fleet import Fleet, Member
from jobs.cluster.identity import Identity
from jobs.cluster.process import spawn
from jobs.cluster.rehearsal import rehearse
from jobs.cluster.sentinel import CALM_CYCLE, GUARD_CYCLE, JobsSentinel
from jobs.cluster.session import LedgerSession, thread_connection
from jobs.cluster.slot import Slot
from jobs.cluster.ticker import Tick, Ticker
from jobs.cluster.wake import Wake
from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.models import Job
from tests.jobs import sample_jobs

IDENTITY = Identity(name="ours", pools=(Pool(name="default", processes=2),))


@pytest.fixture
def wake() -> Iterator[Wake]:
    made = Wake()
    yield made
    made.close()


def _seconds(wake: Wake, longest: float) -> float:
    began = time.monotonic()
    wake.wait(longest)
    return time.monotonic() - began


def test_another_thread_ends_a_wait_or_the_next_one(wake: Wake) -> None:
    wake.poke()
    assert _seconds(wake, 5) < 1
    threading.Timer(0.05, wake.poke).start()
    assert _seconds(wake, 5) < 1
    assert _seconds(wake, 0.05) >= 0.05


def test_a_bell_wakes_a_sentinel_that_sleeps_and_no_other(wake: Wake) -> None:
    bell = Bell(wake)
    bell.ring()
    assert _seconds(wake, 0.05) >= 0.05
    bell.listen(True)
    child = os.fork()
    if child == 0:
        bell.ring()
        os._exit(0)
    os.waitpid(child, 0)
    assert _seconds(wake, 5) < 1
    # It was heard: there is no second ring.
    bell.ring()
    assert _seconds(wake, 0.05) >= 0.05


def test_one_waking_serves_ticks_that_are_nearly_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """But one that asked for a moment is not run before it."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("jobs.cluster.ticker.time", SimpleNamespace(monotonic=lambda: clock.now))
    regular, exact = Tick("regular", 1.0, lambda book: None), Tick("exact", 1.0, lambda book: 1.0)
    regular.next_after(None)
    exact.next_after(1.0)
    ran = []
    for tick in (regular, exact):
        monkeypatch.setattr(tick, "run", lambda book, tick=tick: ran.append(tick.name))
    ticker = Ticker("test", [regular, exact])
    for moment in (100.9, 100.96, 101.0):
        clock.now = moment
        ticker.run_due(LedgerSession(thread_connection, pause=time.sleep))
        ran.append(f"{moment}")
    assert ran == ["100.9", "regular", "100.96", "exact", "101.0"]


class _Process:
    """Of a worker that is alive."""

    exitcode = None


def _fleet(*slots: Slot) -> Fleet:
    fleet = Fleet(IDENTITY, lambda *args: None, lambda: [])
    pool = IDENTITY.pools[0]
    fleet.members = [
        Member(_Process(), number, pool, slot, Path("/nowhere"))  # type: ignore[arg-type]
        for number, slot in enumerate(slots)
    ]
    return fleet


def _pause(fleet: Fleet, *, clock: bool = True, stopping: bool = False) -> float:
    sentinel: Any = JobsSentinel.__new__(JobsSentinel)
    sentinel.fleet = fleet
    sentinel._deadline = 0.0 if stopping else None
    sentinel._clock = type("Clock", (), {"is_running": clock})
    return float(sentinel._pause())


def test_while_nothing_runs_the_sentinel_sleeps_long() -> None:
    assert _pause(_fleet(Slot(), Slot())) == CALM_CYCLE


def test_a_known_deadline_is_not_slept_over() -> None:
    busy, leaving = Slot(), Slot()
    fleet = _fleet(busy, leaving)
    busy.begin(uuid4(), 1, time.monotonic() + 60)
    assert _pause(fleet) == CALM_CYCLE
    leaving.leave_by(time.monotonic() + 0.3)
    assert 0.2 < _pause(fleet) <= 0.3
    busy.begin(uuid4(), 1, time.monotonic() + 0.05)
    assert 0.0 <= _pause(fleet) <= 0.05
    busy.begin(uuid4(), 1, time.monotonic() - 1)
    assert _pause(fleet) == 0.0
    # Nothing more is to be done about one that was killed, but to wait for its end.
    fleet.members[0] = replace(fleet.members[0], killed_for="timed out")
    assert _pause(fleet) > 0.2


@pytest.mark.parametrize(("grace", "longest"), [(0, GUARD_CYCLE), (0.3, 0.3), (60, CALM_CYCLE)])
def test_a_deadline_that_is_not_known_yet_is_not_slept_over(
    settings: Any, grace: float, longest: float
) -> None:
    """A job may start just now, with hardly any time of its own."""
    settings.JOBS_HARD_TIMEOUT_GRACE = grace
    assert _pause(_fleet(Slot(), Slot())) == longest


def test_the_sentinel_looks_often_while_something_is_missing_or_ends() -> None:
    whole = _fleet(Slot(), Slot())
    assert _pause(_fleet(Slot())) == GUARD_CYCLE
    assert _pause(whole, clock=False) == GUARD_CYCLE
    assert _pause(whole, stopping=True) == GUARD_CYCLE


def _exit_with_frozen() -> None:
    os._exit(1 if gc.get_freeze_count() > 1000 else 0)


def test_the_collector_leaves_alone_what_a_child_shares_with_its_parent() -> None:
    try:
        child = spawn(_exit_with_frozen, name="child")
        child.join(30)
        assert child.exitcode == 1
    finally:
        gc.unfreeze()


def test_a_rehearsal_changes_nothing_and_leaves_the_callers_connection_alone(
    transactional_db: None,
) -> None:
    sample_jobs.add.enqueue(1)
    before = list(Job.objects.values())
    former = connections[conf.DATABASE]
    assert rehearse(IDENTITY)
    assert connections[conf.DATABASE] is former
    assert former.connection is not None
    assert "prepare_threshold" not in connections[conf.DATABASE].settings_dict["OPTIONS"]
    assert list(Job.objects.values()) == before


@pytest.mark.postgresql
def test_a_cluster_starts_without_a_rehearsal_while_the_database_is_away(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = rehearsal.connect

    def elsewhere(*args: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setitem(connections[conf.DATABASE].settings_dict, "PORT", "1")
            return connect(*args)

    monkeypatch.setattr(rehearsal, "connect", elsewhere)
    assert not rehearse(IDENTITY)
    assert "the database does not serve the cluster yet" in caplog.text
