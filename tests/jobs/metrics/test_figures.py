"""Counts, waits, rates and times."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import metrics
from jobs.metrics.counting import BoundedCount
from jobs.metrics.recent import span
from jobs.models import JobState, Queue
from tests.jobs.factories import (
    ClusterFactory,
    FailedJobFactory,
    JobFactory,
    WorkerFactory,
    ago,
    many_failed_jobs,
    many_jobs,
)

pytestmark = pytest.mark.django_db


def ended(state: str, minutes_ago: float, run_time: float = 2, **values: object) -> None:
    end = ago(minutes=minutes_ago)
    start = end - dt.timedelta(seconds=run_time)
    JobFactory(state=state, finished_at=end, started_at=start, **values)


def test_every_state_is_counted_with_one_statement() -> None:
    many_jobs(3)
    JobFactory(state="succeeded")

    with CaptureQueriesContext(connection) as queries:
        counts = metrics.jobs_by_state()

    assert len(queries) == 1
    assert counts == {**dict.fromkeys(JobState.values, 0), "ready": 3, "succeeded": 1}


def test_a_count_stops_at_its_limit_and_says_so() -> None:
    many_jobs(7)

    count = metrics.jobs_by_state(limit=5)["ready"]
    exact = metrics.jobs_by_state(limit=7)["ready"]

    assert (count, count.capped, str(count)) == (5, True, "5+")
    assert (exact, exact.capped, str(exact)) == (7, False, "7")


def test_a_capped_count_is_a_number_in_json_and_stays_capped_in_a_sum() -> None:
    count = BoundedCount(10_000, capped=True)

    assert json.dumps({"ready": count}) == '{"ready": 10000}'
    assert str(count + BoundedCount(5)) == "10,005+"
    assert str(sum([BoundedCount(5), count])) == "10,005+"


def test_what_waits_is_ready_scheduled_or_blocked() -> None:
    for state in JobState.values:
        JobFactory(state=state)
        JobFactory(state=state, queue="low")

    assert metrics.pending_count() == 6
    assert metrics.pending_count("low") == 3


def test_a_failed_job_counts_until_it_is_retried() -> None:
    many_failed_jobs(2)
    FailedJobFactory(retried_at=timezone.now())

    assert metrics.failed_count() == 2


def test_the_size_of_a_queue_is_what_could_be_claimed_now() -> None:
    many_jobs(2, queue="low")
    JobFactory(queue="low", state="scheduled")
    JobFactory(queue="of-its-own")

    sizes = metrics.queue_sizes()

    assert sizes["low"] == 2
    assert sizes["default"] == 0
    assert list(sizes)[-1] == "of-its-own"


def test_the_wait_of_a_queue_is_the_age_of_its_oldest_ready_job() -> None:
    JobFactory(queue="low", enqueued_at=ago(minutes=10))
    JobFactory(queue="low", enqueued_at=ago(minutes=1))

    wait = metrics.queue_wait("low")

    assert wait is not None
    assert dt.timedelta(minutes=10) <= wait < dt.timedelta(minutes=11)
    assert metrics.queue_wait("high") is None


def test_a_delayed_job_begins_to_wait_when_it_is_due() -> None:
    JobFactory(enqueued_at=ago(hours=5), due_at=ago(minutes=2))

    wait = metrics.queue_wait("default")

    assert wait is not None
    assert dt.timedelta(minutes=2) <= wait < dt.timedelta(minutes=3)


def test_the_wait_sees_what_priority_leaves_behind_in_a_long_queue() -> None:
    JobFactory(priority=-50, enqueued_at=ago(hours=3))
    many_jobs(20)

    wait = metrics.queue_wait("default", limit=5)

    assert wait is not None
    assert wait >= dt.timedelta(hours=3)


def test_the_processing_time_is_from_start_to_end_without_the_wait() -> None:
    ended("succeeded", 1, run_time=2, enqueued_at=ago(hours=2))
    ended("succeeded", 1, run_time=4)
    ended("failed", 1, run_time=100)

    mean = metrics.average_processing_time(dt.timedelta(hours=1))

    assert mean == pytest.approx(dt.timedelta(seconds=3), abs=dt.timedelta(milliseconds=1))


def test_the_processing_time_of_nothing_is_nothing() -> None:
    assert metrics.average_processing_time() is None


def test_only_what_succeeded_since_midnight_here_was_processed_today(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with timezone.override("Pacific/Auckland"):
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        JobFactory(state="succeeded", finished_at=midnight)
        JobFactory(state="succeeded", finished_at=midnight - dt.timedelta(seconds=1))
        JobFactory(state="failed")

        assert metrics.jobs_processed_today() == 1


def test_throughput_is_jobs_per_minute_of_the_window() -> None:
    for minutes in range(6):
        ended("succeeded", minutes)
    ended("failed", 3)
    ended("succeeded", 100)

    assert metrics.throughput(dt.timedelta(minutes=10)) == pytest.approx(0.7, rel=0.01)


def test_a_busy_window_is_cut_to_its_newest_part_and_the_rate_is_of_that_part() -> None:
    for minutes in (1, 2, 3, 4, 5, 50):
        ended("succeeded", minutes)

    past = span(dt.timedelta(hours=1), limit=3)

    assert past.cut
    assert past.jobs().count() == 3
    assert past.minutes == pytest.approx(4, rel=0.01)
    assert metrics.throughput(dt.timedelta(hours=1), limit=3) == pytest.approx(3 / 4, rel=0.01)


def test_failure_rates_are_told_by_queue_and_by_definition() -> None:
    ended("succeeded", 1, queue="low")
    ended("failed", 1, queue="low")
    ended("succeeded", 1, definition="tests.jobs.sample_jobs.flaky")
    ended("failed", 600)

    assert metrics.failure_rates() == {"default": 0.0, "low": 0.5}
    assert metrics.failure_rates(by="definition") == {
        "tests.jobs.sample_jobs.add": 0.5,
        "tests.jobs.sample_jobs.flaky": 0.0,
    }


def test_the_stats_of_a_queue_say_all_that_its_page_shows() -> None:
    Queue.objects.create(
        pk="low",
        paused_at=ago(hours=1),
        paused_until=timezone.now() + dt.timedelta(hours=1),
        paused_reason="month end",
        max_waiting=1,
    )
    many_jobs(2, queue="low")
    JobFactory(queue="low", state="running")
    JobFactory(queue="low", state="blocked")
    ended("succeeded", 1, queue="low")
    ended("failed", 1, queue="low")

    (stats,) = metrics.queue_stats(["low"])

    assert (stats.ready, stats.scheduled, stats.blocked, stats.running) == (2, 0, 1, 1)
    assert (stats.pending, stats.succeeded, stats.failed) == (3, 1, 1)
    assert (stats.paused, stats.paused_reason, stats.backed_up) == (True, "month end", True)
    assert stats.failure_rate == 0.5
    assert stats.throughput == pytest.approx(2 / 60)


def test_what_is_scheduled_is_counted_up_to_the_limit_for_each_queue() -> None:
    many_jobs(4, queue="ai", state=JobState.SCHEDULED)
    JobFactory(queue="webhooks", state=JobState.SCHEDULED)
    many_jobs(2, queue="webhooks", state=JobState.BLOCKED)

    ai, webhooks = metrics.queue_stats(["ai", "webhooks"], limit=3)

    assert str(ai.scheduled) == "3+"
    assert (str(webhooks.scheduled), str(webhooks.blocked)) == ("1", "2")


def test_a_pause_whose_time_is_over_is_none() -> None:
    Queue.objects.create(pk="low", paused_at=ago(hours=2), paused_until=ago(hours=1))

    (stats,) = metrics.queue_stats(["low"])

    assert (stats.paused, stats.paused_until) == (False, None)


def test_the_number_of_statements_does_not_grow_with_the_number_of_empty_queues() -> None:
    with CaptureQueriesContext(connection) as few:
        metrics.queue_stats(["low"])
    with CaptureQueriesContext(connection) as many:
        metrics.queue_stats([f"queue-{number}" for number in range(30)])

    assert len(many) == len(few)


def test_a_worker_is_as_alive_as_its_cluster() -> None:
    alive = WorkerFactory()
    lost = WorkerFactory(cluster=ClusterFactory(heartbeat_at=ago(minutes=1)))
    WorkerFactory(stopped_at=timezone.now())
    WorkerFactory(cluster=ClusterFactory(status="stopped"))
    job = JobFactory(state="running", worker=alive, started_at=ago(seconds=30))

    status = metrics.worker_status()

    assert {worker.id: worker.alive for worker in status.workers} == {
        alive.pk: True,
        lost.pk: False,
    }
    assert [cluster.id for cluster in status.silent] == [lost.cluster_id]
    assert (status.busy, status.idle) == (1, 0)
    state = next(worker for worker in status.workers if worker.id == alive.pk)
    assert (state.job, state.holds) == (job.pk, 1)
    assert state.running_for is not None
    assert state.running_for >= dt.timedelta(seconds=30)
