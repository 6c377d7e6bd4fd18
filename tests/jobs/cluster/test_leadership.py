"""One cluster leads, and another takes over; a cluster taken for dead starts anew."""

from __future__ import annotations

import datetime as dt
import signal
import time

import psutil
import pytest

from jobs.cluster.leadership import LEASE
from jobs.models import Cluster, Lease
from tests.support.cluster import ALIAS, ClusterProcess, Worksite, lives
from tests.support.waiting import wait_until
from tests.support.worksite import jobs


def _leader(site: Worksite) -> object:
    return Lease.objects.using(ALIAS).filter(name=LEASE).values_list("holder", flat=True).first()


def _leads(site: Worksite, cluster: ClusterProcess) -> bool:
    return _leader(site) == cluster.row().pk


def test_another_cluster_leads_soon_after_the_leader_is_killed(site: Worksite) -> None:
    first = site.start()
    wait_until(lambda: _leads(site, first))
    second = site.start()
    first.kill_everything()
    killed = time.monotonic()
    wait_until(lambda: _leads(site, second), timeout=10)
    # Its lease of 1.5 s, and a look every third of that; 10 s is the promise for the default of 6.
    assert time.monotonic() - killed < 3.0


def test_another_cluster_leads_at_once_when_the_leader_stops(site: Worksite) -> None:
    first = site.start(LEADER_TTL=60)
    wait_until(lambda: _leads(site, first))
    second = site.start(LEADER_TTL=60)
    first.stop()
    wait_until(lambda: _leads(site, second), timeout=5)


def test_a_cluster_that_was_taken_for_dead_ends_its_jobs_and_starts_anew(site: Worksite) -> None:
    """As when a host was suspended, or cut off from the database."""
    cluster = site.start()
    former, (worker,) = cluster.row(), cluster.workers()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    Cluster.objects.using(ALIAS).filter(pk=former.pk).update(status="lost")
    wait_until(lambda: not lives(worker.pid), message=site.report)
    site.wait_for_state(job_id, "succeeded")
    assert [outcome for outcome, _ in site.attempts(job_id)] == ["lost", "succeeded"]
    assert cluster.process.poll() is None
    assert cluster.row().pk != former.pk


def test_a_suspended_host_writes_nothing_when_it_wakes_up(site: Worksite) -> None:
    sleeper = site.start()
    job_id = jobs.hold.enqueue().id
    site.wait_for_word("held")
    former = sleeper.row()
    survivor = site.start(wait=False)
    survivor.wait_until_running()
    tree = [psutil.Process(sleeper.pid), *sleeper.descendants()]
    for process in tree:
        process.send_signal(signal.SIGSTOP)
    site.wait_for_state(job_id, "succeeded")
    for process in tree:
        process.send_signal(signal.SIGCONT)
    wait_until(lambda: sleeper.row().pk != former.pk, message=site.report)
    assert site.attempts(job_id) == [("lost", "host gone"), ("succeeded", "")]
    assert site.job(job_id).fence == 2


@pytest.mark.postgresql
def test_a_clock_that_hangs_is_replaced_though_it_has_not_died(site: Worksite) -> None:
    cluster = site.start()
    (worker,) = cluster.workers()
    (clock,) = [one for one in cluster.sentinel.children() if one.pid != worker.pid]
    clock.suspend()
    wait_until(lambda: not lives(clock.pid), timeout=10, message=site.report)
    assert lives(worker.pid)
    job_id = jobs.record.using(run_after=dt.timedelta(seconds=0.1)).enqueue("promoted").id
    site.wait_for_state(job_id, "succeeded")
    cluster.wait_for_output("the clock has died: it hung for")
