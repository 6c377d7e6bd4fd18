"""The main function of a worker process."""

from __future__ import annotations

import logging
import os
import signal
from multiprocessing.process import current_process
from pathlib import Path
from typing import Any

from jobs.cluster.bell import Bell
from jobs.cluster.identity import Identity
from jobs.cluster.process import be_a_worker, set_title, settle
from jobs.cluster.session import CONNECTION_LOST
from jobs.cluster.slot import Slot
from jobs.cluster.wake import HasFileno, Wake
from jobs.cluster.worker import STOPPED, Worker
from jobs.conf import Pool

logger = logging.getLogger("jobs.cluster")


def run_worker_process(
    bell: Bell,
    identity: Identity,
    pool: Pool,
    slot: Slot,
    journal: Path,
    sentinel: int,
    not_ours: list[HasFileno],
) -> None:
    """Settle down as a child of the sentinel, and work until it is time to leave."""
    wake = Wake()
    worker = Worker(identity, pool, slot, wake, journal=journal, on_batch=bell.ring)
    # Handled and not ignored, as what is ignored stays so in the programs that a job starts.
    handlers: dict[signal.Signals, Any] = {
        signal.SIGTERM: worker.stop,
        signal.SIGINT: _ignored,
        signal.SIGHUP: _ignored,
    }
    settle(sentinel, not_ours=not_ours, ignore=(), handlers=handlers)
    os.register_at_fork(after_in_child=_become_a_child_of_a_job)
    be_a_worker(pool.nice)
    set_title(f"{identity.name} worker of {pool.name}")
    _announce()
    try:
        reason = worker.run()
    except CONNECTION_LOST:
        if not worker.is_stopping:
            raise
        reason = STOPPED
    logger.info("worker %s left: %s", worker.id or "without a row", reason)


def _ignored(*args: Any) -> None:
    """A signal to the whole process group or terminal; the sentinel decides."""


def _become_a_child_of_a_job() -> None:
    """Give a process that a job has forked the signals of an ordinary one: with the worker's
    handlers a `multiprocessing.Pool` could never end its processes."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _announce() -> None:
    """Send django-q2's signal of a new worker."""
    from django_q.signals import post_spawn

    post_spawn.send(sender="django_q", proc_name=current_process().name)
