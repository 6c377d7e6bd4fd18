"""What Linux offers so that no process outlives the one that answers for it.

On other systems these do nothing, and a killed supervisor can leave its children behind.
"""

from __future__ import annotations

import ctypes
import os
import sys
from signal import Signals

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(number: Signals, parent: int) -> None:
    """Have this process sent a signal when its parent, process `parent`, ends; kept over `exec`.

    Raises `SystemExit` if the parent is gone already.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        raise SystemExit("the parent process has ended")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
