"""What the clock does at intervals, and what it sweeps up."""

from __future__ import annotations

import datetime as dt
import logging
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs.cluster import sweeps
from jobs.cluster.deaths import Death
from jobs.cluster.duties import DEATHS, Duties, work_is_left
from jobs.cluster.identity import Identity, register_cluster, register_worker
from jobs.cluster.leadership import Leadership
from jobs.cluster.pulse import Pulse
from jobs.cluster.ticker import Tick, Ticker
from jobs.conf import Pool
from jobs.ledger import Ledger
from jobs.models import Attempt, Cluster, Job, Worker
from tests.jobs import sample_jobs
from tests.support.waiting import wait_until


@pytest.fixture
def identity(transactional_db: None) -> Identity:
    found = Identity(name="ours", pools=(Pool(name="default"),))
    register_cluster(found, "running")
    return found


def _other(status: str, heartbeat: dt.timedelta) -> tuple[Identity, int]:
    """Another cluster with a worker, last heard of so long ago."""
    other = Identity(name="other", pools=(Pool(name="default"),))
    worker_id = register_worker(other, other.pools[0])
    rows = Cluster.objects.filter(pk=other.id)
    rows.update(status=status, heartbeat_at=timezone.now() - heartbeat)
    return other, worker_id


def _steady(identity: Identity, book: Ledger) -> Pulse:
    pulse = Pulse(identity)
    pulse.beat(book, 0)
    pulse._steady_since -= 60
    return pulse


@pytest.mark.django_db(transaction=True)
def test_a_tick_that_fails_stops_no_other_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    ran = []

    def broken(book: Ledger) -> None:
        ran.append("broken")
        raise ValueError("no good")

    def away(book: Ledger) -> None:
        ran.append("away")
        raise OperationalError("gone")

    def works(book: Ledger) -> None:
        book.now()
        ran.append("works")

    ticks = [Tick(work.__name__, 0.02, work) for work in (broken, away, works)]
    ticker = Ticker("test", ticks)
    with caplog.at_level(logging.WARNING, "jobs.cluster"):
        ticker.start()
        wait_until(lambda: ran.count("works") >= 10 and ran.count("broken") >= 2)
        ticker.stop()
        ticker.join(5)
    assert not ticker.is_alive()
    # Ever more slowly.
    assert ran.count("broken") < ran.count("works")
    assert "broken failed; again in 0.0 s" in caplog.text
    assert "away: no database" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_poked_tick_runs_now() -> None:
    ran = []
    ticker = Ticker("test", [Tick("rare", 3600, lambda book: ran.append(1))])
    ticker.start()
    wait_until(lambda: len(ran) == 1)
    ticker.poke("rare")
    wait_until(lambda: len(ran) == 2)
    ticker.stop()
    ticker.join(5)


def test_a_silent_cluster_is_lost_and_its_jobs_go_on(book: Ledger, identity: Identity) -> None:
    other, worker_id = _other("running", dt.timedelta(seconds=60))
    sample_jobs.add.enqueue(1)
    (claimed,) = book.claim(worker_id=worker_id, queues=["default"], limit=1)
    assert sweeps.lose_silent_clusters(book, identity, _steady(identity, book)) == 1
    assert sweeps.rescue_ended_clusters(book) == 1
    assert Cluster.objects.get(pk=other.id).status == "lost"
    assert Worker.objects.get(pk=worker_id).exit == "host gone"
    assert Job.objects.get().state == "ready"
    assert Attempt.objects.get().detail == "host gone"
    assert book.give_back([claimed]) == 0


def test_a_cluster_that_was_silent_itself_takes_nobody_for_lost(
    book: Ledger, identity: Identity
) -> None:
    """As after an outage of the database."""
    other, _ = _other("running", dt.timedelta(seconds=60))
    pulse = Pulse(identity)
    assert sweeps.lose_silent_clusters(book, identity, pulse) == 0
    pulse.beat(book, 0)
    assert sweeps.lose_silent_clusters(book, identity, pulse) == 0
    assert Cluster.objects.get(pk=other.id).status == "running"


def test_a_cluster_that_speaks_is_left_alone(book: Ledger, identity: Identity) -> None:
    _other("running", dt.timedelta(seconds=2))
    assert sweeps.lose_silent_clusters(book, identity, _steady(identity, book)) == 0
    assert sweeps.rescue_ended_clusters(book) == 0


def test_a_lost_cluster_hears_so_from_its_heartbeat(book: Ledger, identity: Identity) -> None:
    pulse = Pulse(identity)
    assert pulse.beat(book, 0).is_alive
    Cluster.objects.filter(pk=identity.id).update(status="lost")
    assert not pulse.beat(book, 0).is_alive


def test_the_heartbeat_hears_of_a_restart(book: Ledger, identity: Identity) -> None:
    pulse = Pulse(identity)
    assert not pulse.beat(book, 3).restart_requested
    Cluster.objects.filter(pk=identity.id).update(restart_requested_at=timezone.now())
    assert pulse.beat(book, 3).restart_requested
    assert Cluster.objects.get(pk=identity.id).reincarnations == 3


@pytest.mark.parametrize("ended", [True, False])
def test_a_running_job_of_a_worker_that_ended_or_has_no_row_is_rescued(
    book: Ledger, identity: Identity, ended: bool
) -> None:
    worker_id = register_worker(identity, identity.pools[0])
    sample_jobs.add.enqueue(1)
    book.claim(worker_id=worker_id, queues=["default"], limit=1)
    assert sweeps.rescue_orphans(book) == 0
    if ended:
        moment = timezone.now() - dt.timedelta(minutes=1)
        Worker.objects.update(stopped_at=moment, exit="exit code 3")
    else:
        Worker.objects.all().delete()
    assert sweeps.rescue_orphans(book) == 1
    assert Attempt.objects.get().detail == ("exit code 3" if ended else "process gone")
    # Its claim came to the ledger after its death: it was never started.
    job = Job.objects.get()
    assert (job.state, job.attempts, job.crashes) == ("ready", 0, 0)


def test_a_job_that_runs_in_a_caller_is_no_orphan(book: Ledger, identity: Identity) -> None:
    sample_jobs.add.enqueue(1)
    book.claim(worker_id=0, queues=["default"], limit=1)
    assert sweeps.rescue_orphans(book) == 0


def test_one_of_two_clusters_leads(book: Ledger, identity: Identity) -> None:
    other, _ = _other("running", dt.timedelta(0))
    first, second = Leadership(identity), Leadership(other)
    first.renew(book)
    second.renew(book)
    assert (first.is_ours, second.is_ours) == (True, False)
    first.give_up(book)
    second.renew(book)
    assert (first.is_ours, second.is_ours) == (False, True)


def test_work_is_left_while_a_job_is_ready_or_runs_here(book: Ledger, identity: Identity) -> None:
    worker_id = register_worker(identity, identity.pools[0])
    assert not work_is_left(identity)
    sample_jobs.add.enqueue(1)
    assert work_is_left(identity)
    (claimed,) = book.claim(worker_id=worker_id, queues=["default"], limit=1)
    assert work_is_left(identity)
    book.give_back([claimed])
    Job.objects.update(definition="no.such.job", id=uuid4())
    assert not work_is_left(identity)


def test_a_death_that_cannot_be_recorded_holds_up_no_other(
    book: Ledger, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    buried: list[int] = []

    def rescue_workers(ledger: Ledger, ids: list[int], detail: str, **how: bool) -> None:
        if ids == [1]:
            raise ValueError("cannot be read")
        buried.extend(ids)

    monkeypatch.setattr(sweeps, "rescue_workers", rescue_workers)
    duties = Duties(identity, Pulse(identity), confirm=lambda death: None, idle=None)
    duties.deaths += [Death(number, 100 + number, number, "signal 9") for number in (1, 2, 3)]
    (bury,) = [tick for tick in duties.of_rescue() if tick.name == DEATHS]
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be read"):
            bury.run(book)
    assert buried == [2, 3]
    assert [death.worker_id for death in duties.deaths] == [1]
