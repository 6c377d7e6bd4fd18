"""Rows go when their time is over, and nothing else goes with them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.identifiers import uuid7
from jobs.ledger import connect, retention
from jobs.models import (
    Attempt,
    Cluster,
    FailedJob,
    Job,
    JobLog,
    JobSchedule,
    JobTag,
    ScheduleSlot,
    Worker,
)

pytestmark = pytest.mark.django_db(transaction=True)

DAY = dt.timedelta(days=1)


def _ago(days: float) -> dt.datetime:
    return timezone.now() - days * DAY


def _job(state: str, days: float | None = None, **fields: Any) -> Job:
    finished = _ago(days) if days is not None else None
    job = Job.objects.create(
        definition="a.b", queue="default", state=state, claim_rank=0, arguments={},
        finished_at=finished, **fields,
    )  # fmt: skip
    JobTag.objects.create(job=job, name="tag")
    JobLog.objects.create(job=job, attempt=1, at=timezone.now(), message="line")
    Attempt.objects.create(
        job=job, number=1, fence=1, started_at=_ago(days or 0), finished_at=_ago(days or 0),
        outcome="succeeded",
    )  # fmt: skip
    return job


def test_finished_jobs_go_after_the_time_of_their_state_with_all_that_is_theirs() -> None:
    kept = {
        _job("succeeded", 6.9).pk, _job("cancelled", 6.9).pk, _job("failed", 29.9).pk,
        _job("running").pk, _job("ready").pk, _job("scheduled").pk,
    }  # fmt: skip
    for state, days in (("succeeded", 7.1), ("cancelled", 7.1), ("failed", 30.1)):
        _job(state, days)
    report = retention.run_once()
    assert report.jobs == 3
    assert str(report) == "3 jobs"
    assert set(Job.objects.values_list("pk", flat=True)) == kept
    for model in (JobTag, JobLog, Attempt):
        assert set(model.objects.values_list("job_id", flat=True)) == kept
    assert not retention.run_once()


def test_a_dead_letter_is_kept_as_long_as_failed_jobs() -> None:
    for days in (29, 31):
        FailedJob.objects.create(
            job_id=uuid7(), definition="a.b", queue="default", arguments={}, reason="exception",
            fingerprint="f", attempts=1, enqueued_at=_ago(days), failed_at=_ago(days),
        )  # fmt: skip
    assert retention.run_once().failed_jobs == 1
    assert FailedJob.objects.count() == 1


def test_slots_go_by_their_own_time() -> None:
    schedule = JobSchedule.objects.create(name="s", definition="a.b", cron="0 0 * * *")
    for days in (89, 91):
        ScheduleSlot.objects.create(schedule=schedule, slot_at=_ago(days), outcome="enqueued")
    assert retention.run_once().slots == 1


def test_ended_workers_and_clusters_go_unless_they_hold_a_job() -> None:
    cluster = Cluster.objects.create(
        id=uuid4(), name="old", host="h", pid=1, status="lost", stopped_at=_ago(8)
    )
    alive = Cluster.objects.create(id=uuid4(), name="alive", host="h", pid=2, status="running")
    workers = [
        Worker.objects.create(cluster=cluster, host="h", pid=number, stopped_at=_ago(8))
        for number in (1, 2)
    ]
    living = Worker.objects.create(cluster=alive, host="h", pid=3)
    job = _job("running", worker=workers[0])
    report = retention.run_once()
    assert (report.workers, report.clusters) == (1, 0)
    assert set(Worker.objects.all()) == {workers[0], living}
    Job.objects.filter(pk=job.pk).update(state="ready")
    report = retention.run_once()
    assert (report.workers, report.clusters) == (1, 1)
    assert set(Cluster.objects.all()) == {alive}


def test_nothing_goes_where_it_is_kept_for_ever(settings: Any) -> None:
    settings.JOBS_RETENTION = {"succeeded": None}
    _job("succeeded", 1000)
    assert not retention.run_once()


def test_many_rows_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    for _ in range(10):
        _job("succeeded", 8)
    assert retention.run_once().jobs == 10
    assert not Attempt.objects.exists()


@pytest.mark.postgresql
def test_what_another_transaction_holds_is_left_for_the_next_time() -> None:
    held, _ = _job("succeeded", 8), _job("succeeded", 8)
    other = connect()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM jobs_job WHERE id = %s FOR UPDATE", [held.pk])
            assert retention.run_once().jobs == 1
            cursor.execute("COMMIT")
    finally:
        other.close()
    assert retention.run_once().jobs == 1


def test_whoever_receives_the_deletion_of_jobs_is_told_of_each() -> None:
    told: list[object] = []

    def hear(instance: Job, **_: object) -> None:
        told.append(instance.pk)

    jobs = [_job("succeeded", 8), _job("cancelled", 8)]
    kept = _job("succeeded", 6)
    post_delete.connect(hear, sender=Job)
    try:
        assert retention.run_once().jobs == 2
    finally:
        post_delete.disconnect(hear, sender=Job)
    assert set(told) == {job.pk for job in jobs}
    assert set(Attempt.objects.values_list("job_id", flat=True)) == {kept.pk}


def test_a_batch_takes_as_many_statements_however_many_jobs_it_has() -> None:
    counts = []
    for jobs in (2, 30):
        for _ in range(jobs):
            _job("succeeded", 8)
        with CaptureQueriesContext(connection) as seen:
            retention.run_once(keep={"succeeded": DAY})
        counts.append(len(seen))
        assert not Job.objects.exists()
    assert counts[0] == counts[1]
