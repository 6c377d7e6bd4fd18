"""Fixtures for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.ledger import Ledger, ledger
from tests.jobs import sample_jobs


@pytest.fixture
def book(transactional_db: None) -> Ledger:
    """The ledger over the test's own connection, in autocommit."""
    return ledger()


@pytest.fixture
def calls() -> Iterator[list[object]]:
    """What the sample jobs did in this process."""
    sample_jobs.calls.clear()
    yield sample_jobs.calls
    sample_jobs.calls.clear()
