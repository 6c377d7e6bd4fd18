"""Fixtures for the tests of the test kit: its own, as every project has them, and what ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.testing.pytest_plugin import drain_jobs, fake_jobs, frozen_jobs_clock
from tests.jobs.testing import kit_jobs

__all__ = ["drain_jobs", "fake_jobs", "frozen_jobs_clock"]


@pytest.fixture
def ran() -> Iterator[list[Any]]:
    """What the jobs of `kit_jobs` did in this process."""
    kit_jobs.ran.clear()
    yield kit_jobs.ran
    kit_jobs.ran.clear()
