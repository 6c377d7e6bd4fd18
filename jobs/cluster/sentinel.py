"""Sentinel: watches over the workers and the clock of one cluster."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from functools import partial
from typing import Any

from django_q.brokers import Broker
from django_q.cluster import Sentinel, set_cpu_affinity
from django_q.conf import Conf, psutil

from jobs.cluster import fleet as fleets
from jobs.cluster.bell import Bell
from jobs.cluster.clock_link import ClockLink
from jobs.cluster.deaths import Obituaries
from jobs.cluster.flag import Flag
from jobs.cluster.fleet import Fleet, Loss, Member
from jobs.cluster.identity import Identity
from jobs.cluster.mailbox import Message, Receiver
from jobs.cluster.process import close_connections, set_title, settle
from jobs.cluster.wake import HasFileno, Wake
from jobs.cluster.worker_process import run_worker_process
from jobs.conf import settings as conf
from jobs.models import ClusterStatus

GUARD_CYCLE = 0.1
"""Seconds between two looks while something is about to happen that nobody tells of."""
CALM_CYCLE = 0.5
"""The same otherwise: ends of processes, messages and known deadlines end the wait."""
HOLDING_CYCLE = 0.01
"""The same while some worker has claimed several jobs: what one of them may be late for it."""
FACTS_EVERY = 0.5
LAST_WORD = 10.0
"""Seconds that the clock gets to write down the end of the cluster."""

EXIT_STOPPED = 0
EXIT_RESTART = 80
"""The cluster was asked to start anew, with the code as it is now."""
EXIT_LOST = 81
"""Others have taken the cluster for dead, and its jobs."""


class JobsSentinel(Sentinel):  # type: ignore[misc]
    """django-q2's sentinel with workers that claim for themselves.

    Its loop touches no database, no cache, no lock and no log: what could make it wait is done by
    the clock. So a worker past its hard timeout is killed on time, and a dead one replaced at once,
    whatever else is slow. What it holds instead of django-q2's queues, pusher and monitor are the
    `Fleet` of workers and the `ClockLink`.
    """

    def __init__(
        self,
        stop_event: Flag,
        start_event: Flag,
        identity: Identity,
        control: Receiver,
        parent: int,
        not_ours: list[HasFileno],
        run_once: bool,
    ) -> None:
        broker = Broker(list_key=identity.pool_names)
        super().__init__(stop_event, start_event, identity.id, broker, start=False)
        self._wake = Wake()
        self._stop_level = 0
        settle(
            parent,
            not_ours=not_ours,
            # If the parent is killed the cluster still stops in good order.
            death_signal=signal.SIGTERM,
            handlers={signal.SIGTERM: self._asked_to_stop, signal.SIGCHLD: self._note_end},
        )
        self._wake.arm()
        self.identity = identity
        self.pool_size = identity.processes
        self._control = control
        self._obituaries = Obituaries()
        self._clock = ClockLink(identity, self._ends, run_once=run_once)
        self._bell = Bell(self._wake)
        self.fleet = Fleet(identity, partial(run_worker_process, self._bell), self._ends)
        self._exit = EXIT_STOPPED
        self._deadline: float | None = None
        self._next_facts = 0.0
        self._facts: Message = {}
        self._child_ended = False
        self._next_round = 0.0
        self.start()

    def start(self) -> None:
        """Run the cluster to its end, and exit with what that end means."""
        set_title(f"{self.identity.name} sentinel")
        self.spawn_cluster()
        self.guard()
        sys.exit(self._exit)

    def spawn_cluster(self) -> None:
        close_connections()
        self._clock.start()
        self._fill()
        if psutil and Conf.CPU_AFFINITY:
            set_cpu_affinity(Conf.CPU_AFFINITY, self.fleet.pids())

    def guard(self) -> None:
        """Watch until no worker is left to watch."""
        self.start_event.set()
        self._say(logging.INFO, f"{self.identity.name} runs, {self.pool_size} workers")
        while not (self._is_stopping and not self.fleet.members):
            self._wait()
            messages = [*self._control.receive(), *self._clock.receive()]
            for message in messages:
                self._handle(message)
            for member in self.fleet.stuck():
                self._clock.post({"kind": "stuck", "worker": member.slot.worker_id})
            if messages or self._child_ended or time.monotonic() >= self._next_round:
                self._go_round()
        self.stop()

    def _wait(self) -> None:
        """Wait until something happens, or has to be looked for."""
        self._bell.listen(True)
        # Only now: what is claimed after this look rings.
        holds = self.fleet.holds
        if holds:
            self._bell.listen(False)
        left = self._next_round - time.monotonic()
        self._wake.wait(min(left, HOLDING_CYCLE) if holds else left, self._control, self._clock)

    def _go_round(self) -> None:
        self._child_ended = False
        for member in self.fleet.enforce():
            self._say(logging.ERROR, f"killed worker {member.pid}: {member.killed_for}")
        for loss in self.fleet.reap():
            self._note(loss)
        if self._stop_level and not self._is_stopping:
            self._begin_stop()
        if self._is_stopping:
            self._hurry()
        else:
            self._fill()
        self._keep_clock()
        if time.monotonic() > self._next_facts:
            self._tell_facts()
        self._next_round = time.monotonic() + self._pause()

    def _pause(self) -> float:
        """Seconds to the next round. No hard deadline that is not known yet can pass sooner than
        the grace which every job has."""
        if self._is_stopping or self.fleet.is_short or not self._clock.is_running:
            return GUARD_CYCLE
        unknown = max(conf.HARD_TIMEOUT_GRACE.total_seconds(), GUARD_CYCLE)
        known = self.fleet.next_limit() - time.monotonic()
        return max(0.0, min(CALM_CYCLE, unknown, known))

    def _fill(self) -> None:
        for trouble in self.fleet.fill():
            self._say(logging.ERROR, trouble)

    def stop(self) -> None:
        """Let the clock write down the end; the workers are gone."""
        status = ClusterStatus.LOST if self._exit == EXIT_LOST else ClusterStatus.STOPPED
        self._tell_facts()
        self._clock.post({"kind": "stop", "status": str(status)})
        self._clock.wait_for_end(self._wake, LAST_WORD)

    def status(self) -> Any:
        return getattr(Conf, self._status().upper())

    @property
    def _is_stopping(self) -> bool:
        return self._deadline is not None

    def _asked_to_stop(self, *args: Any) -> None:
        self._stop_level = max(self._stop_level, 1)
        self._next_round = 0.0

    def _note_end(self, *args: Any) -> None:
        self._child_ended = True

    def _handle(self, message: Message) -> None:
        match message["kind"]:
            case "buried":
                self._obituaries.confirm(message["number"])
            case "stop":
                self._stop_level = max(self._stop_level, message["level"])
            case "idle":
                self._stop_level = max(self._stop_level, 1)
            case "restart" if not self._is_stopping:
                self._exit = EXIT_RESTART
                self._begin_stop()
            case "lost" if self._exit != EXIT_LOST:
                # Their jobs run elsewhere by now, or soon: what goes on here is worth nothing.
                self._exit = EXIT_LOST
                self._begin_stop()
                self._deadline = 0.0

    def _hurry(self) -> None:
        """Kill what is still there when the grace is over."""
        if self._stop_level > 1:
            self._deadline = 0.0
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.fleet.kill_all(fleets.OUT_OF_GRACE)

    def _begin_stop(self) -> None:
        self._deadline = time.monotonic() + self.identity.shutdown_grace
        self._clock.post({"kind": "stopping"})
        self.fleet.ask_to_leave()
        busy = self.fleet.busy()
        self._say(logging.INFO, f"{self.identity.name} stops, {busy} jobs are running")

    def _note(self, loss: Loss) -> None:
        """A worker has ended: let the clock bury it."""
        member: Member = loss.member
        death = self._obituaries.add(
            pid=member.pid,
            worker_id=member.slot.worker_id,
            detail=loss.detail,
            timed_out=loss.timed_out,
            interrupted=loss.interrupted,
            journal=str(member.journal),
        )
        self._clock.post(death.as_message())
        if not loss.was_expected:
            self.reincarnations += 1
            self._say(logging.ERROR, f"worker {member.pid} has died: {loss.detail}")

    def _keep_clock(self) -> None:
        """Start another clock if it has died or hangs, and tell it of the deaths that it missed."""
        if died := self._clock.keep_alive():
            self.reincarnations += 1
            self._facts = {}
            for death in self._obituaries.unconfirmed():
                self._clock.post(death.as_message())
            if self._is_stopping:
                self._clock.post({"kind": "stopping"})
            self._say(logging.CRITICAL, f"the clock has died: {died}; there is a new one")

    def _tell_facts(self) -> None:
        """Tell the clock what has changed since it was last told."""
        facts = {
            "kind": "facts",
            "born": self.tob.isoformat(),
            "sentinel": os.getpid(),
            "workers": self.fleet.pids(),
            "reincarnations": self.reincarnations,
            "status": self._status(),
        }
        if facts != self._facts:
            self._next_facts = time.monotonic() + FACTS_EVERY
            self._facts = facts
            self._clock.post(facts)

    def _status(self) -> str:
        if self._is_stopping:
            return "stopping" if self.fleet.members else "stopped"
        return "working" if self.fleet.busy() else "idle"

    def _say(self, level: int, text: str) -> None:
        self._clock.post({"kind": "line", "level": level, "text": text})

    def _ends(self) -> list[HasFileno]:
        """What a child of this process must close."""
        return [self._wake, self._control, *self._clock.ends()]
