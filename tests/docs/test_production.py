"""The units that the page on production shows are whole."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from jobs.conf import Pool
from tests.support.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "running-in-production.md"


def unit(section: str) -> ConfigParser:
    for block in blocks(PAGE, "ini"):
        parser = ConfigParser(interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(block.text)
        if section in parser:
            return parser
    raise AssertionError(f"no unit has a section {section}")


def test_the_systemd_unit_has_what_it_needs() -> None:
    service = unit("Service")
    assert {"Description", "After"} <= set(service["Unit"])
    assert {"Type", "User", "Group", "WorkingDirectory", "ExecStart"} <= set(service["Service"])
    assert {"StandardOutput", "StandardError"} <= set(service["Service"])
    assert service["Service"]["Restart"] == "always"
    assert service["Service"]["RestartSec"] == "5"
    assert service["Install"]["WantedBy"] == "multi-user.target"
    assert service["Service"]["ExecStart"].endswith("manage.py qcluster")


def test_the_supervisor_unit_has_what_it_needs() -> None:
    program = unit("program:mysite-jobs")["program:mysite-jobs"]
    needed = {
        "process_name",
        "command",
        "autostart",
        "autorestart",
        "stopasgroup",
        "killasgroup",
        "user",
        "redirect_stderr",
        "stdout_logfile",
        "stopwaitsecs",
    }
    assert needed <= set(program)
    assert program["command"].endswith("manage.py qcluster")


@pytest.mark.parametrize(
    ("section", "key"), [("Service", "TimeoutStopSec"), ("program:mysite-jobs", "stopwaitsecs")]
)
def test_a_unit_waits_longer_than_jobs_get_to_end(section: str, key: str) -> None:
    assert int(unit(section)[section][key]) > Pool(name="any").shutdown_grace.total_seconds()


def test_supervisor_and_systemd_are_told_of_the_unit() -> None:
    typed = [command for block in blocks(PAGE, "console") for command in block.commands()]
    assert {"supervisorctl reread", "supervisorctl update"} <= set(typed)
    assert any(command.startswith("supervisorctl start") for command in typed)
    assert any(command.startswith("systemctl enable --now") for command in typed)
