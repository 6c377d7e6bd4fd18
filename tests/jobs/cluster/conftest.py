"""Fixtures for tests that run real clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Worksite, worksite


@pytest.fixture
def site(database_url: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Worksite]:
    """A site with an empty database, on which clusters can be started."""
    with worksite(database_url, tmp_path, django_db_blocker.unblock) as found:
        yield found
