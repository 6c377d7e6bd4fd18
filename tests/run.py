"""`python -m tests.run [pytest arguments]`: every pass that `make test` consists of.

1. All tests on SQLite.
2. On PostgreSQL those of the engine, and those marked `both_databases` or `postgresql`.
3. Those of the engine that use a database on Python 3.13 with the newest Django, where that Python
   can be had.

The second and the third run beside the first, as much of what tests do is to wait; what they print
is shown when the first is over.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tests.support.plugin import on_ci
from tests.support.programs import ProgramMissing, postgres_bin

ROOT = Path(__file__).resolve().parent.parent
NEWEST = ROOT / ".venv-313"
OWN_SUITE = "tests/jobs/django_q2/test_own_suite.py"
"""django-q2's tests of itself: long, and run on the first pass."""
FEW = 5
"""More failed tests than this are no chance."""


def main(arguments: list[str]) -> int:
    """Run the passes; 0 if all have passed."""
    with tempfile.TemporaryFile("w+") as told, ThreadPoolExecutor(1) as beside:
        others = beside.submit(_other_passes, arguments, told)
        sqlite = [sys.executable, "--database=sqlite", "-m", "not postgresql"]
        outcomes = {"SQLite": run_pass("SQLite", sqlite, arguments)}
        outcomes |= others.result()
        told.seek(0)
        shutil.copyfileobj(told, sys.stdout)
    print("\n".join(f"== {name}: {outcome}" for name, outcome in outcomes.items()))
    return int(any(outcome.startswith("FAILED") for outcome in outcomes.values()))


def _other_passes(arguments: list[str], output: IO[str]) -> dict[str, str]:
    """Those beside the first, one after the other."""
    outcomes = {}
    try:
        postgres_bin()
    except ProgramMissing as missing:
        outcomes["PostgreSQL"] = left_out(str(missing))
    else:
        marks = "both_databases or postgresql"
        command = [sys.executable, "--database=postgresql", "-m", marks]
        outcomes["PostgreSQL"] = run_pass("PostgreSQL", command, arguments, output)
    name = "Python 3.13, newest Django"
    if newest := newest_python(output):
        chosen = [argument for argument in arguments if argument.startswith("tests")]
        scope = [] if chosen else ["tests/jobs", f"--ignore={OWN_SUITE}"]
        command = [newest, "--database=sqlite", "-m", "both_databases", *scope]
        outcomes[name] = run_pass(name, command, arguments, output)
    elif sys.version_info[:2] != (3, 13):
        outcomes[name] = left_out("Python 3.13 is not on this machine", required=False)
    return outcomes


def left_out(reason: str, *, required: bool = True) -> str:
    """The outcome of a pass that cannot run here; a failure on a CI machine if it is required."""
    return f"FAILED ({reason})" if required and on_ci() else f"left out ({reason})"


def run_pass(
    name: str, command: list[str], arguments: list[str], output: IO[str] | None = None
) -> str:
    """Run pytest once, with its output to where it belongs, and return the outcome in words.

    Tests that kill real processes on a machine that does other things too may meet a moment that
    nobody has thought of. A few that failed are run again, alone; that they passed only then is
    said, and is a reason to look at them. What is broken fails twice.
    """
    print(f"== {name}", file=output, flush=True)
    python, *options = command
    # Of its own, so that "last failed" is of this pass.
    cache = f"cache_dir=.pytest_cache/{name.split()[0].rstrip(',').lower()}"
    pytest = [python, "-m", "pytest", "-q", "-o", cache, *options]
    started = time.monotonic()
    code = _run([*pytest, *arguments], output)
    again = ""
    failed = _last_failed(cache)
    if code == 1 and 0 < len(failed) <= FEW:
        print(f"== {name}, once more: {', '.join(failed)}", file=output, flush=True)
        once_more = ["--last-failed", "--last-failed-no-failures=none"]
        code = _run([*pytest, *once_more, *arguments], output)
        again = f", {len(failed)} of the tests only at the second try: {', '.join(failed)}"
    took = f"{time.monotonic() - started:.0f} s"
    if code == 5:
        return f"no test was chosen ({took})"
    return f"passed ({took}{again})" if code == 0 else f"FAILED ({took})"


def _run(command: list[str], output: IO[str] | None) -> int:
    return subprocess.run(
        command, cwd=ROOT, check=False, stdout=output, stderr=output and subprocess.STDOUT
    ).returncode


def _last_failed(cache: str) -> list[str]:
    """The tests that failed in the last run of this pass."""
    file = ROOT / cache.partition("=")[2] / "v" / "cache" / "lastfailed"
    return list(json.loads(file.read_text())) if file.exists() else []


def newest_python(output: IO[str] | None = None) -> str | None:
    """The Python 3.13 of `.venv-313`, made now if need be; None where no 3.13 can be had."""
    if sys.version_info[:2] == (3, 13):
        return None
    python = NEWEST / "bin" / "python"
    stamp = NEWEST / "installed.stamp"
    wanted = (ROOT / "pyproject.toml").stat().st_mtime
    if stamp.exists() and stamp.stat().st_mtime >= wanted:
        return str(python)
    candidates = ["python3.13", *sorted(map(str, _pyenv_versions()), reverse=True)]
    for candidate in candidates:
        if _is_313(candidate):
            make = [str(ROOT / ".ci" / "venv"), str(NEWEST), candidate]
            subprocess.run(
                make, cwd=ROOT, check=True, stdout=output, stderr=output and subprocess.STDOUT
            )
            return str(python)
    return None


def _pyenv_versions() -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return list(root.glob("versions/3.13*/bin/python"))


def _is_313(python: str) -> bool:
    question = "import sys; sys.exit(sys.version_info[:2] != (3, 13))"
    try:
        answer = subprocess.run([python, "-c", question], capture_output=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
