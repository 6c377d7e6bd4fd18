"""Whoever enqueues on the host of a cluster wakes its workers directly."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from typing import Any

from jobs.models import Job
from jobs.transports.database import EAGER_WAITS
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import ManageProcess
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


CALLER = """
import itertools, os
from tests.support.worksite import jobs
for number in itertools.count():
    jobs.record.enqueue(f"{os.getpid()}-{number}")
"""


def test_nothing_is_lost_or_run_twice_where_callers_and_workers_are_killed(site: Worksite) -> None:
    """Callers find workers that wait, and some of both die while a job is handed over."""
    cluster = site.start(pool={"processes": 3})
    chance = random.Random(7)
    for turn in range(12):
        with ManageProcess("shell", "-c", CALLER, environment=site.environment()) as caller:
            site.wait_for_word(f"{caller.pid}-0")
            time.sleep(chance.uniform(0.0, 0.1))
            if turn % 3 == 2:
                os.kill(chance.choice(cluster.workers()).pid, signal.SIGKILL)
            os.kill(caller.pid, signal.SIGKILL)
    site.wait_until_done()
    assert set(site.states()) == {"succeeded"}
    ran = Counter(site.written())
    rows = Job.objects.using(ALIAS)
    assert len(ran) == rows.count()
    crashed = set(rows.exclude(crashes=0).values_list("arguments__args__0", flat=True))
    assert {word for word, count in ran.items() if count > 1} <= crashed
