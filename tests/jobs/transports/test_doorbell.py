"""A worker of the same host is woken without the database."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from jobs.cluster import journals
from jobs.cluster.idle import Idle
from jobs.cluster.session import LedgerSession
from jobs.cluster.wake import Wake
from jobs.conf import settings as conf
from jobs.ledger import connect
from jobs.transports import doorbell
from jobs.transports.database import DatabaseTransport
from jobs.transports.doorbell import Doorbell, Ear
from tests.jobs import sample_jobs


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.JOBS_JOURNAL_DIR = str(tmp_path)
    settings.JOBS_POOLS = {
        "default": {"queues": ["default", "low"]},
        "mail": {"queues": ["mail"]},
    }
    monkeypatch.setattr("jobs.transports.database._announced", {})
    return tmp_path


def bell_of(pool: str = "default") -> Doorbell:
    return Doorbell.beside(journals.create(uuid4()), pool, 1)


def rings(ear: Ear | None) -> bool:
    assert ear is not None
    readable, _, _ = select.select([ear], [], [], 0)
    return bool(readable) and os.read(ear.fileno(), 16) != b""


def test_only_one_who_waits_is_woken() -> None:
    bell = bell_of()
    assert doorbell.ring(["default"], 1) == 0
    with bell.heard() as ear:
        assert not rings(ear)
        assert doorbell.ring(["default"], 1) == 1
        assert rings(ear)
    assert doorbell.ring(["default"], 1) == 0
    # What was left unread is not heard at the next wait.
    with bell.heard() as ear:
        assert not rings(ear)


def test_no_more_are_woken_than_there_are_jobs() -> None:
    with bell_of().heard() as first, bell_of().heard() as second:
        assert doorbell.ring(["default"], 1) == 1
        assert rings(first) != rings(second)
        assert doorbell.ring(["default"], sys.maxsize) == 2


def test_a_worker_of_another_pool_or_another_database_sleeps_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bell_of("mail").heard() as mail:
        assert doorbell.ring(["default", "low"], sys.maxsize) == 0
        monkeypatch.setitem(connections[conf.DATABASE].settings_dict, "PORT", "1")
        assert doorbell.ring(["mail"], sys.maxsize) == 0
        monkeypatch.undo()
        monkeypatch.setattr(doorbell, "FORM", ("of", "another", "version"))
        assert doorbell.ring(["mail"], sys.maxsize) == 0
        monkeypatch.undo()
        assert not rings(mail)


def test_a_worker_that_was_killed_holds_nobody_up(folder: Path) -> None:
    """Its bell stays until its journal is removed."""
    journal = journals.create(uuid4())
    Doorbell.beside(journal, "default", 1)
    child = os.fork()
    if child == 0:
        with Doorbell(next(folder.glob(f"*{doorbell.SUFFIX}"))).heard():
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert doorbell.ring(["default"], 1) == 0
    journals.remove(journal)
    assert not list(folder.iterdir())


def test_a_bell_that_was_removed_is_not_heard(folder: Path) -> None:
    bell = bell_of()
    for path in folder.iterdir():
        path.unlink()
    with bell.heard() as ear:
        assert ear is None


def test_nothing_is_written_into_a_file_that_stands_in_the_place_of_a_bell(folder: Path) -> None:
    bell_of()
    path = next(folder.glob(f"*{doorbell.SUFFIX}"))
    path.unlink()
    precious = folder / "precious"
    precious.write_text("as it was")
    path.symlink_to(precious)
    assert doorbell.ring(["default"], 1) == 0
    path.unlink()
    os.link(precious, path)
    assert doorbell.ring(["default"], 1) == 0
    assert precious.read_text() == "as it was"


def test_bells_in_a_folder_of_somebody_else_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with bell_of().heard():
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        assert doorbell.ring(["default"], 1) == 0


def test_without_a_folder_nothing_happens(settings: Any) -> None:
    settings.JOBS_JOURNAL_DIR = "/nowhere/at/all"
    assert doorbell.ring(["default"], 1) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_jobs.add.using(queue_name="default").enqueue(1),
        lambda: sample_jobs.add.using(queue_name="default").enqueue_many([1, 2, 3]),
        lambda: DatabaseTransport().wake(["default"]),
    ],
    ids=["enqueue", "enqueue_many", "wake"],
)
def test_an_idle_worker_does_not_wait_for_its_next_look(
    transactional_db: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[], object],
) -> None:
    """Nor for the database's call, which is lost here."""
    settings.JOBS_POLL_INTERVAL = 60
    monkeypatch.setattr("jobs.transports.database.announce", lambda connection, queues: None)
    monkeypatch.setattr("jobs.transports.database.EAGER_WAITS", ())
    settings.JOBS_LISTEN_POLL = 60
    wake, bell, waits = Wake(), bell_of(), threading.Event()
    heard = bell.heard

    @contextmanager
    def and_say_so() -> Iterator[Ear | None]:
        with heard() as ear:
            waits.set()
            yield ear

    monkeypatch.setattr(bell, "heard", and_say_so)
    took: list[float] = []

    def wait() -> None:
        session = LedgerSession(connect, pause=wake.wait)
        began = time.monotonic()
        idle = Idle(session, ["default"], wake)
        idle.doorbell = bell
        idle.wait(60)
        took.append(time.monotonic() - began)
        session.close()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert waits.wait(20)
    call()
    waiter.join(30)
    assert took
    assert took[0] < 20
    wake.close()
