"""`python -m tests.bench.report`: puts the newest results into docs/performance.md.

Whatever stands between the two markers is replaced; the plot goes to docs/images/performance.svg.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import results, table
from tests.bench.results import Row
from tests.bench.targets import standings
from tests.bench.workers import ROOT

BEGIN = "<!-- results: written by python -m tests.bench.report -->"
END = "<!-- end of results -->"
PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "build" / "bench"
PLOT = ROOT / "docs" / "images" / "performance.svg"


def main() -> int:
    try:
        rows = results.read(FOLDER / "results.json")
    except FileNotFoundError:
        print("There are no results yet: run `make bench` first.", file=sys.stderr)
        return 1
    if any(row.machine.get("quick") for row in rows):
        print("These results are of a quick run, which is for trying things out.", file=sys.stderr)
        return 1
    drawn = FOLDER / "results.svg"
    if drawn.exists():
        shutil.copyfile(drawn, PLOT)
    write(PAGE, section(rows, with_plot=drawn.exists()))
    return 0


def section(rows: Sequence[Row], *, with_plot: bool) -> list[str]:
    """What the page says of a benchmark."""
    machine = next((row.machine for row in rows if row.machine), {})
    told = [_machine(machine), "", *table.markdown(rows)]
    if reasons := table.reasons(rows):
        told += ["", "Runs that do not count:", "", *(f"- {reason}" for reason in reasons)]
    told += ["", "The targets, in this run:", "", "```text", *map(str, standings(rows)), "```"]
    if with_plot:
        told += ["", "![The results as bars](images/performance.svg)"]
    return [*told, "", "What each system keeps and promises:", "", *table.guarantees(rows)]


def write(page: Path, lines: Sequence[str]) -> None:
    """Replace what stands between the markers. Raises ValueError where one is missing."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: the markers {BEGIN!r} and {END!r} must both be there")
    page.write_text("\n".join([before + begin, "", *lines, "", end + after]))


def _machine(machine: dict[str, object]) -> str:
    return (
        f"{machine.get('cores')} cores of {machine.get('processor')}, Python "
        f"{machine.get('python')}, PostgreSQL {machine.get('postgresql')} with fsync on, Redis "
        f"{machine.get('redis')}. Medians of all rounds; ± is half of the way from the lowest "
        "round to the highest."
    )


if __name__ == "__main__":
    sys.exit(main())
