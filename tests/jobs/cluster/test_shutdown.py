"""Stopping: no new work at once, running jobs within the grace, never a hang."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from jobs.models import Cluster, FailedJob, Worker
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_cluster_stops_at_once_and_signs_off(
    site: Worksite, number: signal.Signals
) -> None:
    cluster = site.start(pool={"processes": 2})
    asked = time.monotonic()
    assert cluster.stop(number) == 0
    assert time.monotonic() - asked < 3
    assert Cluster.objects.using(ALIAS).get().status == "stopped"
    assert set(Worker.objects.using(ALIAS).values_list("exit", flat=True)) == {"stopped on request"}
    assert cluster.descendants() == []


def test_a_running_job_ends_within_the_grace_and_no_other_begins(site: Worksite) -> None:
    cluster = site.start()
    first, second = jobs.sleep.enqueue(2, "first").id, jobs.sleep.enqueue(2, "second").id
    site.wait_for_word("first-begins")
    assert cluster.stop() == 0
    assert site.job(first).state == "succeeded"
    assert site.job(second).state == "ready"
    assert site.written() == ["first-begins", "first-ends"]


def test_a_job_that_outlasts_the_grace_goes_back_without_spending_an_attempt(
    site: Worksite,
) -> None:
    cluster = site.start(pool={"shutdown_grace": 0.5})
    job_id = jobs.hold.using(max_attempts=1).enqueue().id
    site.wait_for_word("held")
    asked = time.monotonic()
    assert cluster.stop() == 0
    assert time.monotonic() - asked < 4
    job = site.job(job_id)
    assert (job.state, job.attempts, job.crashes) == ("ready", 0, 0)
    assert site.attempts(job_id) == [("interrupted", "shutdown")]


def test_a_job_that_must_not_run_twice_fails_when_it_outlasts_the_grace(site: Worksite) -> None:
    cluster = site.start(pool={"shutdown_grace": 0.5})
    job_id = jobs.record_once.enqueue("once", 60).id
    site.wait_for_word("once")
    cluster.stop()
    assert site.job(job_id).state == "failed"
    assert FailedJob.objects.using(ALIAS).get(job_id=job_id).reason == "lost"


def test_a_second_signal_ends_the_grace(site: Worksite) -> None:
    cluster = site.start(pool={"shutdown_grace": 60})
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    cluster.process.terminate()
    cluster.wait_for_output("once more to end its jobs now")
    assert cluster.stop() == 0
    assert site.job(job_id).state == "ready"


def test_a_job_that_hangs_in_c_does_not_keep_the_cluster_from_stopping(site: Worksite) -> None:
    cluster = site.start(pool={"shutdown_grace": 0.5})
    job_id = jobs.hang_in_c.using(timeout=None).enqueue().id
    site.wait_for_word("hung")
    assert cluster.stop(timeout=10) == 0
    assert site.job(job_id).state == "ready"


def test_a_job_can_heed_the_stop(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.heed_stop.enqueue(30).id
    site.wait_for_word("heeds")
    cluster.stop()
    assert site.job(job_id).result == "stopped early"


def test_a_signal_to_every_process_of_the_service_is_one_orderly_stop(site: Worksite) -> None:
    """As systemd sends it."""
    cluster = site.start()
    job_id = jobs.sleep.enqueue(1).id
    site.wait_for_word("slept-begins")
    for process in cluster.descendants():
        process.terminate()
    assert cluster.stop() == 0
    assert site.job(job_id).state == "succeeded"
    assert Cluster.objects.using(ALIAS).get().status == "stopped"


def test_a_program_that_a_job_has_started_is_not_reached_by_ctrl_c(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.run_a_program.enqueue(1.5).id
    wait_until(lambda: [one for one in cluster.descendants() if one.name() == "sleep"])
    os.killpg(cluster.pid, signal.SIGINT)
    assert cluster.process.wait(20) == 0
    assert site.job(job_id).result == 0


def test_the_death_of_the_parent_stops_the_cluster_in_good_order(site: Worksite) -> None:
    cluster = site.start()
    job_id = jobs.sleep.enqueue(1).id
    site.wait_for_word("slept-begins")
    tree = cluster.descendants()
    cluster.process.kill()
    cluster.process.wait()
    psutil.wait_procs(tree, timeout=20)
    assert site.job(job_id).state == "succeeded"
    assert Cluster.objects.using(ALIAS).get().status == "stopped"


def test_queue_restart_starts_the_cluster_anew_under_its_process_id(site: Worksite) -> None:
    cluster = site.start()
    former = cluster.row()
    job_id = jobs.sleep.enqueue(1).id
    site.wait_for_word("slept-begins")
    told = site.manage("queue_restart", "--wait", "30", "--reason", "new code")
    assert told.returncode == 0, told.stderr
    assert cluster.process.poll() is None
    assert cluster.row().pk != former.pk
    assert Cluster.objects.using(ALIAS).get(pk=former.pk).status == "stopped"
    assert site.job(job_id).state == "succeeded"
    assert site.attempts(job_id) == [("succeeded", "")]
    assert site.wait_for_state(jobs.add.enqueue(1, 1).id, "succeeded").result == 2


def test_queue_restart_says_that_no_cluster_is_running(site: Worksite) -> None:
    told = site.manage("queue_restart")
    assert (told.returncode, told.stderr.strip()) == (1, "CommandError: No cluster is running.")
