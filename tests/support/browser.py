"""A Chromium for the tests that drive the pages."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.programs import obtain

# What a browser needs to run as root in a container, and not to reach out by itself.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium() -> Path:
    """The browser's program. Raises `ProgramMissing`."""
    return obtain("Chromium", _chromium_here, debian="chromium")


def _chromium_here() -> Path | None:
    return next((Path(found) for name in _NAMES if (found := shutil.which(name))), None)
