"""What follows once jobs are enqueued: nothing before the commit, then everybody is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.dispatch import insert
from jobs.events import job_queued
from jobs.ledger import connect
from jobs.models import Job, JobState, JobTag
from jobs.transports import database
from jobs.transports.database import CHANNEL
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)

Enqueue = Callable[[], object]

WAYS = [
    pytest.param(lambda: sample_jobs.add.enqueue(1), 1, id="one"),
    pytest.param(lambda: sample_jobs.add.enqueue_many([1, {"a": 2}, (3,)]), 3, id="alike"),
    pytest.param(lambda: sample_jobs.tagged.enqueue_many([1, 2]), 2, id="tagged"),
]


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """The payloads of `job_queued`."""
    payloads: list[dict[str, Any]] = []

    def receiver(**payload: Any) -> None:
        payloads.append(payload)

    job_queued.connect(receiver)
    yield payloads
    job_queued.disconnect(receiver)


@pytest.mark.parametrize(("enqueue", "count"), WAYS)
def test_receivers_hear_of_each_job_once_it_is_committed(
    enqueue: Enqueue, count: int, heard: list[dict[str, Any]]
) -> None:
    with transaction.atomic():
        enqueue()
        assert not heard
    assert {payload["job_id"] for payload in heard} == set(Job.objects.values_list("id", flat=True))
    assert len(heard) == count
    job = Job.objects.order_by("id")[0]
    del heard[0]["signal"]
    assert heard[0] == {
        "sender": job.definition,
        "definition": job.definition,
        "job_id": job.id,
        "queue": job.queue,
        "attempt": 0,
        "due_at": None,
    }


@pytest.mark.parametrize(("enqueue", "count"), WAYS)
def test_nobody_hears_of_jobs_that_are_rolled_back(
    enqueue: Enqueue, count: int, heard: list[dict[str, Any]]
) -> None:
    with transaction.atomic():
        enqueue()
        transaction.set_rollback(True)
    assert not heard
    assert not Job.objects.exists()


@pytest.mark.parametrize(("enqueue", "count"), WAYS)
def test_the_sync_transport_runs_each_once_they_are_committed(
    enqueue: Enqueue, count: int, settings: Any, calls: list[object]
) -> None:
    settings.JOBS_TRANSPORT = "sync"
    with transaction.atomic():
        enqueue()
        assert not calls
    assert len(calls) == count
    assert Job.objects.in_state(JobState.SUCCEEDED).count() == count


def test_no_calls_are_no_jobs(heard: list[dict[str, Any]]) -> None:
    assert sample_jobs.add.enqueue_many([]) == []
    assert insert([]) == []
    assert not heard


def test_many_jobs_have_the_options_of_the_copy_that_enqueues_them() -> None:
    chosen = sample_jobs.add.using(
        queue_name="high", priority=9, max_attempts=4, tags=["red"], deadline=60
    )
    chosen.enqueue_many(range(3))
    for job in Job.objects.all():
        assert (job.queue, job.priority, job.options) == ("high", 9, {"max_attempts": 4})
        assert job.deadline is not None
    assert JobTag.objects.filter(name="red").count() == 3


@pytest.mark.postgresql
def test_workers_are_woken_once_for_many_jobs_and_only_for_queues_with_ready_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "_announced", {})
    tomorrow = timezone.now() + dt.timedelta(days=1)
    own = connect()
    try:
        own.cursor().execute(f"LISTEN {CHANNEL}")
        with transaction.atomic():
            sample_jobs.add.enqueue_many(range(100))
            sample_jobs.add.using(queue_name="it's").enqueue_many(range(2))
            sample_jobs.add.using(queue_name="later", run_after=tomorrow).enqueue_many(range(2))
            database.announce(connection, ["committing"])
        database.announce(connection, ["end"])
        assert _notes_until("end", own.connection) == ["committing", "default", "it's", "end"]
    finally:
        own.close()


def _notes_until(last: str, session: Any) -> list[str]:
    found: list[str] = []
    for note in session.notifies(timeout=10):
        found.append(note.payload)
        if note.payload == last:
            break
    return found
