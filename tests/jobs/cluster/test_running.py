"""A cluster runs jobs: in order, in its queues, and until it has nothing left."""

from __future__ import annotations

import datetime as dt
import time
from uuid import uuid4

from django.utils import timezone

from jobs.models import AuditEntry, Cluster, Job, Worker
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def test_jobs_run_in_the_order_of_queues_then_priority_then_age(site: Worksite) -> None:
    jobs.record.using(queue_name="low").enqueue("low")
    jobs.record.enqueue("old")
    jobs.record.enqueue("young")
    jobs.record.using(priority=10).enqueue("urgent")
    jobs.record.using(queue_name="critical").enqueue("critical")
    site.start("--run-once", wait=False).process.wait(30)
    assert site.written() == ["critical", "urgent", "old", "young", "low"]


def test_a_cluster_tells_which_release_of_the_site_it_runs(site: Worksite) -> None:
    site.start(RELEASE="2026.11.3")
    assert Cluster.objects.using(ALIAS).get().release == "2026.11.3"


def test_a_result_is_kept_and_a_failing_job_is_tried_again(site: Worksite) -> None:
    added, flaky = jobs.add.enqueue(2, 3).id, jobs.fail_twice.enqueue("flaky").id
    site.start()
    site.wait_for_state(flaky, "succeeded")
    assert site.job(added).result == 5
    assert [outcome for outcome, _ in site.attempts(flaky)] == ["failed", "failed", "succeeded"]


def test_run_once_ends_by_itself_and_leaves_a_job_of_unknown_code_ready(site: Worksite) -> None:
    jobs.add.enqueue(2, 3)
    stranger = Job.objects.using(ALIAS).create(
        id=uuid4(), definition="no.such.job", queue="default", claim_rank=0, arguments={}
    )
    cluster = site.start("--run-once", wait=False)
    assert cluster.process.wait(30) == 0, cluster.output()
    assert site.states() == {"succeeded": 1, "ready": 1}
    assert site.job(stranger.pk).attempts == 0
    assert Worker.objects.using(ALIAS).get().unknown_definitions == ["no.such.job"]
    assert Cluster.objects.using(ALIAS).get().status == "stopped"


def test_a_job_runs_within_moments_of_being_enqueued(site: Worksite) -> None:
    site.start()
    waits = []
    for number in range(10):
        job_id = jobs.noop.enqueue(number).id
        job = site.wait_for_state(job_id, "succeeded")
        assert job.wait is not None
        waits.append(job.wait.total_seconds())
    # The slowest may have met a busy machine.
    assert sorted(waits)[8] < 0.3, waits


def test_a_delayed_job_runs_within_a_second_of_its_time(site: Worksite) -> None:
    site.start()
    job_id = jobs.record.using(run_after=dt.timedelta(seconds=1)).enqueue("later").id
    job = site.wait_for_state(job_id, "succeeded")
    assert job.wait is not None
    assert 1.0 <= job.wait.total_seconds() < 2.0


def test_a_job_whose_time_has_passed_already_wakes_a_worker(site: Worksite) -> None:
    cluster = site.start(LISTEN_POLL=60)
    wait_until(lambda: cluster.workers() and jobs.noop.enqueue(0), message=site.report)
    site.wait_until_done()
    # Beyond the short looks of a worker that has just had work.
    time.sleep(0.5)
    past = timezone.now() - dt.timedelta(minutes=1)
    job_id = jobs.record.using(run_after=past).enqueue("late").id
    site.wait_for_state(job_id, "succeeded", timeout=5)


def test_what_a_job_leaves_open_does_not_reach_the_next_one(site: Worksite) -> None:
    jobs.leave_transaction_open.enqueue("forgotten")
    jobs.write_audit.enqueue("kept")
    site.start("--run-once", wait=False).process.wait(30)
    assert site.states() == {"succeeded": 2}
    targets = AuditEntry.objects.using(ALIAS).values_list("target", flat=True)
    assert list(targets) == ["kept"]


def test_django_q2_sees_the_cluster_too(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2, "shutdown_grace": 0.2})
    cluster_id = str(cluster.row().pk)
    wait_until(lambda: site.manage("qinfo", "--ids").stdout.strip() == cluster_id)
    (stat,) = site.stats()
    assert (stat.pid, stat.sentinel) == (cluster.pid, cluster.sentinel.pid)
    assert sorted(stat.workers) == sorted(worker.pid for worker in cluster.workers())
    assert str(stat.status) == "Idle"
    jobs.sleep.enqueue(20)
    wait_until(lambda: str(site.stats()[0].status) == "Working")
    cluster.stop()
    wait_until(lambda: site.manage("qinfo", "--ids").stdout.startswith("No clusters"))
