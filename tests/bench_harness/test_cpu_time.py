"""Processor time that is too short for ticks is seen."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.bench.cpu_time import cpu_seconds
from tests.support.waiting import wait_until

WAKES = "import time\nwhile True:\n    time.sleep(0.002)\n    sum(range(1000))\n"


def test_what_a_process_spends_in_short_wakes_adds_up() -> None:
    with subprocess.Popen([sys.executable, "-c", WAKES]) as program:
        try:
            process = psutil.Process(program.pid)
            before = cpu_seconds([process])
            wait_until(lambda: cpu_seconds([process]) - before > 0.01)
            assert cpu_seconds([process]) < process.cpu_times().user + 5
        finally:
            program.kill()


def test_a_process_that_has_ended_spends_nothing() -> None:
    program = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(program.pid)
    program.wait()
    assert cpu_seconds([process]) == 0
