"""One run in a process of its own, which leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.contract import Place
from tests.bench.leash import leashed
from tests.bench.plan import Size
from tests.bench.workers import ROOT

SPARE = 1800.0
"""Seconds beyond its deadline for what a run does before it measures: filling a ledger."""
GRACE = 30.0
"""Seconds in which a run that is told to end stops its workers."""


def run(place: Place, system: str, measure: str, size: Size, log: Path) -> dict[str, Any]:
    """What `tests.bench.run_one` answers, or the reason why it does not.

    The output of the run and of its workers goes to the log. A KeyboardInterrupt ends the run
    before it goes on.
    """
    answer = place.folder / "answer.json"
    command = [
        *(sys.executable, "-m", "tests.bench.run_one", system, measure),
        *(f"--size={json.dumps(asdict(size))}", f"--answer={answer}"),
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        program = subprocess.Popen(
            leashed(command),
            env={**os.environ, **place.environment()},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for us, who tell it in a way that lets it stop its workers.
            start_new_session=True,
        )
    ended = f"the run ended without an answer: {log}"
    try:
        program.wait(size.deadline + SPARE)
    except subprocess.TimeoutExpired:
        ended = f"the run had not ended after {size.deadline + SPARE:,.0f} s: {log}"
    finally:
        _end(program)
        _append(place.folder / "workers.log", log)
    if not answer.exists():
        return {"reason": ended, "jobs": size.jobs}
    found: dict[str, Any] = json.loads(answer.read_text())
    return {"jobs": size.jobs, **found, "seconds": round(time.monotonic() - began, 1)}


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is not None:
        return
    program.send_signal(signal.SIGTERM)
    try:
        program.wait(GRACE)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _append(source: Path, log: Path) -> None:
    if source.exists():
        with log.open("ab") as output:
            output.write(source.read_bytes())
