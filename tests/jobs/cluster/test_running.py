"""A cluster runs jobs."""

from __future__ import annotations

from tests.support.cluster import Worksite
from tests.support.worksite import jobs


def test_a_job_that_was_enqueued_before_the_cluster_started_is_run(site: Worksite) -> None:
    job_id = jobs.add.enqueue(2, 3).id
    site.start()
    assert site.wait_for_state(job_id, "succeeded").result == 5
