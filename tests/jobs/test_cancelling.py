"""Cancelling jobs and clearing queues."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from jobs.audit import Actor
from jobs.cancelling import cancel, clear_queue
from jobs.events import job_cancelled
from jobs.exceptions import UnknownQueue
from jobs.models import AuditEntry, Job, JobState
from tests.jobs.factories import JobFactory, many_jobs

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def receiver(sender: str, **payload: Any) -> None:
        events.append(payload)

    job_cancelled.connect(receiver)
    yield events
    job_cancelled.disconnect(receiver)


CHAIN = UUID(int=7)
"""Of jobs that follow one another as the links of a chain of django-q2."""


def state_of(job: Job) -> str:
    return str(Job.objects.values_list("state", flat=True).get(pk=job.pk))


@pytest.mark.parametrize("state", ["ready", "scheduled", "blocked"])
def test_a_waiting_job_ends_as_cancelled(state: str) -> None:
    job = JobFactory(state=state)

    report = cancel([job.pk], OPERATOR)

    job.refresh_from_db()
    assert (report.cancelled, report.requested, report.skipped) == (1, 0, 0)
    assert job.state == JobState.CANCELLED
    assert job.finished_at is not None


def test_a_running_job_is_asked_to_stop_and_goes_on() -> None:
    job = JobFactory(state=JobState.RUNNING)

    report = cancel([job.pk], OPERATOR)

    job.refresh_from_db()
    assert (report.cancelled, report.requested, report.skipped) == (0, 1, 0)
    assert job.state == JobState.RUNNING
    assert job.cancel_requested


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_finished_job_is_skipped_with_the_reason(state: str) -> None:
    job = JobFactory(state=state)

    report = cancel([job.pk], OPERATOR)

    assert report.skipped == 1
    assert report.reasons == {f"is {state}": 1}
    assert state_of(job) == state
    assert not AuditEntry.objects.exists()


def test_a_job_that_was_asked_already_and_one_that_never_was_are_skipped() -> None:
    asked = JobFactory(state=JobState.RUNNING, cancel_requested=True)

    report = cancel([asked.pk, uuid4()], OPERATOR)

    assert report.reasons == {"is running": 1, "no such job": 1}


def test_all_that_is_blocked_by_a_cancelled_job_is_cancelled_with_it() -> None:
    first = JobFactory()
    second = JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=first)
    third = JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=second, queue="low")
    beside = JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=first)
    unrelated = JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=JobFactory())

    report = cancel([first.pk], OPERATOR)

    assert report.cancelled == 4
    assert {state_of(job) for job in (first, second, third, beside)} == {"cancelled"}
    assert state_of(unrelated) == "blocked"
    assert AuditEntry.objects.get().count == 4


def test_a_blocked_job_that_is_cancelled_with_its_predecessor_is_counted_once() -> None:
    first = JobFactory()
    second = JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=first)

    report = cancel(Job.objects.all(), OPERATOR)

    assert (report.cancelled, report.skipped) == (2, 0)
    assert state_of(second) == "cancelled"


def test_a_blocked_job_of_a_later_page_is_counted_once() -> None:
    first = JobFactory()
    many_jobs(600)
    JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=first)

    report = cancel(Job.objects.all(), OPERATOR)

    assert (report.cancelled, report.skipped) == (602, 0)


@pytest.mark.django_db(transaction=True)
def test_listeners_hear_of_it_after_the_commit(heard: list[dict[str, Any]]) -> None:
    job = JobFactory(queue="low", attempts=2)

    with transaction.atomic():
        cancel([job.pk], OPERATOR)
        assert heard == []

    (event,) = heard
    assert (event["job_id"], event["definition"], event["queue"]) == (
        job.pk,
        "tests.jobs.sample_jobs.add",
        "low",
    )
    assert event["attempt"] == 2
    assert event["detail"] == "cancelled by a test"


def test_clearing_a_queue_cancels_what_waits_in_it_and_nothing_else() -> None:
    waiting = [JobFactory(queue="low", state=s) for s in ("ready", "scheduled", "blocked")]
    running = JobFactory(queue="low", state=JobState.RUNNING)
    elsewhere = JobFactory(queue="high")

    report = clear_queue("low", OPERATOR, "not needed")

    assert (report.cancelled, report.requested, report.skipped) == (3, 0, 0)
    assert {state_of(job) for job in waiting} == {"cancelled"}
    running.refresh_from_db()
    assert (running.state, running.cancel_requested) == ("running", False)
    assert state_of(elsewhere) == "ready"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.count) == ("clear_queue", "queue low", 3)


def test_a_long_queue_is_cleared_in_batches() -> None:
    many_jobs(1203, queue="low")

    assert clear_queue("low", OPERATOR).cancelled == 1203
    assert not Job.objects.ready().exists()


def test_an_unknown_queue_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownQueue, match=r"'analytic'.*Did you mean 'analytics'"):
        clear_queue("analytic", OPERATOR)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_being_claimed_is_asked_to_stop_once_it_runs() -> None:
    job = JobFactory()
    others = many_jobs(3)
    claimed, commit = threading.Event(), threading.Event()

    def claim() -> None:
        try:
            with transaction.atomic():
                Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
                claimed.set()
                commit.wait(timeout=30)
        finally:
            connection.close()

    worker = threading.Thread(target=claim)
    worker.start()
    assert claimed.wait(timeout=30)
    # The cancellation comes to wait for the claim, which ends as soon as somebody waits for it.
    watcher = threading.Timer(0.2, commit.set)
    watcher.start()
    report = cancel([job.pk, *others], OPERATOR)
    worker.join(timeout=30)

    assert (report.cancelled, report.requested, report.skipped) == (3, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_cancel_the_same_chains_do_not_block_each_other() -> None:
    first = [JobFactory() for _ in range(150)]
    second = [JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=job) for job in first]
    third = [JobFactory(state=JobState.BLOCKED, chain=CHAIN, follows=job) for job in second]
    start = threading.Barrier(2)
    reports: list[int] = []

    def operate(ids: list[Any]) -> None:
        try:
            start.wait(timeout=30)
            reports.append(cancel(ids, OPERATOR).cancelled)
        finally:
            connection.close()

    # Who follows the first link comes to what the other holds, and the other way round.
    one = [job.pk for job in [*first, *third]]
    other = [job.pk for job in second]
    operators = [threading.Thread(target=operate, args=(ids,)) for ids in (one, other)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join(timeout=60)

    assert sum(reports) == 450
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
