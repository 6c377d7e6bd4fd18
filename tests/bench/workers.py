"""Workers: the processes of the system under test, their memory, and their end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.bench import tally
from tests.bench.leash import leashed

ROOT = Path(__file__).resolve().parents[2]
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
GRACE = 10.0
"""Seconds for which a system may shut down in good order; that is not what is measured."""


class Workers:
    """Programs that run beside the measurement, with everything that they start."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._environment = environment
        self._programs: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **environment: str) -> None:
        """Start a program of Python: `start("-m", "celery", ...)`; output goes to the log."""
        with self._log.open("ab") as log:
            self._programs.append(
                subprocess.Popen(
                    leashed([sys.executable, *command]),
                    env={**os.environ, **self._environment, **environment},
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def ended(self) -> str | None:
        """What is known of a program that has ended by itself, if one has."""
        for program in self._programs:
            if program.poll() is not None:
                return f"a worker ended with exit code {program.returncode}:\n{self.output()}"
        return None

    def output(self) -> str:
        """The end of what the programs have written."""
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""

    def tree(self) -> list[psutil.Process]:
        """All living processes."""
        found: list[psutil.Process] = []
        for program in self._programs:
            try:
                root = psutil.Process(program.pid)
                found += [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found

    def pss(self) -> int:
        """Bytes of memory of all processes, shared pages divided among those that share them."""
        return sum(pss_of(process.pid) for process in self.tree())

    def stop(self) -> None:
        """End everything, kindly at first."""
        tree = self.tree()
        for program in self._programs:
            if program.poll() is None:
                program.send_signal(signal.SIGTERM)
        psutil.wait_procs(tree, timeout=GRACE)
        for process in tree:
            if process.is_running():
                process.kill()
        for program in self._programs:
            program.wait()
        self._programs.clear()


def pss_of(pid: int) -> int:
    """The proportional set size of a process in bytes, without the tally, which is not its own; 0
    if it has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/smaps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    total, counts = 0, True
    for line in text.splitlines():
        if _MAPPING.match(line):
            counts = not line.endswith(tally.SUFFIX)
        elif counts and line.startswith("Pss:"):
            total += int(line.split()[1])
    return total * 1024
