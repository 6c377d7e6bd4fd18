"""No job holds its worker for ever, or takes the host with it."""

from __future__ import annotations

import time

from jobs.models import FailedJob, Worker
from tests.support.cluster import ALIAS, Worksite, lives
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def test_a_job_that_hangs_in_c_is_killed_shortly_after_its_timeout(site: Worksite) -> None:
    cluster = site.start()
    (former,) = cluster.workers()
    job_id = jobs.hang_in_c.enqueue().id
    job = site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("timed_out", "timed out")]
    assert (job.exceptions, job.crashes) == (1, 0)
    # Its timeout of 0.3 s, the grace of 0.5 s, and a look every 0.1 s.
    assert job.run_time is not None
    assert 0.8 <= job.run_time.total_seconds() < 1.5
    assert FailedJob.objects.using(ALIAS).get(job_id=job_id).reason == "timed_out"
    assert not lives(former.pid)
    assert site.wait_for_state(jobs.add.enqueue(1, 1).id, "succeeded").result == 2


def test_a_job_that_swallows_the_timeout_is_killed(site: Worksite) -> None:
    site.start()
    job_id = jobs.swallow_everything.enqueue().id
    site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("timed_out", "timed out")]
    assert site.written() == ["swallows", "JobTimeout"]


def test_a_job_that_takes_its_timeout_keeps_its_worker(site: Worksite) -> None:
    cluster = site.start()
    (worker,) = cluster.workers()
    job_id = jobs.hang_politely.enqueue().id
    site.wait_for_state(job_id, "failed")
    assert [outcome for outcome, _ in site.attempts(job_id)] == ["timed_out"] * 2
    assert [one.pk for one in cluster.workers()] == [worker.pk]


def test_a_timeout_of_the_job_overrides_that_of_the_pool(site: Worksite) -> None:
    site.start(pool={"timeout": 0.2})
    job_id = jobs.record.using(timeout=30).enqueue("long", 1.5).id
    short = jobs.record.enqueue("short", 1.5).id
    assert site.wait_for_state(job_id, "succeeded").result == "long"
    assert site.wait_for_state(short, "failed").exceptions == 1


def test_a_job_that_exits_keeps_its_worker_and_fails(site: Worksite) -> None:
    cluster = site.start()
    (worker,) = cluster.workers()
    job_id = jobs.raise_system_exit.enqueue().id
    site.wait_for_state(job_id, "failed")
    assert [outcome for outcome, _ in site.attempts(job_id)] == ["failed"]
    assert [one.pk for one in cluster.workers()] == [worker.pk]


def test_a_job_that_eats_memory_is_killed_before_it_takes_the_host(site: Worksite) -> None:
    cluster = site.start(pool={"memory": 150})
    (former,) = cluster.workers()
    job_id = jobs.eat_memory.enqueue(400, 60).id
    site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("lost", "out of memory")]
    # The jobs of a dead worker are rescued before its end is noted.
    ended = Worker.objects.using(ALIAS).filter(pk=former.pk, exit="out of memory")
    wait_until(ended.exists, message=site.report)
    assert site.wait_for_state(jobs.add.enqueue(1, 1).id, "succeeded").result == 2


def test_a_worker_that_has_grown_too_large_is_replaced_after_its_job(site: Worksite) -> None:
    site.start(pool={"memory": 200})
    first = jobs.leak.enqueue(170).id
    second = jobs.leak.enqueue(1).id
    pids = {site.wait_for_state(job_id, "succeeded").result for job_id in (first, second)}
    assert len(pids) == 2
    wait_until(lambda: _exits(site) == ["recycled at"], message=site.report)


def test_a_worker_is_replaced_after_so_many_jobs(site: Worksite) -> None:
    site.start(pool={"max_jobs": 3})
    for number in range(7):
        jobs.noop.enqueue(number)
    site.wait_until_done()
    wait_until(lambda: len(_exits(site)) == 2)
    assert {row.exit for row in _ended(site)} == {"recycled after 3 jobs"}


def test_a_worker_is_replaced_at_its_age_also_when_idle(site: Worksite) -> None:
    cluster = site.start(pool={"max_time": 1})
    started = time.monotonic()
    wait_until(lambda: len(_exits(site)) >= 2, message=site.report)
    assert time.monotonic() - started > 1.0
    assert cluster.row().reincarnations == 0


def _ended(site: Worksite) -> list[Worker]:
    return list(Worker.objects.using(ALIAS).filter(stopped_at__isnull=False))


def _exits(site: Worksite) -> list[str]:
    return [" ".join(row.exit.split()[:2]) for row in _ended(site)]
