"""One run: one measure of one system, in a process of its own. Started by `tests.bench`."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from tests.bench import systems
from tests.bench.contract import Place
from tests.bench.measures import RunFailed, take


def main(arguments: list[str]) -> int:
    """Write what came of the run, whatever it was, as JSON to the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run_one")
    parser.add_argument("system")
    parser.add_argument("measure")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    given = parser.parse_args(arguments)
    answer = _answer(given.system, given.measure, given.jobs, given.deadline)
    given.answer.write_text(json.dumps(answer))
    return 0


def _answer(name: str, measure: str, jobs: int, deadline: float) -> dict[str, Any]:
    try:
        system = systems.find(name)
        versions = system.versions()
    except (ImportError, PackageNotFoundError) as missing:
        return {"reason": f"not installed here: {missing}"}
    try:
        taken = take(system(Place.of_environment()), measure, jobs, deadline)
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
