"""What a sentinel sees of its workers, without their processes."""

from __future__ import annotations

import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from pytest_django import Settings

from jobs.cluster import fleet as fleets
from jobs.cluster import recovery
from jobs.cluster.fleet import Fleet, Member
from jobs.cluster.identity import Identity
from jobs.cluster.slot import Slot
from jobs.conf import Pool

POOL = Pool(name="default", processes=2)


@pytest.fixture
def fleet() -> Fleet:
    identity = Identity(name="ours", pools=(POOL,))
    return Fleet(identity, lambda *args: pytest.fail("it was started"), list)


@pytest.fixture
def member(fleet: Fleet) -> Member:
    """A worker of which only the slot is real."""
    found = Member(cast(BaseProcess, None), 1, POOL, Slot(), Path("none.journal"))
    fleet.members.append(found)
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "STUCK", -1.0)


def test_a_worker_that_keeps_others_waiting_is_told_of_once_for_each_attempt(
    fleet: Fleet, member: Member, impatient: None
) -> None:
    assert fleet.stuck() == []
    for fence in (1, 2):
        member.slot.begin(uuid4(), fence, None, waiting=3)
        assert fleet.stuck() == [member]
        assert fleet.stuck() == []


def test_relief_that_does_not_come_is_asked_for_again(
    fleet: Fleet, member: Member, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.slot.begin(uuid4(), 1, None, waiting=3)
    assert fleet.stuck() == [member]
    monkeypatch.setattr(fleets, "ASK_AGAIN", 0.0)
    time.sleep(0.001)
    member.slot.relieve()
    assert fleet.stuck() == [member]
    member.slot.delivered(0)
    time.sleep(0.001)
    assert fleet.stuck() == []


def test_a_job_that_runs_not_long_enough_or_keeps_nobody_waiting_needs_no_relief(
    fleet: Fleet, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "STUCK", 60.0)
    member.slot.begin(uuid4(), 1, None, waiting=3)
    assert fleet.stuck() == []
    monkeypatch.setattr(recovery, "STUCK", -1.0)
    member.slot.begin(uuid4(), 1, None, waiting=0)
    assert fleet.stuck() == []
    member.slot.hold(3)
    member.slot.end(3)
    assert fleet.stuck() == []


def test_why_workers_cannot_be_started_is_said(
    fleet: Fleet, tmp_path: Path, settings: Settings
) -> None:
    settings.JOBS_JOURNAL_DIR = tmp_path / "a-file"
    (tmp_path / "a-file").write_text("")
    (trouble, *_) = fleet.fill()
    assert trouble.startswith("no worker of pool default can be started: JOBS_JOURNAL_DIR: ")
    assert fleet.members == []
    assert fleet.is_short
