"""The site starts on every supported Django with what is installed, and nothing of development."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT

# On Django 5.2 the backport of django.tasks makes Django's classes subscriptable (`ModelAdmin[Job]`)
# wherever the typing stubs are installed; on Django 6 nothing does.
START_WITHOUT_STUBS = """
import django_stubs_ext
django_stubs_ext.monkeypatch = lambda *args, **kwargs: None
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
"""


def test_no_class_needs_the_typing_stubs_when_it_is_run(site_env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START_WITHOUT_STUBS],
        env=site_env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
