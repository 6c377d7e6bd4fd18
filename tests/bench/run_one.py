"""One run: one measure of one system, in a process of its own. Started by `tests.bench`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import traceback
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench import systems
from tests.bench.contract import Place
from tests.bench.measures import RunFailed, take
from tests.bench.plan import Size


def main(arguments: list[str]) -> int:
    """Write what came of the run, whatever it was, as JSON to the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run_one")
    parser.add_argument("system")
    parser.add_argument("measure")
    parser.add_argument("--size", type=_size, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    given = parser.parse_args(arguments)
    # Told to end, it still stops its workers.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        answer = _answer(given.system, given.measure, given.size)
    except KeyboardInterrupt:
        return 130
    given.answer.write_text(json.dumps(answer))
    return 0


def _size(text: str) -> Size:
    return Size(**json.loads(text))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answer(name: str, measure: str, size: Size) -> dict[str, Any]:
    try:
        system = systems.find(name)
        versions = system.versions()
    except (ImportError, PackageNotFoundError) as missing:
        return {"reason": f"not installed here: {missing}"}
    except Exception as error:
        traceback.print_exc()
        return {"reason": f"cannot be loaded here: {type(error).__name__}: {error}"}
    try:
        taken = take(system(Place.of_environment()), measure, size)
    except RunFailed as failed:
        return {"reason": str(failed), "versions": versions}
    except Exception as error:
        traceback.print_exc()
        return {"reason": f"{type(error).__name__}: {error}", "versions": versions}
    return {
        "figures": taken.figures,
        "jobs": taken.jobs,
        "notes": taken.notes,
        "versions": versions,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
