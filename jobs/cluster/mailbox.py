"""Messages between two processes over a pipe: JSON lines, never a lock, never a wait."""

from __future__ import annotations

import json
import os
from typing import Any

Message = dict[str, Any]

_CHUNK = 65536


class Sender:
    """The writing end. What the pipe does not take now is kept for the next `flush()`."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._backlog = b""

    def fileno(self) -> int:
        return self._descriptor

    def post(self, message: Message) -> None:
        """Send a message, or keep it until the reader has made room."""
        self._backlog += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> bool:
        """Write what the pipe takes; return whether nothing is left. A reader that is gone takes
        everything: whoever needs an answer sends again to its successor."""
        try:
            while self._backlog:
                written = os.write(self._descriptor, self._backlog)
                self._backlog = self._backlog[written:]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._backlog = b""
        return True

    def close(self) -> None:
        os.close(self._descriptor)


class Receiver:
    """The reading end."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._partial = b""
        self.closed = False
        """Whether the other side is gone."""

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> list[Message]:
        """All whole messages that have arrived."""
        while not self.closed:
            try:
                chunk = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                self.closed = True
            self._partial += chunk
        *lines, self._partial = self._partial.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        os.close(self._descriptor)


def channel() -> tuple[Receiver, Sender]:
    """A new one-way channel."""
    reader, writer = os.pipe()
    return Receiver(reader), Sender(writer)
