from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conversations.calls.record import RecordedCall
from conversations.costs import cost_messages
from conversations.importing.storing import ImportReport, store_calls

Store = Callable[..., ImportReport]


@pytest.fixture(autouse=True)
def archive_folder(settings: Any, tmp_path: Path) -> Path:
    settings.ARCHIVE_ROOT = tmp_path / "archive"
    return tmp_path / "archive"


@pytest.fixture
def store(db: None) -> Store:
    """Stores calls as an import does, and costs them unless told otherwise."""

    def stored(
        calls: Sequence[RecordedCall], *, user_id: int | None = None, costed: bool = True
    ) -> ImportReport:
        report = ImportReport()
        store_calls(calls, report, user_id)
        if costed:
            cost_messages(report.uncosted)
        return report

    return stored
