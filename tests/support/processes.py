"""Starts the site's commands as processes of their own, and sees that none stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def site_environment(database_url: str, **more: str) -> dict[str, str]:
    """The environment of a process that runs the site on the given database.

    `more` sets further knobs (`JOBS_WORKERS="1"`). The folder for state is the test run's own.
    """
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "jobsite.settings",
        "DATABASE_URL": database_url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def run_manage(
    *arguments: str, environment: dict[str, str], timeout: float = 120, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one management command to its end; its output is text."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=check,
    )


class ManageProcess:
    """A management command running beside the test, in a session of its own.

    Used as a context manager, which ends it and everything it has started.
    """

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str],
        python: str = sys.executable,
        root: Path = ROOT,
    ) -> None:
        self._output = tempfile.NamedTemporaryFile(prefix="jobsite-")  # noqa: SIM115 - closed by __exit__
        self._seen: dict[int, psutil.Process] = {}
        self.process = subprocess.Popen(
            [python, str(root / "manage.py"), *arguments],
            env=environment,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """All that it has written so far, both streams."""
        return Path(self._output.name).read_text(errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """The living processes that it has started, and those that these have started."""
        try:
            found = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self._seen.update((process.pid, process) for process in found)
        return [process for process in self._seen.values() if lives(process)]

    def wait_for_output(self, text: str, *, timeout: float = 30) -> None:
        """Return when `text` was written; raise `AssertionError` with the output otherwise."""
        wait_until(
            lambda: text in self.output() or self.process.poll() is not None,
            timeout=timeout,
            message=lambda: f"{text!r} was not written:\n{self.output()}",
        )
        assert text in self.output(), f"it ended without writing {text!r}:\n{self.output()}"

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 30) -> int:
        """Send a signal and return the exit code."""
        self.descendants()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            for process in self.descendants():
                process.kill()
            self._output.close()


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and waits for its parent to notice does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
