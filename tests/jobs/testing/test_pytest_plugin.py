"""The plugin for pytest: there in every project, and in the way of none."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.markdown import ROOT

PLUGIN = "jobs.testing.pytest_plugin"


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a folder in which the package is installed, for what pytest sees of that."""
    facts = folder / "site" / "kit-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: kit\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[pytest11]\njobs = {PLUGIN}\n")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder / 'site'}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_package_names_it_for_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"jobs": PLUGIN}


def test_loading_it_imports_nothing_of_django(tmp_path: Path) -> None:
    code = (
        f"import sys, {PLUGIN}; print([name for name in sys.modules "
        "if name.partition('.')[0] in ('django', 'django_tasks', 'django_q')])"
    )
    done = run_python(tmp_path, "-c", code)
    assert done.stdout == "[]\n", done.stderr


def test_a_project_without_django_is_tested_as_before(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_own():\n    assert 'jobs.testing.faking' not in sys.modules\n"
    )
    quiet = ["-q", "-W", "error", "-p", "no:django"]
    done = run_python(tmp_path, "-m", "pytest", *quiet)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


SETTINGS = """
SECRET_KEY = "x"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "jobs", "django_q", "shop"]
Q_CLUSTER = {"name": "shop", "broker_class": "jobs.django_q2.broker.LedgerBroker"}
TASKS = {"default": {"BACKEND": "jobs.backend.LedgerBackend"}}
"""

JOBS = """
from django.contrib.auth.models import Group
from jobs import job

@job(max_attempts=2, backoff=60)
def add_group(name: str) -> str:
    return Group.objects.create(name=name).name
"""

TESTS = """
from datetime import timedelta
from jobs.testing import perform
from shop.jobs import add_group

def test_faked(fake_jobs):
    add_group.enqueue("a")
    fake_jobs.assert_pushed(add_group, args=["a"])

def test_drained(db, drain_jobs):
    add_group.enqueue("a")
    assert drain_jobs().succeeded == 1

def test_by_the_clock(transactional_db, drain_jobs, frozen_jobs_clock):
    add_group.using(run_after=timedelta(days=9)).enqueue("a")
    assert len(drain_jobs()) == 0
    frozen_jobs_clock.advance(timedelta(days=9))
    assert len(drain_jobs()) == 1

def test_performed(db):
    perform(add_group, "a").assert_succeeded("a")
"""


def test_a_strangers_project_has_its_fixtures(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for place, text in (
        ("settings.py", SETTINGS),
        ("shop/__init__.py", ""),
        ("shop/jobs.py", JOBS),
        ("test_shop.py", TESTS),
    ):
        (tmp_path / place).write_text(text)
    done = run_python(tmp_path, "-m", "pytest", "-q", "--ds", "settings")
    assert "4 passed" in done.stdout, done.stdout + done.stderr
