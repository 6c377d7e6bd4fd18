"""The passes of `make test`: what fails by chance is run again and named, what is broken fails."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.run import ROOT, run_pass

BY_CHANCE = """
from pathlib import Path

def test_by_chance():
    seen = Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in the checkout, so that pytest names its tests as it names ours."""
    made = ROOT / "build" / f"passes-{uuid4().hex}"
    made.mkdir(parents=True)
    yield made
    shutil.rmtree(made)
    shutil.rmtree(ROOT / ".pytest_cache" / made.name, ignore_errors=True)


def outcome(file: Path) -> str:
    return run_pass(file.parent.name, [sys.executable], [str(file)])


def test_what_fails_once_is_run_again_and_named(folder: Path) -> None:
    file = folder / "test_trial.py"
    file.write_text(BY_CHANCE)
    told = outcome(file)
    assert told.startswith("passed")
    assert "1 of the tests only at the second try" in told
    assert "test_by_chance" in told


@pytest.mark.parametrize("count", [1, 6])
def test_what_is_broken_fails(folder: Path, count: int) -> None:
    file = folder / "test_trial.py"
    file.write_text("\n".join(f"def test_{n}():\n    assert False\n" for n in range(count)))
    assert outcome(file).startswith("FAILED")


def test_what_passes_is_run_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = folder / "test_trial.py"
    file.write_text("def test_it():\n    assert True\n")
    assert "second try" not in outcome(file)
    assert capfd.readouterr().out.count("1 passed") == 1
