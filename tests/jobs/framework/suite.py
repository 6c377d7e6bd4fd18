"""Django's own tests of its Tasks framework, fetched from its source distribution and pointed at
our back end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

VERSION = "6.1.3"
"""The Django release whose tests are used, on every Django: 5.2 has none."""

SUBSTITUTIONS = (
    ("django.tasks.backends.dummy.DummyBackend", "tests.jobs.framework.backends.RecordingBackend"),
    (
        "django.tasks.backends.immediate.ImmediateBackend",
        "tests.jobs.framework.backends.EagerBackend",
    ),
    (
        "from django.tasks.backends.dummy import DummyBackend",
        "from tests.jobs.framework.backends import RecordingBackend as DummyBackend",
    ),
    (
        "from django.tasks.backends.immediate import ImmediateBackend",
        "from tests.jobs.framework.backends import EagerBackend as ImmediateBackend",
    ),
    # Ours has a database.
    ("SimpleTestCase", "TransactionTestCase"),
    ("import TransactionTestCase, TransactionTestCase", "import TransactionTestCase"),
    ("    available_apps = []\n", ""),
)
FOR_THE_BACKPORT = (
    (r"\bdjango\.tasks\b", "django_tasks"),
    (r"\bdjango\.utils\.json\b", "django_tasks.utils"),
    (r"\bInvalidTask\b", "InvalidTaskError"),
    (r"\bInvalidTaskBackend\b", "InvalidTaskBackendError"),
    (r"(from django_tasks)( import) Task, ", r"\1.base\2 Task\n\1\2 "),
    (r"does not support async Tasks\.", "does not support async tasks."),
)


def download(folder: Path) -> Path:
    """Fetch the source distribution and return its archive.

    Raises CalledProcessError where no package index answers.
    """
    found = folder / f"django-{VERSION}.tar.gz"
    if not found.exists():
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                "--ignore-requires-python", "--no-binary", ":all:", "--dest", str(folder),
                f"django=={VERSION}",
            ],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    return found


def adapt(archive: Path, folder: Path, *, backport: bool) -> None:
    """Write the package `tasks` of the archive's tests into `folder`, adapted."""
    inside = f"django-{VERSION}/tests/tasks"
    with tarfile.open(archive) as content:
        members = [member for member in content if member.name.startswith(f"{inside}/")]
        content.extractall(folder, members=members, filter="data")
    shutil.move(folder / inside, folder / "tasks")
    for file in (folder / "tasks").glob("*.py"):
        text = file.read_text()
        for old, new in SUBSTITUTIONS:
            text = text.replace(old, new)
        for pattern, new in FOR_THE_BACKPORT if backport else ():
            text = re.sub(pattern, new, text)
        file.write_text(text)
