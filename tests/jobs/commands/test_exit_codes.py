"""Exit codes as a shell sees them."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import run_manage


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("queue_status", "--json"), 0, ""),
        (("queue_status", "--check"), 1, "No live cluster."),
        (("queue_retry", "--all"), 1, "Nothing was retried"),
        (("queue_retry", "seventeen"), 2, "'seventeen' is not an id"),
        (("queue_clear", "defualt", "--yes"), 2, "Did you mean 'default'"),
        (("qcluster", "--name", "defualt"), 2, "did you mean 'default'"),
        (("qcluster", "--help"), 0, ""),
    ],
)
def test_a_shell_sees_how_a_command_ended(
    site_env: dict[str, str], arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = run_manage(*arguments, environment=site_env)

    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    if "--help" in arguments:
        assert "Exit codes: 0: stopped as it was asked to; 1: " in " ".join(done.stdout.split())
    if "--json" in arguments:
        assert set(json.loads(done.stdout)) >= {"clusters", "workers", "queues", "jobs"}
