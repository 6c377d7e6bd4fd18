"""The page on configuration has every setting, pool option and check."""

from __future__ import annotations

import dataclasses
import re

import pytest

from jobs.conf import Pool, Settings
from tests.support.markdown import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROWS = set(re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE))
NOT_SET = {"QUEUES"}
"""Attributes that follow from other settings."""


def first_cells() -> set[str]:
    return {name for cell in ROWS for name in re.findall(r"`([^`]+)`", cell)}


def test_every_setting_has_its_row() -> None:
    settings = {f"JOBS_{name}" for name in vars(Settings) if name.isupper() and name not in NOT_SET}
    assert {name for name in first_cells() if name.startswith("JOBS_")} >= settings


def test_every_option_of_a_pool_has_its_row() -> None:
    options = {field.name for field in dataclasses.fields(Pool)} - {"name"}
    assert first_cells() >= options


def test_every_kind_of_row_that_retention_removes_has_its_row() -> None:
    assert first_cells() >= Settings().RETENTION.keys()


@pytest.mark.parametrize("app", ["jobs", "jobsite"])
def test_every_system_check_has_its_row(app: str) -> None:
    code = "".join(file.read_text() for file in (ROOT / app).rglob("checks.py"))
    ids = set(re.findall(rf'id="({app}\.[EW]\d+)"', code))
    assert ids
    assert {name for name in first_cells() if name.startswith(f"{app}.")} == ids


def test_every_option_of_a_definition_has_its_row_among_the_options() -> None:
    from jobs import JobDefinition

    page = (ROOT / "docs" / "writing-jobs.md").read_text()
    told = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    options = {field.name for field in dataclasses.fields(JobDefinition)}
    assert told >= options - {"func", "backend", "declared"}


def test_every_event_has_its_row() -> None:
    from django.dispatch import Signal

    from jobs import events

    page = (ROOT / "docs" / "reference" / "events.md").read_text()
    told = set(re.findall(r"^\| `(job_\w+)` \|", page, re.MULTILINE))
    assert told == {name for name, value in vars(events).items() if isinstance(value, Signal)}
