"""The files of workers: what outlives a worker, whose it is, and who may make one."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from jobs.cluster import journals, sweeps
from jobs.cluster.identity import Identity
from jobs.cluster.journal import Journal
from jobs.cluster.slot import SIZE
from jobs.conf import Pool
from jobs.exceptions import JobsConfigurationError
from tests.jobs.factories import ClusterFactory, WorkerFactory, ago


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.JOBS_JOURNAL_DIR = tmp_path / "journals"
    return tmp_path / "journals"


@pytest.fixture
def path(folder: Path) -> Path:
    return journals.create(uuid4())


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.of(path)
    yield journal
    journal.close()


def read(path: Path) -> list[dict[str, Any]]:
    with journals.reading(path) as (_, reader):
        return [record for record, _ in reader.read()]


def test_a_line_that_its_writer_did_not_live_to_finish_is_left_out(
    path: Path, journal: Journal
) -> None:
    journal.append('{"n":1}')
    journal.append('{"n":2}')
    with path.open("ab") as file:
        file.write(b'{"n":3')
    with journals.reading(path) as (_, reader):
        assert [record for record, _ in reader.read()] == [{"n": 1}, {"n": 2}]
        assert reader.size == journal.size


def test_a_record_is_read_as_the_very_text_that_was_written(path: Path, journal: Journal) -> None:
    text = '{"n":"Füße \\n \\u2028 \u2028"}'
    journal.append(text)
    with journals.reading(path) as (_, reader):
        ((record, found),) = reader.read()
    assert (record, found) == ({"n": "Füße \n \u2028 \u2028"}, text)


def test_a_journal_that_was_reset_is_empty_and_takes_lines_again(
    path: Path, journal: Journal
) -> None:
    journal.append('{"n":1}')
    journal.reset()
    assert read(path) == []
    journal.append('{"n":2}')
    assert read(path) == [{"n": 2}]


def test_half_a_line_is_taken_back_where_there_is_no_room_for_the_whole(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append('{"n":1}')
    real = os.write
    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(os, "write", lambda file, line: real(file, line[:4]))
        with pytest.raises(OSError, match="No space left") as raised:
            journal.append('{"n":2}')
    assert raised.value.errno == errno.ENOSPC
    journal.append('{"n":3}')
    assert read(path) == [{"n": 1}, {"n": 3}]


def test_the_lock_is_free_once_its_holder_is_dead(path: Path) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Journal.of(path):
                os.write(tell, b"!")
                time.sleep(60)
        finally:
            os._exit(0)
    os.read(ready, 1)
    with journals.reading(path) as (_, reader):
        with reader.locked(0.01) as locked:
            assert not locked
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with reader.locked(5) as locked:
            assert locked
        with Journal.of(path):
            pass
    os.close(ready)
    os.close(tell)


def test_a_file_is_for_its_owner_only_and_so_is_the_folder(folder: Path, path: Path) -> None:
    assert path.parent == folder
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_size == SIZE


def test_a_folder_of_somebody_else_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(JobsConfigurationError, match=r"^JOBS_JOURNAL_DIR: .* belongs to this user"):
        journals.create(uuid4())


def test_a_folder_in_which_everybody_may_write_is_refused(folder: Path) -> None:
    """What stands in a journal goes into the ledger."""
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(JobsConfigurationError, match=r"^JOBS_JOURNAL_DIR: .* nobody else"):
        journals.create(uuid4())


def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobsConfigurationError, match=r"^JOBS_JOURNAL_DIR: "):
        journals.create(uuid4())


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_a_place_where_no_folder_can_be_is_refused_by_its_name(
    folder: Path, settings: Settings, place: str
) -> None:
    folder.write_text("")
    if place == "below a file":
        settings.JOBS_JOURNAL_DIR = folder / "below"
    with pytest.raises(JobsConfigurationError, match=r"^JOBS_JOURNAL_DIR: .*journals"):
        journals.create(uuid4())


def test_the_files_of_other_clusters_are_not_those_of_a_worker(folder: Path) -> None:
    ours, theirs = uuid4(), uuid4()
    mine, foreign = journals.create(ours), journals.create(theirs)
    journals.slot_of(mine).ready(5)
    journals.slot_of(foreign).ready(5)
    assert journals.of_workers({5: ours}) == {5: mine}
    assert journals.of_workers({6: ours}) == {}
    assert journals.of_workers({5: uuid4()}) == {}
    assert journals.clusters() == {ours, theirs}


def test_a_file_that_is_just_being_made_or_removed_keeps_nobody_from_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is replaced while the one before it is being rescued."""
    cluster = uuid4()
    path = journals.create(cluster)
    journals.slot_of(path).ready(5)
    (folder / f"{cluster.hex}-000000000000.journal").touch()
    (folder / f"{cluster.hex}-000000000001.journal").symlink_to(folder / "gone")
    assert journals.of_workers({5: cluster}) == {5: path}


def test_files_of_other_names_are_left_alone(folder: Path, path: Path) -> None:
    (folder / "notes-of-mine.journal").write_text("not ours")
    assert journals.clusters() == {journals.cluster_of(path)}


def test_a_file_from_before_the_last_start_of_the_host_says_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk it may be older than what the ledger knows: a job that ran when the power failed
    would be taken for one that was never started."""
    journals.slot_of(path).ready(5)
    cluster = journals.cluster_of(path)
    assert cluster is not None
    assert journals.of_workers({5: cluster}) == {5: path}
    monkeypatch.setattr(journals, "boot", lambda: 4711)
    assert journals.of_workers({5: cluster}) == {}
    assert journals.of_cluster(cluster) == [path]


@pytest.mark.django_db
class TestFilesThatAreLeft:
    """What `remove_left_files` takes for done with."""

    @pytest.fixture
    def identity(self) -> Identity:
        return Identity(name="ours", pools=(Pool(name="default"),))

    @pytest.mark.parametrize("status", ["stopped", "lost"])
    def test_those_of_an_ended_cluster_are_removed(
        self, folder: Path, identity: Identity, status: str
    ) -> None:
        cluster = ClusterFactory(status=status)
        WorkerFactory(cluster=cluster, stopped_at=ago(minutes=1))
        unregistered = journals.create(ClusterFactory(status=status).pk)
        path = journals.create(cluster.pk)
        sweeps.remove_left_files(identity)
        assert not path.exists()
        assert not unregistered.exists()

    def test_those_of_workers_that_nobody_has_rescued_stay(
        self, folder: Path, identity: Identity
    ) -> None:
        cluster = ClusterFactory(status="lost")
        WorkerFactory(cluster=cluster, stopped_at=ago(minutes=1))
        WorkerFactory(cluster=cluster)
        path = journals.create(cluster.pk)
        sweeps.remove_left_files(identity)
        assert path.exists()

    @pytest.mark.parametrize("status", ["starting", "running", "stopping"])
    def test_those_of_a_cluster_whose_workers_are_just_starting_stay(
        self, folder: Path, identity: Identity, status: str
    ) -> None:
        cluster = ClusterFactory(status=status)
        WorkerFactory(cluster=cluster, stopped_at=ago(minutes=1))
        path = journals.create(cluster.pk)
        sweeps.remove_left_files(identity)
        assert path.exists()

    def test_those_of_clusters_that_are_in_another_ledger_stay(
        self, folder: Path, identity: Identity
    ) -> None:
        path = journals.create(uuid4())
        sweeps.remove_left_files(identity)
        assert path.exists()

    def test_those_that_nobody_has_written_to_for_a_week_are_removed(
        self, folder: Path, identity: Identity
    ) -> None:
        path, fresh = journals.create(uuid4()), journals.create(uuid4())
        long_ago = time.time() - sweeps.FORGOTTEN_AFTER.total_seconds() - 60
        os.utime(path, (long_ago, long_ago))
        sweeps.remove_left_files(identity)
        assert not path.exists()
        assert fresh.exists()

    def test_those_from_before_the_last_start_of_the_host_are_removed(
        self, folder: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = journals.create(uuid4())
        monkeypatch.setattr(journals, "boot", lambda: 4711)
        sweeps.remove_left_files(identity)
        assert not path.exists()


def test_the_lock_is_the_systems_own(path: Path, journal: Journal) -> None:
    """So that it needs nobody's help to be freed, and a reader sees the writer's."""
    with journal, path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
