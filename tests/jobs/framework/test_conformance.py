"""Our back end against Django's own tests of the Tasks framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.compat import FRAMEWORK
from tests.jobs.framework import suite
from tests.support.plugin import skip_or_fail
from tests.support.processes import site_environment

ROOT = Path(__file__).resolve().parents[3]

EXPECTED = {
    # These change an object in the dummy back end's memory; ours has a table.
    "test_dummy_backend.DummyBackendTestCase.test_refresh_result",
    "test_dummy_backend.DummyBackendTestCase.test_refresh_result_async",
    # These assert that the immediate back end cannot do what ours can.
    "test_immediate_backend.ImmediateBackendTestCase.test_cannot_get_result",
    "test_immediate_backend.ImmediateBackendTestCase.test_cannot_refresh_result",
    "test_immediate_backend.ImmediateBackendTestCase.test_cannot_pass_run_after",
}
EXPECTED_ON_THE_BACKPORT = {
    # The backport refuses it too, in other words.
    "test_tasks.TaskTestCase.test_run_after_in_decorator",
    # Only Django 6.1's own Task has the method that these call.
    "test_tasks.TaskTestCase.test_unpickle_arbitrary_string",
    "test_tasks.TaskTestCase.test_unpickle_non_task_object",
}
if sys.version_info < (3, 12):
    # Python's own message for an abstract class was another.
    EXPECTED_ON_THE_BACKPORT.add("test_custom_backend.CustomBackendTestCase.test_no_enqueue")


@pytest.fixture(scope="module")
def archive(pytestconfig: pytest.Config) -> Path:
    folder = pytestconfig.cache.mkdir("django-sources")  # type: ignore[union-attr]
    try:
        return suite.download(folder)
    except subprocess.SubprocessError as error:
        skip_or_fail(f"the source of Django {suite.VERSION} cannot be had: {error}")


def test_djangos_own_suite_passes_but_for_what_ours_does_better(
    archive: Path, tmp_path: Path, database_url: str
) -> None:
    backport = FRAMEWORK == "django_tasks"
    suite.adapt(archive, tmp_path, backport=backport)
    environment = {
        **os.environ,
        **site_environment(database_url),
        "DJANGO_SETTINGS_MODULE": "tests.support.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.framework.run", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-3000:]}"
    report = json.loads(done.stdout.splitlines()[-1])
    failed = {name.removeprefix("tasks."): why for name, why in report["failed"].items()}
    expected = EXPECTED | (EXPECTED_ON_THE_BACKPORT if backport else set())
    assert len(report["ran"]) > 80
    unexpected = {name: why for name, why in failed.items() if name not in expected}
    assert not unexpected, json.dumps(unexpected, indent=1)
    assert set(failed) == expected, "these pass now: take them off the list"
