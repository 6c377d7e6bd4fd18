"""What a clock asks at intervals, in one statement each."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Schedule

from jobs.cluster import glances
from jobs.cluster.duties import SELDOM, Duties
from jobs.cluster.identity import Identity, end_workers, register_cluster, register_worker
from jobs.cluster.leadership import Leadership
from jobs.cluster.pulse import Pulse
from jobs.conf import Pool
from jobs.ledger import Ledger
from jobs.models import Cluster, Job, JobSchedule, Worker
from tests.jobs import sample_jobs
from tests.jobs.scheduling.making import make_schedule

SILENCE = dt.timedelta(seconds=6)
HOUR = dt.timedelta(hours=1)


def _cluster(name: str) -> Identity:
    identity = Identity(name=name, pools=(Pool(name="default"),))
    register_cluster(identity, "running")
    return identity


def _schedule(name: str = "nightly", **fields: Any) -> None:
    make_schedule(name)
    JobSchedule.objects.filter(name=name).update(**fields)


def _look(book: Ledger, identity: Identity) -> glances.Surroundings:
    return glances.surroundings(book, identity.id, SILENCE)


def test_a_cluster_that_is_alone_sees_its_workers_only(book: Ledger) -> None:
    ours = _cluster("ours")
    worker_id, ended_id = (register_worker(ours, ours.pools[0]) for _ in range(2))
    end_workers(timezone.now(), "left", pk=ended_id)
    seen = _look(book, ours)
    assert (seen.others, seen.silent, seen.ended) == (False, False, False)
    assert seen.workers == {worker_id: Worker.objects.get(pk=worker_id).pid}


@pytest.mark.parametrize(("age", "silent"), [(0, False), (5, False), (7, True), (3600, True)])
def test_another_cluster_is_silent_once_it_was_not_heard_for_too_long(
    book: Ledger, age: float, silent: bool
) -> None:
    ours, other = _cluster("ours"), _cluster("other")
    moment = timezone.now() - dt.timedelta(seconds=age)
    Cluster.objects.filter(pk=other.id).update(heartbeat_at=moment)
    seen = _look(book, ours)
    assert (seen.others, seen.silent) == (True, silent)


def test_nobody_is_silent_to_itself(book: Ledger) -> None:
    ours = _cluster("ours")
    Cluster.objects.update(heartbeat_at=timezone.now() - HOUR)
    assert not _look(book, ours).silent


@pytest.mark.parametrize("status", ["lost", "stopped"])
def test_an_ended_cluster_is_seen_until_the_end_of_its_workers_is_noted(
    book: Ledger, status: str
) -> None:
    ours, other = _cluster("ours"), _cluster("other")
    register_worker(other, other.pools[0])
    Cluster.objects.filter(pk=other.id).update(status=status)
    seen = _look(book, ours)
    assert (seen.others, seen.silent, seen.ended) == (False, False, True)
    end_workers(timezone.now(), "host gone", cluster_id=other.id)
    assert not _look(book, ours).ended


def test_the_time_of_the_next_schedule_is_told_in_seconds(book: Ledger) -> None:
    assert glances.seconds_to_schedule(book) is None
    _schedule(next_run_at=timezone.now() + HOUR)
    _schedule("off", next_run_at=timezone.now() - HOUR, enabled=False)
    left = glances.seconds_to_schedule(book)
    assert left is not None
    assert 3590 < left <= 3600
    _schedule("due", next_run_at=timezone.now() - HOUR)
    left = glances.seconds_to_schedule(book)
    assert left is not None
    assert left < -3590


def test_a_schedule_that_was_never_planned_is_due(book: Ledger) -> None:
    _schedule(next_run_at=None)
    assert glances.seconds_to_schedule(book) == 0


def test_a_schedule_in_error_is_due_when_it_is_tried_again(book: Ledger) -> None:
    _schedule(next_run_at=timezone.now() - HOUR, retry_at=timezone.now() + HOUR)
    assert glances.seconds_to_schedule(book) is None
    _schedule("again", next_run_at=timezone.now() - HOUR, retry_at=timezone.now() - HOUR)
    left = glances.seconds_to_schedule(book)
    assert left is not None
    assert left < 0


def test_an_old_schedule_is_due_at_its_time_unless_it_has_no_run_left(book: Ledger) -> None:
    table = Schedule._meta.db_table
    assert not glances.old_schedule_is_due(book, table)
    Schedule.objects.create(func="math.sqrt", next_run=timezone.now() + HOUR)
    Schedule.objects.create(func="math.sqrt", next_run=timezone.now() - HOUR, repeats=0)
    assert not glances.old_schedule_is_due(book, table)
    Schedule.objects.create(func="math.sqrt", next_run=timezone.now() - HOUR)
    assert glances.old_schedule_is_due(book, table)


def test_an_idle_clock_asks_once_for_each_of_its_ticks(book: Ledger) -> None:
    ours = _cluster("ours")
    pulse = Pulse(ours)
    duties = Duties(ours, pulse, confirm=lambda death: None, idle=None)
    _schedule(next_run_at=timezone.now() + HOUR)
    pulse.beat(book, 0)
    ticks = {
        tick.name: tick for tick in [*duties.of_time(), *duties.of_schedules(), *duties.of_rescue()]
    }
    ticks["leadership"].run(book)
    frequent = ("promotion", "schedules", "django-q2 schedules", "surroundings")
    for name in frequent:
        with CaptureQueriesContext(connection) as asked:
            ticks[name].run(book)
        assert len(asked) == 1, (name, asked.captured_queries)
    with CaptureQueriesContext(connection) as asked:
        pulse.beat(book, 0)
    assert len(asked) == 1


def test_a_leader_renews_well_before_its_lease_ends_and_others_look_each_second(
    book: Ledger,
) -> None:
    leader, other = Leadership(_cluster("ours")), Leadership(_cluster("other"))
    leader.renew(book)
    other.renew(book)
    assert (leader.every, other.every) == (2.0, 1.0)


def test_orphans_are_looked_for_only_where_a_job_runs(book: Ledger) -> None:
    ours = _cluster("ours")
    duties = Duties(ours, Pulse(ours), confirm=lambda death: None, idle=None)
    ticks = {tick.name: tick for tick in [*duties.of_time(), *duties.of_rescue()]}
    ticks["leadership"].run(book)
    ticks["surroundings"].run(book)
    with CaptureQueriesContext(connection) as asked:
        ticks["orphans"].run(book)
    assert len(asked) == 0
    sample_jobs.add.enqueue(1)
    book.claim(worker_id=12345, queues=["default"], limit=1)
    ticks["surroundings"].run(book)
    ticks["orphans"].run(book)
    assert Job.objects.get().state == "ready"


def test_retention_comes_again_soon_only_while_it_finds_something(
    book: Ledger, settings: Any
) -> None:
    settings.JOBS_RETENTION = {"succeeded": 60}
    ours = _cluster("ours")
    duties = Duties(ours, Pulse(ours), confirm=lambda death: None, idle=None)
    (lead, *_) = duties.of_time()
    (retain,) = [tick for tick in duties.of_upkeep() if tick.name == "retention"]
    assert retain.run(book) is None
    lead.run(book)
    assert retain.run(book) == SELDOM
    sample_jobs.add.enqueue(1)
    Job.objects.update(state="succeeded", finished_at=timezone.now() - HOUR)
    assert retain.run(book) is None
    assert not Job.objects.exists()
    assert retain.run(book) == SELDOM
