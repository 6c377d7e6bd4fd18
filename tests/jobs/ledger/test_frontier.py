"""Who claims batch after batch goes on where the last one ended, and overlooks nothing for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from django.db import connection

from jobs.dispatch import NewJob, insert
from jobs.ledger import Ledger, frontier
from jobs.ledger.frontier import BATCH, LONGEST, START, Frontier
from jobs.models import Job

NAME = "tests.jobs.sample_jobs.add"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(frontier, "monotonic", clock)
    return clock


def new(count: int, **options: object) -> list[UUID]:
    payload = {"args": [1], "kwargs": {}}
    return insert(
        [
            NewJob(definition=NAME, queue="default", arguments=payload, **options)  # type: ignore[arg-type]
            for _ in range(count)
        ]
    )


def claim(book: Ledger, limit: int = BATCH) -> list[UUID]:
    return [job.id for job in book.claim(worker_id=7, queues=["default"], limit=limit)]


def reached(passed: Frontier, rank: int = 5) -> None:
    passed.bounds(["a"], BATCH)
    passed.reach([("a", rank, UUID(int=1))])


def test_the_next_look_begins_behind_the_last_job_that_was_claimed(clock: Clock) -> None:
    passed = Frontier()
    passed.bounds(["a", "b"], BATCH)
    passed.reach([("a", 5, UUID(int=2)), ("a", 5, UUID(int=9)), ("a", 4, UUID(int=10))])

    assert passed.bounds(["b", "a"], BATCH) == ([START[0], 5], [START[1], UUID(int=9)])


def test_now_and_then_a_look_is_from_the_start(clock: Clock) -> None:
    passed = Frontier()
    reached(passed)
    clock.now += LONGEST / 2
    reached(passed, rank=6)
    assert passed.bounds(["a"], BATCH)[0] == [6]

    clock.now += LONGEST / 2
    assert passed.bounds(["a"], BATCH)[0] == [START[0]]


def test_looks_from_the_start_take_no_more_than_a_tenth_of_the_time(clock: Clock) -> None:
    passed = Frontier()
    passed.bounds(["a"], BATCH)
    clock.now += 0.5
    passed.reach([("a", 5, UUID(int=1))])

    clock.now += 4.9
    assert passed.bounds(["a"], BATCH)[0] == [5]
    clock.now += 0.2
    assert passed.bounds(["a"], BATCH)[0] == [START[0]]


def test_a_small_claim_looks_from_the_start(clock: Clock) -> None:
    passed = Frontier()
    reached(passed)

    assert passed.bounds(["a"], BATCH - 1)[0] == [START[0]]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_urgent_job_is_overlooked_for_a_moment_only(book: Ledger, clock: Clock) -> None:
    old = new(3 * BATCH)
    assert claim(book) == old[:BATCH]
    (urgent,) = new(1, priority=100)

    assert claim(book) == old[BATCH : 2 * BATCH]
    clock.now += LONGEST
    assert claim(book)[0] == urgent


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_what_lies_behind_the_frontier_is_claimed_when_nothing_lies_before_it(
    book: Ledger, clock: Clock
) -> None:
    new(BATCH)
    claimed = book.claim(worker_id=7, queues=["default"], limit=BATCH)
    book.give_back(claimed[:3])

    assert claim(book) == [job.id for job in claimed[:3]]


@contextmanager
def open_snapshot() -> Iterator[None]:
    """A transaction that has read something and does not end."""
    settings = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: settings[name] for name in names if settings.get(name)}) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT COUNT(*) FROM jobs_worker")
        yield
        other.rollback()


def entries_read() -> int:
    """How many entries of the claim's index this session has looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_job_claim'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_forgotten_transaction_does_not_make_each_claim_dearer(
    book: Ledger, clock: Clock
) -> None:
    batches = 20
    new(batches * BATCH)
    before = entries_read()

    with open_snapshot():
        for _ in range(batches):
            assert len(claim(book)) == BATCH

    # From the start, the last claim alone would pass all that were claimed before.
    assert entries_read() - before < 3 * batches * BATCH
    assert not Job.objects.ready().exists()
