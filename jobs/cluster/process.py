"""Processes: how one is forked, and how it settles down as a child."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from typing import Any

from django.core.cache import caches
from django.db import connections

from jobs.cluster.wake import HasFileno, close_all

_PR_SET_PDEATHSIG = 1
_HELD_BACK = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_OOM_SCORE = "500"

logger = logging.getLogger("jobs.cluster")


def spawn(target: Callable[..., Any], *args: Any, name: str, **kwargs: Any) -> BaseProcess:
    """Fork a process that runs `target`; it must call `settle()` first.

    Its signals are held back until it has its own handlers, so that none is taken by a handler
    that it inherited. Nothing that has a socket is shared with it.
    """
    close_connections()
    _share_memory()
    # Not daemonic: a job may start processes of its own.
    process = multiprocessing.get_context("fork").Process(
        target=target, args=args, kwargs=kwargs, name=name, daemon=False
    )
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return process


def _share_memory() -> None:
    """Leave what there is now to parent and child together.

    The collector writes into every object that it looks at, so in each process the pages would
    become its own. What is frozen it does not look at again.
    """
    gc.collect()
    gc.freeze()


def close_connections() -> None:
    """Close every database and cache connection of this thread, before a fork or at an end."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        # A pool's threads and sockets would not work in the child.
        if hasattr(connection, "close_pool"):
            connection.close_pool()
    caches.close_all()


def settle(
    parent: int,
    *,
    not_ours: Iterable[HasFileno] = (),
    death_signal: signal.Signals = signal.SIGKILL,
    ignore: Iterable[signal.Signals] = (signal.SIGINT, signal.SIGHUP),
    handlers: dict[signal.Signals, Callable[[int, Any], Any]] | None = None,
) -> None:
    """Settle down as a child of process `parent`: own signal handlers, and no life beyond its.

    `not_ours` are descriptors of the parent to close. The signals that were held back during the
    fork arrive when this returns. Raises SystemExit if the parent is gone already.
    """
    signal.set_wakeup_fd(-1)
    for number in _HELD_BACK:
        signal.signal(number, signal.SIG_DFL)
    for number in ignore:
        signal.signal(number, signal.SIG_IGN)
    for number, handler in (handlers or {}).items():
        signal.signal(number, handler)
    end_with_parent(parent, death_signal)
    close_all(not_ours)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Have this process sent a signal when its parent ends, whatever ends it."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
    else:
        threading.Thread(target=_watch_parent, args=(parent, number), daemon=True).start()
    # It may have ended before the line above.
    if os.getppid() != parent:
        raise SystemExit("the parent process has ended")


def _watch_parent(parent: int, number: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), number)


def be_a_worker(nice: int) -> None:
    """Lead a process group of one's own, be nice, and be the first to go when memory runs out.

    Ctrl-C in a terminal reaches a whole group: jobs, and the programs that they have started, are
    not meant by it. A worker can be replaced, so the system should take it and not its sentinel.
    """
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    if nice:
        os.nice(nice)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_OOM_SCORE)


def kill_group(pid: int) -> None:
    """Kill a worker, and what its job has started in its process group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def kill_leftovers(group: int) -> None:
    """Kill what is left of the process group of a worker that is dead already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def exists(pid: int) -> bool:
    """Whether there is a process of this id on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def resident_bytes(pid: int | str = "self") -> int:
    """The memory that a process occupies; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def set_title(title: str) -> None:
    """Show `title` in the system's list of processes, if setproctitle is installed."""
    from django_q.conf import setproctitle

    if setproctitle:
        setproctitle.setproctitle(f"qcluster {title}")


def ending(exit_code: int) -> str:
    """How a process ended, in words, by its exit code in the form of `multiprocessing`."""
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
