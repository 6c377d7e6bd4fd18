"""Of calls that are the same one is in the ledger."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections, transaction
from django.utils import timezone

from jobs import Debounce, Unique, job
from jobs.audit import Actor
from jobs.cancelling import cancel
from jobs.exceptions import DuplicateJob, InvalidArguments, InvalidDefinition
from jobs.failures import redrive
from jobs.ledger import ledger, retention
from jobs.models import FailedJob, Job, UniqueLock
from jobs.transports.sync import run_due
from tests.jobs.uniqueness import unique_jobs

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ran() -> Iterator[list[Any]]:
    unique_jobs.ran.clear()
    yield unique_jobs.ran
    unique_jobs.ran.clear()


def test_a_second_call_gives_way_to_the_job_that_is_there(ran: list[Any]) -> None:
    first = unique_jobs.only_one.enqueue(1, note="a")
    again = unique_jobs.only_one.enqueue(1, note="a")
    other = unique_jobs.only_one.enqueue(1, note="b")
    assert again.id == first.id
    assert other.id != first.id
    assert Job.objects.count() == 2
    run_due()
    assert ran == [(1, "a"), (1, "b")]
    assert unique_jobs.only_one.enqueue(1, note="a").id != first.id


def test_calls_are_the_same_however_they_are_written(ran: list[Any]) -> None:
    first = unique_jobs.only_one.enqueue(1)
    assert unique_jobs.only_one.enqueue(number=1, note="").id == first.id


def test_of_many_that_are_enqueued_at_once_one_is_left(ran: list[Any]) -> None:
    ids = unique_jobs.only_one.enqueue_many([1, 2, 1, 1, 2])
    assert Job.objects.count() == 2
    assert ids[0] == ids[2] == ids[3]
    assert ids[1] == ids[4]


def test_the_arguments_of_a_job_that_waits_are_replaced(ran: list[Any]) -> None:
    first = unique_jobs.newest_note.enqueue(1, "old")
    assert unique_jobs.newest_note.enqueue(1, "new").id == first.id
    unique_jobs.newest_note.enqueue_many([(2, "old"), (2, "new")])
    run_due()
    assert ran == [(1, "new"), (2, "new")]


def test_a_job_that_waits_is_moved_to_another_time(ran: list[Any]) -> None:
    first = unique_jobs.moved.using(run_after=timezone.now() + HOUR).enqueue(1)
    assert Job.objects.get().state == "scheduled"
    assert unique_jobs.moved.enqueue(1).id == first.id
    run_due()
    assert ran == [1]


def test_whoever_wants_to_know_is_told(ran: list[Any]) -> None:
    first = unique_jobs.refused.enqueue(1)
    with pytest.raises(DuplicateJob) as error:
        unique_jobs.refused.enqueue(1)
    assert error.value.job_id.hex == first.id
    with pytest.raises(DuplicateJob):
        unique_jobs.refused.enqueue_many([2, 2])
    assert Job.objects.count() == 1


def test_once_it_has_started_another_may_be_enqueued(ran: list[Any]) -> None:
    first = unique_jobs.until_start.enqueue(7)
    assert unique_jobs.until_start.enqueue(7).id == first.id
    run_due()
    assert ran[0] != first.id
    assert ran[1] == 7


def test_a_period_keeps_others_out_even_if_the_job_has_ended(ran: list[Any]) -> None:
    first = unique_jobs.once_an_hour.enqueue(1)
    run_due()
    assert unique_jobs.once_an_hour.enqueue(1).id == first.id
    UniqueLock.objects.update(expires_at=timezone.now() - HOUR)
    assert unique_jobs.once_an_hour.enqueue(1).id != first.id


def test_definitions_may_share_their_keys(ran: list[Any]) -> None:
    first = unique_jobs.imports_fully.enqueue("feed")
    assert unique_jobs.imports_partly.enqueue("feed").id == first.id


def test_a_job_that_waits_for_its_next_attempt_still_counts(ran: list[Any]) -> None:
    first = unique_jobs.fails_first.enqueue()
    run_due()
    assert unique_jobs.fails_first.enqueue().id == first.id


def test_a_cancelled_or_failed_job_counts_no_more(ran: list[Any]) -> None:
    first = unique_jobs.only_one.enqueue(1)
    cancel([Job.objects.get().pk], Actor.of_code("test"))
    assert unique_jobs.only_one.enqueue(1).id != first.id


def test_what_is_rolled_back_has_no_lock(ran: list[Any]) -> None:
    with transaction.atomic():
        unique_jobs.only_one.enqueue(1)
        transaction.set_rollback(True)
    assert not UniqueLock.objects.exists()
    unique_jobs.only_one.enqueue(1)
    assert Job.objects.count() == 1


def test_a_model_instance_is_told_by_its_key(ran: list[Any]) -> None:
    group = Group.objects.create(name="writers")
    first = unique_jobs.of_a_group.enqueue(group)
    group.name = "readers"
    assert unique_jobs.of_a_group.enqueue(group).id == first.id
    run_due()
    assert ran == [group.pk]


def test_the_last_of_many_calls_wins_after_a_silence(ran: list[Any]) -> None:
    unique_jobs.reindexes.enqueue(1)
    unique_jobs.reindexes.enqueue(2)
    (waiting,) = Job.objects.all()
    assert waiting.state == "scheduled"
    assert waiting.due_at is not None
    assert (waiting.due_at - timezone.now()).total_seconds() == pytest.approx(60, abs=5)
    Job.objects.update(due_at=timezone.now())
    run_due()
    assert ran == [2]


def test_it_is_not_put_off_for_ever(ran: list[Any]) -> None:
    unique_jobs.reindexes.enqueue(1)
    Job.objects.update(enqueued_at=timezone.now() - dt.timedelta(seconds=120))
    unique_jobs.reindexes.enqueue(2)
    (waiting,) = Job.objects.all()
    assert waiting.due_at is not None
    assert (waiting.due_at - timezone.now()).total_seconds() == pytest.approx(30, abs=5)


def test_a_failed_job_is_not_retried_beside_another_of_its_key(ran: list[Any]) -> None:
    unique_jobs.fails_first.using(max_attempts=1).enqueue()
    run_due()
    unique_jobs.fails_first.enqueue()
    report = redrive.retry(FailedJob.objects.all(), Actor.of_code("test"))
    assert (report.retried, report.skipped) == (0, 1)
    assert "is there already" in next(iter(report.refused))
    assert FailedJob.objects.get().retried_at is None


def test_processes_that_enqueue_at_the_same_moment_make_one_job(ran: list[Any]) -> None:
    barrier, ids = threading.Barrier(4), []

    def enqueue() -> None:
        barrier.wait()
        ids.append(unique_jobs.only_one.enqueue(1).id)
        connections.close_all()

    threads = [threading.Thread(target=enqueue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert Job.objects.count() == 1


def test_locks_that_nothing_keeps_are_removed(ran: list[Any]) -> None:
    unique_jobs.only_one.enqueue_many([1, 2])
    cancel([Job.objects.get(arguments__args=[1]).pk], Actor.of_code("test"))
    UniqueLock.objects.update(taken_at=ledger().now() - 2 * HOUR)
    assert retention.run_once().unique_locks == 1
    assert UniqueLock.objects.get().job.arguments["args"] == [2]


def test_a_key_that_cannot_be_made_is_told_at_once(ran: list[Any]) -> None:
    with pytest.raises(InvalidArguments, match="the key of Unique raised"):
        unkeyable.enqueue(1)
    assert not Job.objects.exists()


@job(middleware=[Unique(lambda number: 1 / 0)])
def unkeyable(number: int) -> None: ...


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: job(middleware=[Unique(["nobody"])])(unkeyable.func), "'nobody' is no parameter"),
        (lambda: Unique("number"), "must be a list of parameters"),
        (lambda: Unique(on_conflict="wait"), "must be one of skip, replace, reschedule, raise"),
        (lambda: Unique(period=0), "period: 0 must be a positive"),
        (lambda: Debounce(0), "wait: 0 must be a positive"),
        (lambda: Debounce(60, longest=30), "must not be less than wait"),
        (
            lambda: job(middleware=[Unique(), Debounce(5)])(unkeyable.func),
            "unique in one way only",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make: Any, says: str) -> None:
    with pytest.raises(InvalidDefinition, match=says):
        make()
