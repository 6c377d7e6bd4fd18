"""Journal: the ends of attempts that a worker has not yet written to the ledger."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from jobs.cluster.slot import SIZE


class Journal:
    """Lines behind the slot in a worker's file, for whoever reads the file when it is dead.

    What is written here outlives the process, `kill -9` included, but not the host. One process
    appends. Its lock, the system's own of the file, is held while the worker goes from one job to
    the next, and by whoever takes away what it holds: so no job is both started and given away.
    The system frees it when its holder dies.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = SIZE
        self.reset()

    @classmethod
    def of(cls, path: Path | None) -> Journal:
        """The journal of a file; without one, a journal that nobody else sees."""
        if path is not None:
            return cls(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
        descriptor, name = tempfile.mkstemp()
        os.unlink(name)
        return cls(descriptor)

    @property
    def size(self) -> int:
        """Bytes up to the end of the last line."""
        return self._size

    def append(self, record: str) -> None:
        """Add a line. Raises OSError if there is no room for it; then nothing is added."""
        line = record.encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def reset(self) -> None:
        """Forget every line."""
        os.ftruncate(self._descriptor, SIZE)
        self._size = SIZE

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._descriptor)


class JournalReader:
    """The same from the side of another process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = SIZE

    @contextmanager
    def locked(self, patience: float) -> Iterator[bool]:
        """Hold the lock in the block; False if it could not be had in so many seconds."""
        until = time.monotonic() + patience
        while not (had := self._try_lock()) and time.monotonic() < until:
            time.sleep(0.001)
        try:
            yield had
        finally:
            if had:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def read(self) -> list[tuple[dict[str, Any], str]]:
        """Every whole record, parsed, and its text. A line that its writer did not live to finish
        is left out."""
        length = os.fstat(self._descriptor).st_size - SIZE
        whole, end, _ = os.pread(self._descriptor, max(length, 0), SIZE).rpartition(b"\n")
        self.size = SIZE + len(whole) + len(end)
        return [(json.loads(line), line.decode()) for line in whole.split(b"\n") if line]
