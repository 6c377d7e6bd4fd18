"""Whoever enqueues on the host of a cluster wakes its workers directly."""

from __future__ import annotations

import time
from typing import Any

from jobs.transports.database import EAGER_WAITS
from tests.support.cluster import Worksite
from tests.support.worksite import jobs


def test_an_idle_worker_is_woken_by_who_enqueues_on_its_host(site: Worksite, settings: Any) -> None:
    """Nothing else would wake it for a minute."""
    settings.JOBS_JOURNAL_DIR = str(site.folder / "journals")
    site.start(POLL_INTERVAL=60, LISTEN_POLL=60)
    # After its first looks the worker sleeps long.
    jobs.record.enqueue("first")
    site.wait_for_word("first")
    for number in range(5):
        # Longer than its short looks after work last: now it sleeps.
        time.sleep(2 * sum(EAGER_WAITS))
        began = time.monotonic()
        jobs.record.enqueue(f"word{number}")
        site.wait_for_word(f"word{number}")
        assert time.monotonic() - began < 10
