"""What the machine calls its processor."""

from __future__ import annotations

import platform
import re
from pathlib import Path

_INFO = Path("/proc/cpuinfo")


def processor() -> str:
    """The model's name, or the architecture where no name is told."""
    text = _INFO.read_text() if _INFO.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
