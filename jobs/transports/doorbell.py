"""Doorbells: how a process wakes a worker of its own host without the database.

Beside a worker's journal lies a named pipe, which the worker holds open only while it waits. So who
has enqueued a job finds one that is idle by trying, and wakes it in a fraction of the time that a
call through PostgreSQL takes; on SQLite, which cannot call, in place of the next poll. A ring that
fails costs nothing: the database's own call, or the worker's own look, comes in any case.

A job can also be promised to a worker, and given to it once it is in the ledger as that worker's
own: see `handover`. A promise locks the bell, so that there is one at a time and the worker knows
of it when it would leave.
"""

from __future__ import annotations

import hashlib
import logging
import os
import select
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.db import connections

from jobs.conf import settings
from jobs.ledger.outcome import ClaimedJob

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SUFFIX = ".bell"

RING = b"\0"
"""There may be work."""
END = b"\n"
"""Ends a job."""
FORM = tuple(field.name for field in fields(ClaimedJob))
"""What is told of a job. Where code of two versions runs on a host, they do not find each other."""
_MODE = 0o600
_PROMISED = 0o1600
"""The mode of a bell while a job is promised. It stays if the process ends that promised it."""
PATIENCE = 0.1
"""Seconds for which a worker that would leave its bell waits for a promised job."""

logger = logging.getLogger("jobs.transports")


class Doorbell:
    """One worker's, to be heard while it waits."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def beside(cls, journal: Path, pool: str, worker_id: int) -> Self:
        """Make the bell of the worker that has this journal.

        Raises OSError if the folder takes no more files.
        """
        path = journal.with_name(f"{journal.stem}.{_site()}.{_key(pool)}.{worker_id}{SUFFIX}")
        os.mkfifo(path, _MODE)
        return cls(path)

    @contextmanager
    def heard(self) -> Iterator[Ear | None]:
        """What can be waited for until somebody rings; None if the bell was removed."""
        try:
            ear = Ear(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            yield None
            return
        try:
            yield ear
        finally:
            ear.close()
            if ear.promise_broken:
                self._replace()

    def _replace(self) -> None:
        """Put another in its place: who still holds the old one talks to nobody, and notices."""
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path, _MODE)


class Ear:
    """A bell while its worker waits: a descriptor to wait for, and what came through it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_open = True
        self._came = b""
        self.promise_broken = False
        """Whether somebody promised a job and has not given it: the ledger may have it all the
        same, as one that this worker holds."""

    def fileno(self) -> int:
        return self._descriptor

    @property
    def given(self) -> list[bytes]:
        """The jobs that were given to this worker, as `handover` writes them."""
        return self._came.replace(RING, b"").split(END)[:-1]

    def close(self) -> None:
        """Hear no more. Who has promised a job has a moment left to give it."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            patience_ends = time.monotonic() + PATIENCE
            while not (is_free := self._is_free()):
                self._read()
                left = patience_ends - time.monotonic()
                if self.given or left <= 0:
                    break
                select.select([self._descriptor], [], [], left)
            self._read()
            self.promise_broken = not is_free or _is_promised(self._descriptor)
        finally:
            os.close(self._descriptor)

    def _is_free(self) -> bool:
        """Whether nobody is promising anything; then nobody can until this is closed."""
        try:
            return _lock(self._descriptor)
        except OSError:
            # A system whose pipes have no locks: then there are no promises either.
            return True

    def _read(self) -> None:
        try:
            while came := os.read(self._descriptor, 65536):
                self._came += came
        except BlockingIOError:
            return


def ring(queues: Collection[str], most: int) -> int:
    """Wake up to so many idle workers of this host that serve one of these queues; return how many
    were.

    Only this user's workers, of this database, are found.
    """
    rung = 0
    for path in _bells(queues):
        if rung == most:
            break
        descriptor = _open(path)
        if descriptor is not None:
            rung += _say(descriptor, RING, path)
            os.close(descriptor)
    return rung


@contextmanager
def promise(queue: str) -> Iterator[Promise | None]:
    """Promise a job to an idle worker of this host that serves the queue; None if there is none.

    Nobody else can promise it one in the block. If the promise is neither kept nor called off, the
    worker looks into the ledger for what it may hold.
    """
    made = _promise(queue)
    try:
        yield made
    finally:
        if made is not None:
            os.close(made.descriptor)


@dataclass(frozen=True, slots=True)
class Promise:
    """Of a job to a worker."""

    worker_id: int
    descriptor: int

    def keep(self, job: bytes) -> bool:
        """Give it; False if the worker has gone, or does not wait any more."""
        if not _say(self.descriptor, job, f"worker {self.worker_id}"):
            return False
        os.fchmod(self.descriptor, _MODE)
        return True

    def call_off(self) -> None:
        """There is none; the worker is to look what else there is."""
        os.fchmod(self.descriptor, _MODE)
        _say(self.descriptor, RING, f"worker {self.worker_id}")


def remove_beside(journal: Path) -> None:
    """Remove the bell of the worker that had this journal."""
    for path in journal.parent.glob(f"{journal.stem}.*{SUFFIX}"):
        path.unlink(missing_ok=True)


def _promise(queue: str) -> Promise | None:
    for path in _bells([queue]):
        descriptor = _open(path)
        if descriptor is None:
            continue
        try:
            if _lock(descriptor) and _is_heard(descriptor):
                os.fchmod(descriptor, _PROMISED)
                return Promise(int(path.rsplit(".", 2)[1]), descriptor)
        except OSError as error:
            logger.debug("%s cannot be promised anything: %s", path, error)
        os.close(descriptor)
    return None


def _bells(queues: Collection[str]) -> Iterator[str]:
    """The bells of workers that serve one of these queues, whether they wait or not."""
    pools = [
        _key(pool.name)
        for pool in settings.POOLS.values()
        if not set(queues).isdisjoint(pool.queues)
    ]
    folder = settings.JOURNAL_DIR
    site = _site()
    theirs = tuple([f".{site}.{pool}." for pool in pools])
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
        if name.endswith(SUFFIX) and any(part in name for part in theirs):
            yield f"{folder}/{name}"


def _open(path: str) -> int | None:
    """A bell whose worker waits, to be rung; None if it does not wait."""
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError:
        # Its worker is busy, or gone.
        return None
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _say(descriptor: int, what: bytes, whom: str) -> bool:
    try:
        # No more than PIPE_BUF bytes: all of them, or none.
        os.write(descriptor, what)
    except OSError as error:
        logger.debug("%s could not be rung: %s", whom, error)
        return False
    return True


def _lock(descriptor: int) -> bool:
    """Lock a bell; False if somebody else has. Raises OSError where pipes have no locks."""
    # Here, as who only enqueues may do so from a system that has no such module.
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_heard(descriptor: int) -> bool:
    """Whether the worker of an opened bell still waits."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return not poll.poll(0)


def _is_promised(descriptor: int) -> bool:
    return bool(os.fstat(descriptor).st_mode & stat.S_ISVTX)


def _site() -> str:
    """A word for the database of the ledger and for the form of a job that is given, the same in
    every process of this host that has both in common."""
    connection: BaseDatabaseWrapper = connections[settings.DATABASE]
    given = connection.settings_dict
    name = str(given["NAME"])
    if connection.vendor == "sqlite":
        name = os.path.abspath(name)
    where = [connection.vendor, str(given["HOST"]), str(given["PORT"]), name]
    return _key("\n".join([*where, *FORM]))


@cache
def _key(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()
