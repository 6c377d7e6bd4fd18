"""What a person who runs the site relies on: it stops as a whole, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, lives
from tests.support.waiting import wait_until

SUPERVISE = """
import sys
from datetime import timedelta
from jobsite.supervisor import Service, Supervisor
grace, *scripts = sys.argv[1:]
services = [Service(f"s{n}", [sys.executable, "-c", code]) for n, code in enumerate(scripts)]
supervisor = Supervisor(
    services,
    grace=timedelta(seconds=float(grace)),
    out=sys.stdout,
    on_ready=lambda: print("all is up", flush=True),
)
sys.exit(supervisor.run())
"""
STAYS = "import time; print('here', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"
WITH_CHILD = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('here', flush=True); time.sleep(600)"
)
LEAVES_ORPHAN = (
    "import subprocess, sys;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('here', flush=True); sys.exit(3)"
)


class Supervised:
    """A supervisor in a process of its own, with all the processes it was seen to have."""

    def __init__(self, *scripts: str, grace: float = 20) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix="jobsite-supervisor-")  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(grace), *scripts],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
        self._seen: set[psutil.Process] = set()

    def output(self) -> str:
        return Path(self._log.name).read_text()

    def wait_until_all_are_here(self, count: int) -> None:
        wait_until(lambda: self.output().count("here") == count, message=self.output)
        self.look()

    def look(self) -> None:
        self._seen.update(psutil.Process(self.process.pid).children(recursive=True))

    def service(self, number: int) -> psutil.Process:
        return sorted(psutil.Process(self.process.pid).children(), key=lambda p: p.pid)[number]

    def nothing_is_left(self) -> bool:
        return not [process for process in self._seen if lives(process)]

    def end(self) -> None:
        for process in [*self._seen]:
            if process.is_running():
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.fixture
def supervise() -> Iterator[type[Supervised]]:
    made: list[Supervised] = []

    class Recorded(Supervised):
        def __init__(self, *scripts: str, grace: float = 20) -> None:
            super().__init__(*scripts, grace=grace)
            made.append(self)

    yield Recorded
    for supervised in made:
        supervised.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_service_and_is_a_success(
    supervise: type[Supervised], number: signal.Signals
) -> None:
    site = supervise(STAYS, WITH_CHILD)
    site.wait_until_all_are_here(2)
    site.process.send_signal(number)
    assert site.process.wait(timeout=10) == 0
    assert site.nothing_is_left()


def test_a_service_that_ends_by_itself_takes_the_others_along_and_is_a_failure(
    supervise: type[Supervised],
) -> None:
    site = supervise(STAYS, STAYS)
    site.wait_until_all_are_here(2)
    site.service(1).kill()
    assert site.process.wait(timeout=10) == 1
    assert "s1 has ended with signal 9" in site.output()
    assert site.nothing_is_left()


def test_a_failed_start_names_the_service_and_its_exit_code(supervise: type[Supervised]) -> None:
    site = supervise(STAYS, "import sys; print('no such database'); sys.exit(7)")
    assert site.process.wait(timeout=10) == 1
    assert "s1   | no such database" in site.output()
    assert "s1 has ended with exit code 7" in site.output()


def test_what_a_dead_service_has_started_is_ended_too(supervise: type[Supervised]) -> None:
    site = supervise(LEAVES_ORPHAN, grace=5)
    assert site.process.wait(timeout=15) == 1
    sleepers = [p for p in psutil.process_iter(["ppid"]) if p.info["ppid"] == site.process.pid]
    assert sleepers == []


def test_a_service_that_does_not_stop_within_the_grace_is_killed(
    supervise: type[Supervised],
) -> None:
    site = supervise(DEAF, STAYS, grace=0.3)
    site.wait_until_all_are_here(2)
    site.process.terminate()
    assert site.process.wait(timeout=10) == 0
    assert "s0 did not stop in time and is killed" in site.output()
    assert "s1 did not stop" not in site.output()
    assert site.nothing_is_left()


def test_a_second_ctrl_c_does_not_wait_for_the_grace(supervise: type[Supervised]) -> None:
    site = supervise(DEAF, grace=600)
    site.wait_until_all_are_here(1)
    site.process.send_signal(signal.SIGINT)
    wait_until(lambda: "once more" in site.output(), message=site.output)
    site.process.send_signal(signal.SIGINT)
    assert site.process.wait(timeout=10) == 0
    assert site.nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_services_end_even_when_the_supervisor_itself_is_killed(
    supervise: type[Supervised],
) -> None:
    site = supervise(STAYS, STAYS)
    site.wait_until_all_are_here(2)
    site.process.kill()
    site.process.wait(timeout=10)
    wait_until(site.nothing_is_left, message="a service outlived its supervisor")


def test_the_end_of_whoever_reads_the_output_stops_the_services() -> None:
    read, write = os.pipe()
    chatty = "import time\nwhile True:\n    print('here', flush=True); time.sleep(0.05)"
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, "20", chatty],
        stdout=write,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(write)
    assert os.read(read, 10)
    children = psutil.Process(process.pid).children(recursive=True)
    os.close(read)
    process.wait(timeout=10)
    assert [child for child in children if lives(child)] == []


def test_every_line_carries_the_name_of_its_service(supervise: type[Supervised]) -> None:
    site = supervise("print('one'); print('two'); import time; time.sleep(600)", STAYS)
    site.wait_until_all_are_here(1)
    wait_until(lambda: "s0   | two" in site.output(), message=site.output)
    assert "s0   | one" in site.output()
    assert "s1   | here" in site.output()
    assert "all is up" in site.output()
