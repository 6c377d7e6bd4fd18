"""Wake: waiting that a signal ends at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from typing import Protocol


class HasFileno(Protocol):
    """Something that the system can wait for."""

    def fileno(self) -> int: ...


class Wake:
    """A pipe into which the interpreter writes at every signal that has a Python handler.

    Without it a signal that arrives between the look at a flag and the wait would be noticed only
    when the wait ends.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        return self._reader

    def arm(self) -> None:
        """Let signals write here. To be repeated: a job's event loop may have taken the place."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def wait(self, timeout: float, *sources: HasFileno) -> None:
        """Return at a signal, when one of the sources can be read, or after `timeout` seconds.

        A source whose other end is gone (`closed`) would be readable for ever, and is left out.
        """
        readable = select.poll()
        for source in (self, *sources):
            if not getattr(source, "closed", False):
                readable.register(source.fileno(), select.POLLIN)
        readable.poll(max(0.0, timeout) * 1000)
        self.drain()

    def poke(self) -> None:
        """End the wait, or the next one. From any thread, or process that was forked after this
        was made."""
        # A pipe that is full wakes as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """Forget the signals so far."""
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


def close_all(ends: Iterable[HasFileno]) -> None:
    """Close in a forked child what belongs to its parent."""
    for end in ends:
        os.close(end.fileno())
