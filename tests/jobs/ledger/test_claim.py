"""Which jobs a claim takes, in which order, and that it takes each once."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.dispatch import NewJob, insert
from jobs.ledger import Ledger, connect, ledger
from jobs.ledger.order import claim_rank
from jobs.ledger.outcome import ClaimedJob
from jobs.models import Job, JobState, Queue
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.jobs.sample_jobs.add"


def new(queue: str = "default", **options: object) -> NewJob:
    payload = {"args": [1], "kwargs": {}}
    return NewJob(definition=NAME, queue=queue, arguments=payload, **options)  # type: ignore[arg-type]


def claim(book: Ledger, *queues: str, limit: int = 10) -> list[ClaimedJob]:
    return book.claim(worker_id=7, queues=queues or ("default",), limit=limit)


def ids(claimed: Sequence[ClaimedJob]) -> list[UUID]:
    return [job.id for job in claimed]


def test_queues_are_served_in_the_given_order(book: Ledger) -> None:
    low, high, middle = insert([new("low"), new("high"), new("default")])
    assert ids(claim(book, "high", "default", "low")) == [high, middle, low]


def test_inside_a_queue_priority_comes_before_deadline_and_deadline_before_age(
    book: Ledger,
) -> None:
    soon = timezone.now() + dt.timedelta(minutes=1)
    later = soon + dt.timedelta(hours=1)
    oldest, urgent, due_later, due_soon, youngest = insert(
        [
            new(),
            new(priority=10),
            new(deadline=later),
            new(deadline=soon),
            new(),
        ]
    )
    assert ids(claim(book)) == [urgent, due_soon, due_later, oldest, youngest]


def test_a_negative_priority_waits_for_all_others(book: Ledger) -> None:
    humble, plain = insert([new(priority=-100), new()])
    assert ids(claim(book)) == [plain, humble]


def test_a_deadline_before_1970_or_after_5138_keeps_its_place() -> None:
    past = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
    far = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
    assert claim_rank(0, past) < claim_rank(0, timezone.now()) < claim_rank(0, far)
    assert claim_rank(0, far) == claim_rank(0, None) < claim_rank(-1, past)


def test_the_limit_counts_over_all_queues(book: Ledger) -> None:
    insert([new("high"), new("high"), new("low"), new("low")])
    assert len(claim(book, "high", "low", limit=3)) == 3
    assert Job.objects.ready().values_list("queue", flat=True).get() == "low"


def test_a_queue_that_is_not_named_gives_nothing(book: Ledger) -> None:
    insert([new("other")])
    assert claim(book, "default") == []


def test_a_paused_queue_gives_nothing_until_its_pause_ends(book: Ledger) -> None:
    insert([new()])
    now = timezone.now()
    Queue.objects.create(name="default", paused_at=now)
    assert claim(book) == []
    Queue.objects.update(paused_until=now - dt.timedelta(seconds=1))
    assert len(claim(book)) == 1


def test_a_definition_that_the_worker_does_not_know_stays_for_another(book: Ledger) -> None:
    insert([new()])
    assert book.claim(worker_id=7, queues=["default"], limit=5, except_definitions=[NAME]) == []
    assert len(claim(book)) == 1


def test_a_claim_spends_an_attempt_and_raises_the_fence(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    job = Job.objects.get()
    assert (job.state, job.attempts, job.fence, job.worker_id) == (JobState.RUNNING, 1, 1, 7)
    assert (claimed.attempts, claimed.fence, claimed.worker_id) == (1, 1, 7)
    assert claimed.arguments == {"args": [1], "kwargs": {}}
    assert job.started_at == claimed.started_at
    assert claimed.enqueued_at <= claimed.started_at


def test_a_future_job_is_not_claimed_and_a_due_one_is_promoted(book: Ledger) -> None:
    future, past = insert(
        [
            new(delay=dt.timedelta(hours=1)),
            new(due_at=timezone.now() - dt.timedelta(hours=1)),
        ]
    )
    assert ids(claim(book)) == [past]
    assert book.promote() == set()
    Job.objects.filter(pk=future).update(due_at=timezone.now() - dt.timedelta(seconds=1))
    assert book.promote() == {"default"}
    assert ids(claim(book)) == [future]


def test_what_was_given_back_costs_no_attempt(book: Ledger) -> None:
    insert([new(), new()])
    claimed = claim(book)
    assert book.give_back(claimed) == 2
    assert set(Job.objects.values_list("state", "attempts")) == {("ready", 0)}
    (again, _) = claim(book)
    assert (again.attempts, again.fence) == (1, 2)


def test_only_the_newest_holder_can_give_back(book: Ledger) -> None:
    insert([new()])
    first = claim(book)
    book.give_back(first)
    claim(book)
    assert book.give_back(first) == 0
    assert Job.objects.get().state == JobState.RUNNING


def test_claim_job_takes_a_ready_one_once(book: Ledger) -> None:
    (job_id,) = insert([new()])
    assert book.claim_job(job_id, worker_id=1) is not None
    assert book.claim_job(job_id, worker_id=2) is None


def test_workers_that_claim_at_once_never_take_the_same_job(book: Ledger) -> None:
    wanted = insert([new(priority=n % 3) for n in range(300)])
    taken: list[UUID] = []
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work(worker_id: int) -> None:
        own = connect()
        try:
            mine = ledger(own)
            start.wait(10)
            while claimed := mine.claim(worker_id=worker_id, queues=["default"], limit=7):
                taken.extend(ids(claimed))
        except BaseException as error:
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert Counter(taken) == Counter(wanted)


def test_a_claim_reads_only_the_index_of_what_is_ready(book: Ledger) -> None:
    insert([new(delay=dt.timedelta(days=1)) for _ in range(2000)])
    insert([new() for _ in range(2000)])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE jobs_job")
            cursor.execute(
                "EXPLAIN SELECT id FROM jobs_job WHERE state = 'ready' AND queue = 'default' "
                "ORDER BY claim_rank, id LIMIT 10 FOR UPDATE SKIP LOCKED"
            )
        else:
            cursor.execute(
                "EXPLAIN QUERY PLAN SELECT id FROM jobs_job WHERE state = 'ready' "
                "AND queue = 'default' ORDER BY claim_rank, id LIMIT 10"
            )
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "jobs_job_claim" in plan
    assert "sort" not in plan.lower()
    assert "b-tree" not in plan.lower()


def test_an_enqueued_job_is_part_of_the_callers_transaction(book: Ledger) -> None:
    with transaction.atomic():
        sample_jobs.add.enqueue(1)
        assert Job.objects.exists()
        transaction.set_rollback(True)
    assert not Job.objects.exists()
