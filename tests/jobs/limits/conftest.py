"""Fixtures for the tests of limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.execution import admission
from tests.jobs.limits import limited_jobs


@pytest.fixture
def ran(transactional_db: None) -> Iterator[list[Any]]:
    """What the limited jobs did in this process."""
    limited_jobs.ran.clear()
    admission._rows.clear()
    yield limited_jobs.ran
    admission._rows.clear()
    limited_jobs.ran.clear()
