"""The files of workers: a slot and a journal each, in one folder of the host.

A file is named after its cluster, whose id no other has, and says in its slot whose it is. It is
made before the worker is forked and removed once the ledger knows all that is in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from jobs.cluster.journal import JournalReader
from jobs.cluster.slot import SIZE, Slot
from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError

SUFFIX = ".journal"


def create(cluster_id: UUID) -> Path:
    """Make the file of a new worker.

    Raises OSError if there is no room, and JobsConfigurationError if the folder is not our own.
    """
    path = _folder() / f"{cluster_id.hex}-{uuid4().hex[:12]}{SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Written, not only promised: a full disk would end the worker at its first write.
        os.write(descriptor, bytes(SIZE))
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    return path


def slot_of(path: Path) -> Slot:
    """The slot at the head of a file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return Slot(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reading(path: Path) -> Iterator[tuple[Slot, JournalReader]]:
    """The slot and the journal of another process's file, open in the block."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield Slot(descriptor), JournalReader(descriptor)
    finally:
        os.close(descriptor)


def of_workers(clusters: Mapping[int, UUID]) -> dict[int, Path]:
    """The files that this host has of these workers; for each its cluster is given."""
    found = {}
    for cluster_id in set(clusters.values()):
        for path in of_cluster(cluster_id):
            worker_id = slot_of(path).worker_id
            if clusters.get(worker_id) == cluster_id:
                found[worker_id] = path
    return found


def of_cluster(cluster_id: UUID) -> list[Path]:
    """The files that this host has of a cluster's workers."""
    return sorted(conf.JOURNAL_DIR.glob(f"{cluster_id.hex}-*{SUFFIX}"))


def clusters() -> set[UUID]:
    """The clusters of which this host has files."""
    return {UUID(path.name.split("-")[0]) for path in conf.JOURNAL_DIR.glob(f"*-*{SUFFIX}")}


def remove(path: Path) -> None:
    """Remove a file whose content is in the ledger."""
    path.unlink(missing_ok=True)


def _folder() -> Path:
    folder = conf.JOURNAL_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    # In a folder for everybody somebody else may have been there first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise JobsConfigurationError(
            f"JOBS_JOURNAL_DIR: {str(folder)!r}: must be a folder that belongs to this user"
        )
    return folder
