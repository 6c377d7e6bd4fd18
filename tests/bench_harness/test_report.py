"""The page of results is replaced between its markers, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.report import BEGIN, END, PAGE, section, write
from tests.bench.results import Results


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
