"""The wheel, and a virtual environment that has nothing but the wheel and what it asks for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.markdown import ROOT
from tests.support.plugin import skip_or_fail

NO_INDEX = (
    "No matching distribution found",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "NewConnectionError",
    "ReadTimeoutError",
    "ProxyError",
)
"""What pip says when it cannot get packages."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment into which the README's `pip install` has put the wheel."""

    python: Path
    packages: frozenset[str]
    django: tuple[int, int]


def pip(python: str | Path, *arguments: str) -> str:
    """Run pip; without a package index the test is skipped, or fails on a CI machine."""
    done = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        if any(sign in done.stderr for sign in NO_INDEX):
            skip_or_fail(f"no package index answers: {done.stderr.strip().splitlines()[-1]}")
        pytest.fail(f"pip {' '.join(arguments)}:\n{done.stderr}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as the README says."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel installed without any extra."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    pip(python, "install", str(wheel))
    listed = pip(python, "list", "--format=freeze").splitlines()
    versions = dict(line.lower().split("==") for line in listed)
    major, minor = versions["django"].split(".")[:2]
    return Installed(python, frozenset(versions), (int(major), int(minor)))
