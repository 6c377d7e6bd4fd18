"""Long work on real workers that are stopped, and killed."""

from __future__ import annotations

import os
import signal
from collections import Counter

from tests.support.cluster import Worksite
from tests.support.worksite import jobs

WORDS = [f"word{number:03}" for number in range(60)]


def test_a_deploy_interrupts_long_work_which_goes_on_at_the_next_start(site: Worksite) -> None:
    job_id = jobs.walk.enqueue(WORDS, 0.02).id
    for _ in range(2):
        written = len(site.written())
        cluster = site.start()
        site.wait_for_word(WORDS[written + 5])
        assert cluster.stop() == 0
    site.start()
    job = site.wait_for_state(job_id, "succeeded")
    assert site.written() == WORDS
    assert job.attempts == 1
    assert [outcome for outcome, _ in site.attempts(job_id)] == [
        "interrupted",
        "interrupted",
        "succeeded",
    ]


def test_after_a_crash_no_more_than_the_last_second_is_done_again(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.walk.enqueue(WORDS, 0.05).id
    # After more than a second: then something is kept.
    site.wait_for_word(WORDS[35])
    os.kill(cluster.workers()[0].pid, signal.SIGKILL)
    job = site.wait_for_state(job_id, "succeeded")
    assert job.crashes == 1
    written = Counter(site.written())
    assert list(written) == WORDS
    again = [word for word, count in written.items() if count > 1]
    assert 0 < len(again) <= 25
    assert set(again).isdisjoint(WORDS[:10])
