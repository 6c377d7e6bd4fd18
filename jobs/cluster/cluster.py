"""Cluster: the process that a process manager knows; it keeps a sentinel alive."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import UUID, uuid4

from django_q.cluster import Cluster

from jobs.cluster import journals
from jobs.cluster.flag import Flag
from jobs.cluster.identity import Identity, humane_name
from jobs.cluster.mailbox import Sender, channel
from jobs.cluster.process import ending, set_title, spawn
from jobs.cluster.rehearsal import rehearse
from jobs.cluster.sentinel import EXIT_LOST, EXIT_RESTART, EXIT_STOPPED, JobsSentinel
from jobs.cluster.starting import RestartPace
from jobs.cluster.wake import Wake
from jobs.conf import Pool

START_PATIENCE = 60.0
"""Seconds that a sentinel gets to start."""

logger = logging.getLogger("jobs.cluster")


class ClusterFailed(Exception):
    """The sentinel ended while it was starting."""


class JobsCluster(Cluster):  # type: ignore[misc]
    """django-q2's cluster, whose sentinel may die.

    A sentinel that ends unexpectedly takes its workers along, and another one is started: a new
    life with an id of its own, the heir of the former, whose jobs it rescues at once.
    """

    def __init__(self, pools: Sequence[Pool], *, run_once: bool = False) -> None:
        self._wake = Wake()
        self._stops_asked = 0
        super().__init__()
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self.sig_handler)
        signal.signal(signal.SIGCHLD, lambda *args: None)
        self._wake.arm()
        self._run_once = run_once
        self._pace = RestartPace()
        self._control: Sender | None = None
        self.stop_event: Flag | None = None
        self.start_event: Flag | None = None
        self.identity = _new_life(tuple(pools), ())

    @property
    def name(self) -> str:
        return self.identity.name

    def start(self) -> int:
        """Start the cluster and return the process id once it runs.

        Raises ClusterFailed if the sentinel ends before that, and JobsConfigurationError if its
        workers can have no files.
        """
        journals.folder()
        set_title(self.name)
        logger.info("cluster %s of pool %s starts", self.name, self.identity.pool_names)
        rehearse(self.identity)
        self._start_sentinel()
        deadline = time.monotonic() + START_PATIENCE
        while not self._has_started and not self._stops_asked:
            if self._sentinel.exitcode is not None or time.monotonic() > deadline:
                how = self._sentinel.exitcode
                told = "did not start" if how is None else f"ended with {ending(how)}"
                raise ClusterFailed(f"cluster {self.name}: the sentinel {told}")
            self._wake.wait(0.05)
        return int(self.pid)

    def supervise(self) -> int:
        """Keep the cluster running until it is asked to stop, and return how it ended:
        EXIT_STOPPED or EXIT_RESTART."""
        told = 0
        while True:
            self._wake.wait(1.0)
            if self._stops_asked > told:
                told = self._stops_asked
                self._tell_to_stop(told)
            code = self._sentinel.exitcode
            if code is None:
                continue
            if code in (EXIT_STOPPED, EXIT_RESTART) or self._stops_asked:
                return self._ended(code)
            logger.critical("the sentinel of %s has ended: %s", self.name, ending(code))
            self._wait_for_pace(code)
            if self._stops_asked:
                return self._ended(code)
            self._start_heir()

    def stop(self) -> bool:
        """Stop the cluster and return when it has; False if it did not run."""
        if self.sentinel is None or self._sentinel.exitcode is not None:
            return False
        self._stops_asked += 1
        self.supervise()
        return True

    def sig_handler(self, signum: int, frame: Any) -> None:
        """The first signal lets running jobs end within the grace, the next one ends it."""
        self._stops_asked += 1

    @property
    def _has_started(self) -> bool:
        return self.start_event is not None and self.start_event.is_set()

    @property
    def _sentinel(self) -> BaseProcess:
        process: BaseProcess = self.sentinel
        return process

    def _start_sentinel(self) -> None:
        self.stop_event, self.start_event = Flag(), Flag()
        self.cluster_id = self.identity.id
        if self._control is not None:
            self._control.close()
        their_control, self._control = channel()
        self.sentinel = spawn(
            JobsSentinel,
            self.stop_event,
            self.start_event,
            self.identity,
            their_control,
            os.getpid(),
            [self._wake, self._control],
            self._run_once,
            name=f"{self.name} sentinel",
        )
        their_control.close()
        self._born = time.monotonic()

    def _start_heir(self) -> None:
        former = self.identity
        self.identity = _new_life(former.pools, (former.id, *former.heirs_of[:9]))
        logger.warning("cluster %s goes on as %s", former.name, self.name)
        self._start_sentinel()

    def _wait_for_pace(self, code: int) -> None:
        """Start the next one at once, unless sentinels end while they start."""
        if code == EXIT_LOST or self._has_started:
            self._pace.succeeded()
        else:
            self._pace.failed()
        while not self._pace.may_start() and not self._stops_asked:
            self._wake.wait(self._pace.seconds_left())

    def _tell_to_stop(self, times: int) -> None:
        if self.stop_event is not None:
            self.stop_event.set()
        if self._control is not None:
            self._control.post({"kind": "stop", "level": min(times, 2)})
        how = "stops; once more to end its jobs now" if times == 1 else "ends its jobs now"
        logger.info("cluster %s %s", self.name, how)

    def _ended(self, code: int) -> int:
        logger.info("cluster %s has stopped", self.name)
        self.start_event = None
        self.stop_event = None
        return EXIT_RESTART if code == EXIT_RESTART else EXIT_STOPPED


def _new_life(pools: tuple[Pool, ...], heirs_of: tuple[UUID, ...]) -> Identity:
    cluster_id = uuid4()
    identity = Identity(name=humane_name(cluster_id), pools=pools, id=cluster_id)
    return replace(identity, heirs_of=heirs_of)
