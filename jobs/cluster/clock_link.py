"""ClockLink: the sentinel's end of the correspondence with its clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from jobs.cluster.clock import run_clock
from jobs.cluster.identity import Identity
from jobs.cluster.mailbox import Message, Receiver, Sender, channel
from jobs.cluster.process import ending, kill_group, spawn
from jobs.cluster.starting import RestartPace
from jobs.cluster.vigil import Vigil, patience
from jobs.cluster.wake import HasFileno, Wake

STEADY = 10.0
"""A clock that has lived for so many seconds did not die while starting."""


class ClockLink:
    """Starts the clock, starts another one when it dies or hangs, and carries messages."""

    def __init__(
        self, identity: Identity, not_ours: Callable[[], list[HasFileno]], *, run_once: bool
    ) -> None:
        self._identity = identity
        self._not_ours = not_ours
        self._run_once = run_once
        self._pace = RestartPace()
        self._process: BaseProcess | None = None
        self._vigil = Vigil()
        self._inbox: Receiver
        self._outbox: Sender
        self._born = 0.0
        self._last_ending = ""
        self._killed_for = ""
        self._patience = patience()

    def start(self) -> None:
        """Start the clock."""
        self._vigil = Vigil()
        self._inbox, their_outbox = channel()
        their_inbox, self._outbox = channel()
        self._born = time.monotonic()
        self._killed_for = ""
        try:
            self._process = spawn(
                run_clock,
                self._identity,
                their_inbox,
                their_outbox,
                self._vigil,
                os.getpid(),
                self._not_ours(),
                self._run_once,
                name=f"{self._identity.name} clock",
            )
        except OSError:
            self._process = None
            self._pace.failed()
        finally:
            their_inbox.close()
            their_outbox.close()

    def keep_alive(self) -> str:
        """Start another clock if there is none; return how the former one ended, if it did."""
        if self._process is not None:
            code = self._process.exitcode
            if code is None:
                self._kill_if_hung()
                return ""
            self._process.close()
            self._process = None
            self._last_ending = self._killed_for or ending(code)
            if time.monotonic() - self._born > STEADY:
                self._pace.succeeded()
            else:
                self._pace.failed()
        if not self._pace.may_start():
            return ""
        self._inbox.close()
        self._outbox.close()
        self.start()
        return self._last_ending

    def _kill_if_hung(self) -> None:
        silent = self._vigil.silent_for()
        if silent > self._patience and not self._killed_for:
            self._killed_for = f"it hung for {silent:.1f} s"
            kill_group(self.pid)

    @property
    def is_running(self) -> bool:
        """Whether there is a clock, so far as is known."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def post(self, message: Message) -> None:
        self._outbox.post(message)

    def receive(self) -> list[Message]:
        self._outbox.flush()
        return self._inbox.receive()

    def fileno(self) -> int:
        return self._inbox.fileno()

    @property
    def closed(self) -> bool:
        """Whether the clock has gone and there is no other yet."""
        return self._inbox.closed

    def ends(self) -> list[HasFileno]:
        return [self._inbox, self._outbox]

    def wait_for_end(self, wake: Wake, seconds: float) -> None:
        """Wait until the clock has written its last word; kill it if it does not in time."""
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.exitcode is None:
            if time.monotonic() > deadline:
                kill_group(self.pid)
                self._process.join()
            self._outbox.flush()
            wake.wait(0.1)
