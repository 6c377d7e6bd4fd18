"""Foreground: one worker in the process that was started from a terminal, without a sentinel."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jobs.cluster import journals, recovery
from jobs.cluster.duties import PROMOTE_EVERY, promote
from jobs.cluster.fleet import TIMED_OUT
from jobs.cluster.identity import Identity, end_cluster, humane_name
from jobs.cluster.pulse import Pulse
from jobs.cluster.sweeps import rescue_workers
from jobs.cluster.ticker import Tick, Ticker
from jobs.cluster.wake import Wake
from jobs.cluster.worker import Mode, Worker
from jobs.conf import Pool
from jobs.ledger import Ledger, ledger
from jobs.ledger.outcome import Outcome
from jobs.models import ClusterStatus

WATCH_EVERY = 0.1
EXIT_ABANDONED = 130
"""The running job was given back unfinished, because of a second Ctrl-C."""
EXIT_TIMED_OUT = 124
"""The running job went on past its hard timeout, and the process was ended with it."""
EXIT_LOST = 1
"""Other clusters have taken this process for dead."""

logger = logging.getLogger("jobs.cluster")


class Foreground:
    """A cluster of one worker: in the ledger it has a cluster's row and heartbeat, so that others
    rescue its job if it is killed.

    A thread keeps the heartbeat and the hard timeout. It cannot end a job that holds the
    interpreter's lock in C; such a job silences the heartbeat, and is taken over by another
    cluster.
    """

    def __init__(self, pool: Pool, on_outcome: Callable[[Outcome], object]) -> None:
        cluster_id = uuid4()
        self._identity = Identity(name=humane_name(cluster_id), pools=(pool,), id=cluster_id)
        self._journal = journals.create(cluster_id)
        self._slot = journals.slot_of(self._journal)
        self._worker = Worker(
            self._identity,
            pool,
            self._slot,
            Wake(),
            journal=self._journal,
            on_outcome=on_outcome,
        )
        self._pulse = Pulse(self._identity)
        self._abandoned = threading.Event()
        self._told = False
        self._watch = Ticker(
            "watch",
            [
                Tick("heartbeat", self._pulse.interval, self._beat),
                Tick("limits", WATCH_EVERY, self._look),
                Tick("promotion", PROMOTE_EVERY, promote),
            ],
        )

    def run(self, mode: Mode) -> str:
        """Work, and return why it ended. Due jobs are made ready first."""
        before = {
            number: signal.signal(number, self._signalled)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            promote(ledger())
            self._watch.start()
            reason = self._worker.run(mode)
        finally:
            self._watch.stop()
            self._watch.join(5.0)
            for number, handler in before.items():
                signal.signal(number, handler)
        book = ledger()
        end_cluster(book.now(), ClusterStatus.STOPPED, self._identity.id)
        journals.remove(self._journal)
        return reason

    def _signalled(self, number: int, frame: Any) -> None:
        if self._worker.is_stopping:
            self._abandoned.set()
        self._worker.stop()

    def _beat(self, book: Ledger) -> None:
        if not self._pulse.beat(book, 0).is_alive:
            self._end(book, EXIT_LOST, "taken for dead")

    def _look(self, book: Ledger) -> float | None:
        running = self._slot.running()
        if self._worker.is_stopping and running is not None and not self._told:
            self._told = True
            logger.info("stops after the job that runs; once more gives it back")
        if self._abandoned.is_set():
            self._end(book, EXIT_ABANDONED, "stopped by hand", interrupted=True)
        if running is not None and running.deadline and time.monotonic() > running.deadline:
            self._end(book, EXIT_TIMED_OUT, TIMED_OUT, timed_out=True)
        if recovery.is_stuck(self._slot, running):
            recovery.relieve(book, self._worker.id, self._journal)
        return recovery.STUCK if self._slot.waiting else None

    def _end(self, book: Ledger, code: int, detail: str, **how: bool) -> None:
        """End the process in the middle of its job, after saying so in the ledger."""
        if code != EXIT_LOST:
            rescue_workers(book, [self._worker.id], detail, **how)
            end_cluster(book.now(), ClusterStatus.STOPPED, self._identity.id)
        logger.error("ended in the middle of a job: %s", detail)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
