"""How tests come by the programs they need: here, from Debian, from PyPI, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import programs
from tests.support.programs import ProgramMissing, obtain

HERE = Path("/here/is/the/program")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Installs nothing; collects what would have been run by root on a Debian machine."""
    run: list[list[str]] = []

    def record(command: list[str]) -> str:
        run.append(command)
        return f"  {' '.join(command)}: exit 100 no network"

    monkeypatch.setattr(programs, "_run", record)
    monkeypatch.setattr(programs.os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs.shutil, "which", lambda name: f"/usr/bin/{name}")
    return run


def test_a_program_of_the_machine_is_used_as_it_is(commands: list[list[str]]) -> None:
    assert obtain("Thing", lambda: HERE, debian="thing", pypi="thing-carrier") == HERE
    assert commands == []


def test_root_gets_it_from_debian(commands: list[list[str]]) -> None:
    found = obtain(
        "Thing", lambda: HERE if commands else None, debian="thing", pypi="thing-carrier"
    )
    assert found == HERE
    assert [command[0] for command in commands] == ["apt-get"]


def test_others_get_it_from_pypi(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs.os, "geteuid", lambda: 1000)
    found = obtain(
        "Thing", lambda: HERE if commands else None, debian="thing", pypi="thing-carrier"
    )
    assert found == HERE
    assert [command[-1] for command in commands] == ["thing-carrier"]


def test_what_cannot_be_had_tells_what_was_tried(commands: list[list[str]]) -> None:
    with pytest.raises(ProgramMissing) as caught:
        obtain("Thing", lambda: None, debian="thing", pypi="thing-carrier")
    told = str(caught.value)
    assert "Thing is not on this machine" in told
    assert "apt-get install -y --no-install-recommends thing: exit 100 no network" in told
    assert "thing-carrier: exit 100" in told
