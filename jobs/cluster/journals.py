"""The files of workers: a slot and a journal each, in one folder of the host.

A file is named after its cluster, whose id no other has, and says in its slot whose it is. It is
made before the worker is forked and removed once the ledger knows all that is in it.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from jobs.cluster.boot import boot
from jobs.cluster.journal import JournalReader
from jobs.cluster.slot import SIZE, Slot
from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError
from jobs.transports import doorbell

SUFFIX = ".journal"


def create(cluster_id: UUID) -> Path:
    """Make the file of a new worker.

    Raises OSError if there is no room, and JobsConfigurationError if the folder is not our own.
    """
    path = folder() / f"{cluster_id.hex}-{uuid4().hex[:12]}{SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Written, not only promised: a full disk would end the worker at its first write.
        os.write(descriptor, bytes(SIZE))
        Slot(descriptor).made_in(boot())
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
    """The files that this host has of these workers; for each its cluster is given.

    Those from before the last start of the host are none: what was not yet on the disk when the
    power failed is not in them.
    """
    found = {}
    for cluster_id in set(clusters.values()):
        for path in of_cluster(cluster_id):
            slot = _slot_in(path)
            if slot is None or slot.boot != boot():
                continue
            if clusters.get(slot.worker_id) == cluster_id:
                found[slot.worker_id] = path
    return found


def _slot_in(path: Path) -> Slot | None:
    """None if the file is just being made, so that it has no page yet, or removed."""
    try:
        return slot_of(path)
    except (FileNotFoundError, ValueError):
        return None


def of_cluster(cluster_id: UUID) -> list[Path]:
    """The files that this host has of a cluster's workers."""
    return sorted(conf.JOURNAL_DIR.glob(f"{cluster_id.hex}-*{SUFFIX}"))


def cluster_of(path: Path) -> UUID | None:
    """Whose file this is; None if that is none of ours."""
    try:
        return UUID(path.name.partition("-")[0])
    except ValueError:
        return None


def clusters() -> set[UUID]:
    """The clusters of which this host has files."""
    found = map(cluster_of, conf.JOURNAL_DIR.glob(f"*-*{SUFFIX}"))
    return {cluster_id for cluster_id in found if cluster_id is not None}


def is_forgotten(path: Path, seconds: float) -> bool:
    """Whether a file is from before the last start of the host, or was not written to for so
    long."""
    slot = _slot_in(path)
    # One without a page may be just being made.
    if slot is not None and slot.boot != boot():
        return True
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Remove a file whose content is in the ledger, and the bell beside it."""
    doorbell.remove_beside(path)
    path.unlink(missing_ok=True)


def folder() -> Path:
    """The folder, made if there is none. Raises JobsConfigurationError if it cannot be ours."""
    place = conf.JOURNAL_DIR
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _refused(place, f"must be a folder, or a place for one: {error}") from error
    # In a folder for everybody somebody else may have been there first.
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise _refused(place, "must be a folder that belongs to this user")
    # What stands in a journal goes into the ledger.
    if found.st_mode & stat.S_IWOTH or not os.access(place, os.W_OK | os.X_OK):
        raise _refused(place, "must be a folder in which this user, and nobody else, may write")
    return place


def _refused(place: Path, rule: str) -> JobsConfigurationError:
    return JobsConfigurationError(f"JOBS_JOURNAL_DIR: {str(place)!r}: {rule}")
