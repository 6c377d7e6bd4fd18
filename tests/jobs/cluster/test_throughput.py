"""Many short jobs: none lost, none twice; and what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from jobs.models import Attempt, Job
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


@pytest.mark.postgresql
def test_twenty_thousand_jobs_each_run_once(
    site: Worksite, record_property: Callable[[str, object], None]
) -> None:
    ids = jobs.noop.enqueue_many([{"number": number} for number in range(20_000)])
    started = time.monotonic()
    site.start(pool={"processes": 2, "max_jobs": None})
    waiting = Job.objects.using(ALIAS).filter(state__in=("ready", "running"))
    wait_until(lambda: not waiting.exists(), timeout=180, interval=0.5, message=site.report)
    seconds = time.monotonic() - started
    record_property("jobs_per_second", round(len(ids) / seconds))
    assert site.states() == {"succeeded": 20_000}
    attempts = Attempt.objects.using(ALIAS)
    assert attempts.count() == 20_000
    assert not attempts.exclude(outcome="succeeded").exists()
    # Unique by job and fence: so many attempts, all first ones, means that none ran twice.
    assert not attempts.exclude(number=1).exists()
