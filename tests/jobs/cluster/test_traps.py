"""The traps of stock django-q2 that a cluster could fall into; T… are their numbers."""

from __future__ import annotations

import json
import time

import psycopg
import pytest
from django.db import connections
from django_q.models import Task
from django_q.tasks import async_task

from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import run_manage
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def test_t12_a_busy_worker_holds_nothing_that_another_could_run(site: Worksite) -> None:
    site.start()
    jobs.sleep.enqueue(20, "busy")
    site.wait_for_word("busy-begins")
    ids = jobs.record.enqueue_many([f"word{n}" for n in range(20)])
    assert site.states() == {"running": 1, "ready": 20}
    site.start()
    wait_until(lambda: len(site.written()) == 21)
    assert all(site.job(job_id).fence == 1 for job_id in ids)


def test_t17_what_a_killed_cluster_had_taken_is_run_by_another(site: Worksite) -> None:
    """Also tasks of old calls, which stock django-q2's default broker gives out without receipt."""
    lost = site.start(pool={"processes": 2})
    held = jobs.hold.enqueue().id
    old = async_task("tests.jobs.django_q2.old_code.hold_once", str(site.folder / "first"))
    site.wait_for_word("held")
    wait_until((site.folder / "first").exists, message=site.report)
    lost.kill_everything()
    site.start()
    assert site.wait_for_state(held, "succeeded").attempts == 2
    row = Task.objects.using(ALIAS).filter(pk=old)
    wait_until(row.exists, timeout=20, message=site.report)
    assert row.get().result == "held again"


@pytest.mark.postgresql
def test_t18_a_blocked_schedule_delays_no_heartbeat_no_timeout_no_rescue_and_no_retry(
    site: Worksite,
) -> None:
    cluster = site.start(pool={"processes": 2})
    wait_until(lambda: "leads" in cluster.output())
    with psycopg.connect(site.database_url) as elsewhere:
        # Every look at the schedules waits until this ends.
        elsewhere.execute("LOCK TABLE jobs_jobschedule IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: _waits_for_lock(site), message=site.report)
        beat = cluster.row().heartbeat_at
        hung, crashed = jobs.hang_in_c.enqueue().id, jobs.exit_now.enqueue(3).id
        flaky = jobs.fail_twice.enqueue("flaky").id
        site.wait_for_state(hung, "failed")
        site.wait_for_state(crashed, "failed")
        site.wait_for_state(flaky, "succeeded")
        wait_until(lambda: cluster.row().heartbeat_at > beat)
        assert _waits_for_lock(site)


def _waits_for_lock(site: Worksite) -> bool:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchall())


def test_t22_a_job_may_start_processes_of_its_own(site: Worksite) -> None:
    ids = jobs.compute_in_a_process.enqueue_many(range(5))
    site.start()
    assert [site.wait_for_state(one, "succeeded").result for one in ids] == [0, 2, 4, 6, 8]


def test_t22_a_program_of_a_job_hears_its_signals(site: Worksite) -> None:
    job_id = jobs.interrupt_a_program.enqueue().id
    site.start()
    assert site.wait_for_state(job_id, "succeeded").result == -2


def test_t22_no_process_of_a_cluster_shares_a_connection_with_another(site: Worksite) -> None:
    """Each that inherited one would close it, or read the other's answers."""
    cluster = site.start(pool={"processes": 3})
    for number in range(60):
        jobs.write_audit.enqueue(str(number))
    site.wait_until_done()
    assert site.states() == {"succeeded": 60}
    if connections[ALIAS].vendor == "postgresql":
        sockets = [
            connection.laddr.port
            for process in [cluster.sentinel, *cluster.sentinel.children()]
            for connection in process.net_connections("tcp")
        ]
        assert len(sockets) == len(set(sockets))
        assert cluster.sentinel.net_connections("tcp") == []


def test_t19_stopping_neither_drains_the_queue_nor_waits_for_ever(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2, "shutdown_grace": 0.5})
    hung = jobs.hang_in_c.using(timeout=None).enqueue().id
    deaf = jobs.swallow_everything.using(timeout=0.2).enqueue().id
    site.wait_for_word("hung")
    site.wait_for_word("swallows")
    waiting = jobs.record.enqueue_many([f"word{n}" for n in range(50)])
    asked = time.monotonic()
    assert cluster.stop() == 0
    assert time.monotonic() - asked < 5
    assert {site.job(job_id).state for job_id in waiting} == {"ready"}
    assert {site.job(job_id).state for job_id in (hung, deaf)} <= {"ready", "failed"}
    assert cluster.descendants() == []


def test_t20_what_is_alive_is_read_from_the_ledger(site: Worksite) -> None:
    """Also in a process that does not share the cache in which django-q2 keeps its statuses."""
    cluster = site.start(pool={"processes": 2})
    elsewhere = {**site.environment(), "WORKSITE_CACHE": str(site.folder / "another")}
    assert run_manage("qinfo", "--ids", environment=elsewhere).stdout.startswith("No clusters")
    told = json.loads(run_manage("queue_status", "--json", environment=elsewhere).stdout)
    assert [row["id"] for row in told["clusters"]] == [str(cluster.row().pk)]
    assert {row["pid"] for row in told["workers"]} == {one.pid for one in cluster.workers()}


def test_t24_a_timeout_has_fractions_of_a_second(site: Worksite) -> None:
    site.start()
    job_id = jobs.record.using(timeout=0.25).enqueue("word", 5).id
    job = site.wait_for_state(job_id, "failed")
    assert job.run_time is not None
    assert 0.25 <= job.run_time.total_seconds() < 0.6
