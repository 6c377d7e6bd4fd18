"""Fixtures for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.ledger import Ledger, ledger
from tests.jobs import sample_jobs
from tests.support.cluster import Worksite, worksite


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


@pytest.fixture
def site(database_url: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Worksite]:
    """A site with an empty database, on which clusters can be started."""
    with worksite(database_url, tmp_path, django_db_blocker.unblock) as found:
        yield found
