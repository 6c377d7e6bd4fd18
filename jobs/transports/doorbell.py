"""Doorbells: how a process wakes a worker of its own host without the database.

Beside a worker's journal lies a named pipe, which the worker holds open only while it waits. So who
has enqueued a job finds one that is idle by trying, and wakes it in a fraction of the time that a
call through PostgreSQL takes; on SQLite, which cannot call, in place of the next poll. A ring that
fails costs nothing: the database's own call, or the worker's own look, comes in any case.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.db import connections

from jobs.conf import settings

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SUFFIX = ".bell"

logger = logging.getLogger("jobs.transports")


class Doorbell:
    """One worker's, to be heard while it waits."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def beside(cls, journal: Path, pool: str) -> Self:
        """Make the bell of the worker that has this journal.

        Raises OSError if the folder takes no more files.
        """
        path = journal.with_name(f"{journal.stem}.{_site()}.{_key(pool)}{SUFFIX}")
        os.mkfifo(path, 0o600)
        return cls(path)

    @contextmanager
    def heard(self) -> Iterator[int | None]:
        """A descriptor that can be read once somebody rings; None if the bell was removed."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def ring(queues: Collection[str], most: int) -> int:
    """Wake up to so many idle workers of this host that serve one of these queues; return how many
    were.

    Only this user's workers, of this database, are found.
    """
    pools = {
        _key(pool.name)
        for pool in settings.POOLS.values()
        if not set(queues).isdisjoint(pool.queues)
    }
    rung = 0
    for path in _bells(pools):
        if rung == most:
            break
        rung += _rings(path)
    return rung


def remove_beside(journal: Path) -> None:
    """Remove the bell of the worker that had this journal."""
    for path in journal.parent.glob(f"{journal.stem}.*{SUFFIX}"):
        path.unlink(missing_ok=True)


def _bells(pools: Collection[str]) -> Iterator[str]:
    folder = settings.JOURNAL_DIR
    endings = tuple(f".{_site()}.{pool}{SUFFIX}" for pool in pools)
    try:
        found = folder.lstat()
        # In a folder for everybody somebody else may have been there first.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return
        names = os.listdir(folder)
    except OSError:
        # No worker has ever run here, or none that is ours to wake.
        return
    for name in names:
        if name.endswith(endings):
            yield f"{folder}/{name}"


def _rings(path: str) -> bool:
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError:
        # Its worker is busy, or gone.
        return False
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False
        os.write(descriptor, b"\0")
    except OSError as error:
        logger.debug("%s could not be rung: %s", path, error)
        return False
    finally:
        os.close(descriptor)
    return True


def _site() -> str:
    """A word for the database of the ledger, the same in every process of this host."""
    connection: BaseDatabaseWrapper = connections[settings.DATABASE]
    given = connection.settings_dict
    name = str(given["NAME"])
    if connection.vendor == "sqlite":
        name = os.path.abspath(name)
    return _key("\n".join([connection.vendor, str(given["HOST"]), str(given["PORT"]), name]))


def _key(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()
