"""Limits hold over real workers, whoever of them dies."""

from __future__ import annotations

import os
import signal

from jobs.models import Attempt, Job, LimitSlot, LimitWait
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def test_jobs_that_must_run_alone_do_not_overlap(site: Worksite) -> None:
    jobs.alone.enqueue_many([(f"job{number}", 0.02) for number in range(10)])
    site.start(pool={"processes": 2})
    site.wait_until_done()
    words = site.written()
    assert len(words) == 20
    for begin, end in zip(words[::2], words[1::2], strict=True):
        assert begin.removesuffix("-begins") == end.removesuffix("-ends")
    assert not LimitSlot.objects.using(ALIAS).exists()
    assert not LimitWait.objects.using(ALIAS).exists()
    # Whoever has waited has spent no attempt.
    assert set(Job.objects.using(ALIAS).values_list("attempts", flat=True)) == {1}
    assert Attempt.objects.using(ALIAS).count() == 10


def test_the_place_of_a_killed_worker_goes_to_who_waits(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2})
    held = jobs.alone.enqueue("first", 60)
    site.wait_for_word("first-begins")
    waiting = jobs.alone.enqueue("second")
    site.wait_for_state(waiting.id, "blocked")
    Job.objects.using(ALIAS).filter(pk=held.id).update(cancel_requested=True)
    worker = next(one for one in cluster.workers() if one.pk == site.job(held.id).worker_id)
    os.kill(worker.pid, signal.SIGKILL)
    site.wait_for_state(waiting.id, "succeeded")
    site.wait_for_state(held.id, "cancelled")
    wait_until(lambda: not LimitSlot.objects.using(ALIAS).exists(), message=site.report)


def test_starts_keep_their_pace(site: Worksite) -> None:
    jobs.paced.enqueue_many(range(15))
    site.start(pool={"processes": 2})
    site.wait_until_done()
    starts = sorted(Job.objects.using(ALIAS).values_list("result", flat=True))
    # Fourteen gaps of 0.1 s, kept by the database's clock: a start may come late, the next not
    # for that.
    assert starts[-1] - starts[0] > 1.2
    assert starts[-1] - starts[0] < 10
