"""A leash: a program that ends with the process that started it, however that ends."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def leashed(command: Sequence[str]) -> list[str]:
    """The command, to be told to end (SIGTERM) when its parent dies; as it is where the system
    knows no such thing. The parent is the thread that starts it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)
