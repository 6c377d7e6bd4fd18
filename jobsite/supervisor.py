"""Runs several services as one: they start together, and none outlives the others."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import IO, TextIO

from jobsite.process_control import adopt_orphans

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK = 0.1


@dataclass(frozen=True)
class Service:
    """A command to keep running, under the name that its lines are marked with."""

    name: str
    command: Sequence[str]


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    pending: bytes = field(default=b"")

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def group_lives(self) -> bool:
        """Whether the service or anything it has started is still there; reaps what is not."""
        if self.process.poll() is None:
            return True
        try:
            while os.waitpid(-self.process.pid, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return False
        return True

    def signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            # The last of them ended between the look and the signal.
            return


class Supervisor:
    """Starts services, forwards their output line by line, and ends them all together.

    Each service leads a session of its own, so that Ctrl-C reaches only the supervisor, which then
    sends SIGTERM. Whatever is there after `grace` is killed; a second Ctrl-C kills at once.
    If the supervisor itself is killed, its services get SIGTERM from the system.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        grace: timedelta,
        out: TextIO,
        is_ready: Callable[[], bool] = lambda: True,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._services = services
        self._grace = grace.total_seconds()
        self._out = out
        self._is_ready = is_ready
        self._on_ready = on_ready
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._stops_asked = 0
        self._reader_gone = False
        self._width = max(len(name) for name in ["site", *(service.name for service in services)])

    def run(self) -> int:
        """Run until a service ends by itself (1 is returned), or until it is asked to stop (0).

        A stop signal asks for it, and so does the end of whoever read the output.
        """
        adopt_orphans()
        before = {number: signal.signal(number, self._ask_to_stop) for number in _STOP_SIGNALS}
        try:
            for service in self._services:
                self._start(service)
            return self._watch()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stops_asked += 1

    def _start(self, service: Service) -> None:
        leash = [sys.executable, "-m", "jobsite.leash", str(os.getpid())]
        process = subprocess.Popen(
            [*leash, *service.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        child = _Child(service, process)
        os.set_blocking(child.output.fileno(), False)
        self._selector.register(child.output, selectors.EVENT_READ, child)
        self._children.append(child)

    def _watch(self) -> int:
        announced = False
        while not self._stops_asked and not self._reader_gone:
            self._forward(_TICK)
            for child in self._children:
                code = child.process.poll()
                if code is not None:
                    self._forward(0)
                    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
                    self._say(f"{child.service.name} has ended with {ending}; stopping the rest")
                    return 1
            if not announced and self._is_ready():
                announced = True
                self._on_ready()
        self._say("stopping; once more to stop at once")
        return 0

    def _end_all(self) -> None:
        asked_before = self._stops_asked
        deadline = time.monotonic() + self._grace
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        orphans_told: set[int] = set()
        killed = False
        while living := [child for child in self._children if child.group_lives()]:
            for child in living:
                # A service ends what it has started; only what it left behind is told by us.
                if child.process.returncode is not None and child.process.pid not in orphans_told:
                    orphans_told.add(child.process.pid)
                    child.signal_group(signal.SIGTERM)
            out_of_patience = time.monotonic() > deadline or self._stops_asked > asked_before
            if out_of_patience and not killed:
                killed = True
                for child in living:
                    self._say(f"{child.service.name} did not stop in time and is killed")
                    child.signal_group(signal.SIGKILL)
            self._forward(_TICK)
        self._forward(0)
        for child in self._children:
            child.output.close()
        self._selector.close()

    def _forward(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout)
            return
        for key, _ in self._selector.select(timeout):
            child: _Child = key.data
            chunk = child.output.read(65536)
            if not chunk:
                self._selector.unregister(child.output)
                chunk = b"\n" if child.pending else b""
            *lines, child.pending = (child.pending + chunk).split(b"\n")
            for line in lines:
                self._write(child.service.name, line.decode(errors="replace"))

    def _say(self, text: str) -> None:
        self._write("site", text)

    def _write(self, name: str, line: str) -> None:
        if self._reader_gone:
            return
        try:
            self._out.write(f"{name:<{self._width}} | {line}\n")
            self._out.flush()
        except BrokenPipeError:
            self._reader_gone = True


def refuse_busy_port(host: str, port: int) -> None:
    """Return if a server can listen there; raise `OSError` otherwise."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def port_answers(host: str, port: int) -> bool:
    """Whether something listens there now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
