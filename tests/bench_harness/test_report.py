"""The page of results is replaced between its markers, and nowhere else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench.report import BEGIN, END, PAGE, section, soak_section, write
from tests.bench.results import Results
from tests.bench.soak.points import Point


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\n{END}\n\nAfter.\n")

    write(page, ["first"])
    write(page, ["second"])

    assert page.read_text() == f"# Before\n\n{BEGIN}\n\nsecond\n\n{END}\n\nAfter.\n"


def test_a_page_without_markers_is_refused_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n{BEGIN}\n")

    with pytest.raises(ValueError, match="must both be there"):
        write(page, ["lost"])

    assert page.read_text() == f"# Page\n{BEGIN}\n"


def test_the_page_has_its_markers() -> None:
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def test_the_section_names_machine_figures_targets_and_guarantees() -> None:
    found = Results({"cores": 2, "processor": "a processor", "python": "3.13.0"})
    found.describe(
        "jobsite", {"title": "Jobsite", "records": "rows", "guarantees": "at least once"}
    )
    found.add("jobsite", "drain", {"figures": {"drain": [5000.0, "jobs/s"]}, "jobs": 40_000})

    text = "\n".join(section(found.rows(), with_plot=False))

    assert "2 cores of a processor" in text
    assert "| Jobsite | 5,000 |" in text
    assert "| Jobsite | rows | at least once |" in text
    assert "10 times celery" in text


def test_the_section_of_a_soak_has_its_points_and_its_target() -> None:
    point = Point(
        minute=3.0, rate=9000.0, backlog=4, wait_p50_ms=2.5, wait_p99_ms=9.0, enqueued=600_000,
        rows=400_000, dead_rows=9, tables_mb=70.0, indexes_mb=30.0, vacuums=2, pss_mb=99.0,
    )  # fmt: skip
    found = Results({})
    figures = {"soak_ratio": [0.97, ""], "soak_first": [9000.0, ""], "soak_last": [8800.0, ""]}
    notes = {"minutes": 30.0, "load": 3000, "kept_s": 120.0, "points": [asdict(point)]}
    found.add("jobsite", "soak", {"figures": figures, "jobs": 6_000_000, "notes": notes})

    text = "\n".join(soak_section(found.rows(), with_plot=True))

    assert "A soak of 30 minutes at 3,000 jobs/s; succeeded jobs were kept for 120 s" in text
    assert "| 3.0 | 9,000 | 4 | 2.5 | 9.0 | 600,000 |" in text
    assert "0.97  reached" in text
    assert "images/soak.svg" in text
