"""Fixtures for the tests of schedules."""

from __future__ import annotations

import pytest

from jobs.scheduling import declarations


@pytest.fixture
def no_declarations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the site declares is out of the way; what the test declares is gone after it."""
    monkeypatch.setattr(declarations, "_declarations", {})
