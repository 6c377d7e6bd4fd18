"""Whoever is killed, no job is lost, and every attempt is accounted for."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from jobs.models import Attempt, Cluster, FailedJob, Worker
from tests.support.cluster import ALIAS, Worksite, lives
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def test_the_job_of_a_killed_worker_is_retried_at_once(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    (worker,) = cluster.workers()
    killed = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: site.attempts(job_id)[:1] == [("lost", "signal 9")], message=site.report)
    assert time.monotonic() - killed < 1.0
    job = site.wait_for_state(job_id, "succeeded")
    assert (job.crashes, job.exceptions, job.attempts) == (1, 0, 2)
    # The jobs of a dead worker are rescued before its end is noted.
    ended = Worker.objects.using(ALIAS).filter(pk=worker.pk, exit="signal 9")
    wait_until(ended.exists, message=site.report)
    wait_until(lambda: cluster.row().reincarnations == 1)


def test_a_job_that_must_not_run_twice_fails_when_its_worker_is_killed(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.record_once.enqueue("once", 60).id
    site.wait_for_word("once")
    os.kill(cluster.workers()[0].pid, signal.SIGKILL)
    site.wait_for_state(job_id, "failed")
    assert FailedJob.objects.using(ALIAS).get(job_id=job_id).reason == "lost"
    assert site.written() == ["once"]


def test_the_jobs_of_a_killed_sentinel_are_rescued_by_its_heir(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2})
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    former, workers = cluster.row(), cluster.workers()
    cluster.sentinel.kill()
    job = site.wait_for_state(job_id, "succeeded")
    assert site.attempts(job_id) == [("lost", "sentinel gone"), ("succeeded", "")]
    assert job.crashes == 1
    assert Cluster.objects.using(ALIAS).get(pk=former.pk).status == "lost"
    assert cluster.row().pk != former.pk
    assert cluster.process.poll() is None
    # A worker without a sentinel would claim beside the new ones.
    assert not any(lives(worker.pid) for worker in workers)


def test_the_jobs_of_a_dead_host_are_rescued_within_three_heartbeats(site: Worksite) -> None:
    lost = site.start()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    former = lost.row()
    survivor = site.start(wait=False)
    survivor.wait_until_running()
    lost.kill_everything()
    silent = time.monotonic()
    site.wait_for_state(job_id, "succeeded")
    # Three heartbeats of 0.5 s, and the look for silent clusters at every half.
    assert time.monotonic() - silent < 4.0
    assert site.attempts(job_id) == [("lost", "host gone"), ("succeeded", "")]
    assert Cluster.objects.using(ALIAS).get(pk=former.pk).status == "lost"


def test_a_new_cluster_rescues_the_jobs_of_one_that_died_before_it_came(site: Worksite) -> None:
    lost = site.start()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    lost.kill_everything()
    site.start()
    site.wait_for_state(job_id, "succeeded")
    assert [outcome for outcome, _ in site.attempts(job_id)] == ["lost", "succeeded"]


def test_a_long_job_is_not_taken_for_lost(site: Worksite) -> None:
    site.start()
    site.start()
    job_id = jobs.sleep.enqueue(5.0).id
    site.wait_for_state(job_id, "succeeded")
    assert site.attempts(job_id) == [("succeeded", "")]
    assert site.written() == ["slept-begins", "slept-ends"]


def test_a_killed_clock_is_replaced_and_told_of_the_deaths_it_missed(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    worker = cluster.workers()[0]
    (clock,) = [one for one in cluster.sentinel.children() if one.pid != worker.pid]
    clock.suspend()
    os.kill(worker.pid, signal.SIGKILL)
    clock.kill()
    site.wait_for_state(job_id, "succeeded")
    assert site.attempts(job_id) == [("lost", "signal 9"), ("succeeded", "")]


def test_nothing_is_lost_when_workers_are_killed_fifty_times_in_a_row(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2}, MAX_CRASHES=100)
    once = [call.id for call in (jobs.record_once.enqueue(f"once{n}", 0.02) for n in range(150))]
    again = [call.id for call in (jobs.record.enqueue(f"again{n}", 0.02) for n in range(300))]
    killed: set[int] = set()
    while len(killed) < 50:
        worker = wait_until(cluster.workers, message=site.report)[0]
        os.kill(worker.pid, signal.SIGKILL)
        killed.add(worker.pid)
        # Every moment of a worker's life should be met: not always the same one.
        time.sleep((len(killed) % 10) * 0.02)
    site.wait_until_done()
    assert cluster.process.poll() is None
    written = Counter(site.written())
    assert max(written[f"once{n}"] for n in range(150)) == 1
    assert min(written[f"again{n}"] for n in range(300)) >= 1
    states = Counter(site.job(job_id).state for job_id in again)
    assert states == {"succeeded": 300}
    assert {site.job(job_id).state for job_id in once} <= {"succeeded", "failed"}
    # Each attempt has its record. A claim that was given back unstarted is none.
    attempts = sum(site.job(job_id).attempts for job_id in (*once, *again))
    assert Attempt.objects.using(ALIAS).count() == attempts
    wait_until(lambda: cluster.row().reincarnations == len(killed), message=site.report)


@pytest.mark.parametrize("code", [0, 7])
def test_a_job_that_ends_its_process_is_lost_and_in_the_end_quarantined(
    site: Worksite, code: int
) -> None:
    site.start()
    job_id = jobs.exit_now.enqueue(code).id
    site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("lost", f"exit code {code}")] * 2
    assert FailedJob.objects.using(ALIAS).get(job_id=job_id).reason == "quarantined"
    assert site.wait_for_state(jobs.add.enqueue(1, 1).id, "succeeded").result == 2


def test_a_crash_in_c_has_its_own_outcome(site: Worksite) -> None:
    site.start()
    job_id = jobs.kill_itself.enqueue().id
    site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("lost", "signal 11")]


def test_a_program_that_outlives_its_worker_does_not_hide_the_death(site: Worksite) -> None:
    site.start()
    job_id = jobs.leave_a_program.using(max_crashes=1).enqueue(60).id
    site.wait_for_state(job_id, "failed")
    assert site.attempts(job_id) == [("lost", "signal 9")]
    (child,) = [int(word.partition("-")[2]) for word in site.written() if word.startswith("child")]
    wait_until(lambda: not lives(child), message="the program was left behind")
