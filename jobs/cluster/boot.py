"""Which start of its host this process belongs to."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from uuid import UUID

_LINUX = Path("/proc/sys/kernel/random/boot_id")
_MACOS = ("sysctl", "-n", "kern.bootsessionuuid")
_LARGEST = 2**63 - 1


@cache
def boot() -> int:
    """A number that is another after the host was started anew; 0 where the system tells none."""
    if _LINUX.exists():
        text = _LINUX.read_text()
    elif sys.platform == "darwin":
        text = subprocess.run(_MACOS, capture_output=True, text=True, check=True).stdout
    else:
        return 0
    return UUID(text.strip()).int & _LARGEST
