from __future__ import annotations

import pytest

from jobs.schedules import Cron
from jobs.scheduling import declarations

EXPECTED = {
    "sync-model-pricing": "0 2 * * *",
    "analytics-daily": "0 1 * * *",
    "analytics-weekly": "0 3 * * 0",
    "analytics-monthly": "0 4 1 * *",
    "cost-uncosted-messages": "*/15 * * * *",
    "cleanup-old-conversations": "0 5 * * 6",
    "optimize-database": "0 6 * * 0",
    "health-check": "*/5 * * * *",
}


@pytest.mark.parametrize(("name", "rule"), EXPECTED.items())
def test_the_sites_upkeep_is_scheduled(name: str, rule: str) -> None:
    declared = declarations.find(name)

    assert declared is not None
    assert declared.rule == Cron(rule)
    assert declared.no_overlap
    assert declared.notes
