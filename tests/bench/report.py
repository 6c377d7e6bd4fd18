"""`python -m tests.bench.report`: puts the newest full results into docs/performance.md.

Whatever stands between the two markers is replaced; the plots go to docs/images. A newer soak that
is no full run has its own place, and goes in below.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import output, results, table
from tests.bench.options import FOLDER
from tests.bench.results import Row
from tests.bench.soak.points import cells, points_of
from tests.bench.targets import SOAK_TARGETS, standings
from tests.bench.workers import ROOT

BEGIN = "<!-- results: written by python -m tests.bench.report -->"
END = "<!-- end of results -->"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "images" / "performance.svg"
SOAK_PLOT = ROOT / "docs" / "images" / "soak.svg"


def main() -> int:
    full, soak = FOLDER / output.FULL, FOLDER / output.SOAK
    try:
        rows = results.read(full / output.RESULTS)
    except FileNotFoundError:
        print("There are no full results yet: run `make bench` first.", file=sys.stderr)
        return 1
    told = section(rows, with_plot=_copied(full / output.PLOT, PLOT))
    try:
        soaked = results.read(soak / output.RESULTS)
    except FileNotFoundError:
        print("There is no soak to report: `make bench MEASURES=soak` runs one.", file=sys.stderr)
    else:
        drawn = _copied(soak / output.SOAK_PLOT, SOAK_PLOT)
        told += ["", *soak_section(soaked, with_plot=drawn)]
    write(PAGE, told)
    return 0


def _copied(drawn: Path, to: Path) -> bool:
    if drawn.exists():
        shutil.copyfile(drawn, to)
    return drawn.exists()


def section(rows: Sequence[Row], *, with_plot: bool) -> list[str]:
    """What the page says of a benchmark."""
    machine = next((row.machine for row in rows if row.machine), {})
    told = [_machine(machine), "", *table.markdown(rows)]
    if reasons := table.reasons(rows):
        told += ["", "Runs that do not count:", "", *(f"- {reason}" for reason in reasons)]
    if extra := table.extra(rows):
        told += ["", "Of Jobsite alone:", "", *(f"- {line}" for line in extra)]
    told += ["", "The targets, in this run:", "", "```text", *map(str, standings(rows)), "```"]
    if with_plot:
        told += ["", "![The results as bars](images/performance.svg)"]
    return [*told, "", "What each system keeps and promises:", "", *table.guarantees(rows)]


def soak_section(rows: Sequence[Row], *, with_plot: bool) -> list[str]:
    """What the page says of a soak."""
    points = points_of(rows)
    noted = next((row.notes for row in rows if row.measure == "soak_ratio"), {})
    told = [
        f"A soak of {noted.get('minutes'):g} minutes at {noted.get('load'):,} jobs/s; succeeded "
        f"jobs were kept for {noted.get('kept_s'):g} s:",
        "",
        *table.grid(cells(points)),
        "",
        "```text",
        *map(str, standings(rows, SOAK_TARGETS)),
        "```",
    ]
    if with_plot:
        told += ["", "![Rate, size and memory over the soak](images/soak.svg)"]
    return told


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
