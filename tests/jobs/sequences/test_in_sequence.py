"""Jobs of one key run one after the other, in the order in which they were enqueued."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from jobs import InSequence, batch, chain, job
from jobs.audit import Actor
from jobs.cancelling import cancel
from jobs.exceptions import InvalidDefinition, InvalidWorkflow
from jobs.failures.redrive import retry
from jobs.ledger import Ledger, retention
from jobs.models import FailedJob, Job, JobSequence
from jobs.transports.sync import run_due
from tests.jobs.claims import end_of
from tests.jobs.sequences import sequence_jobs
from tests.jobs.sequences.sequence_jobs import all_in_line, books, pays, refunds
from tests.support.cluster import Worksite

OPERATOR = Actor.of_code("a test")


@pytest.fixture
def ran(transactional_db: None) -> Iterator[list[Any]]:
    """What ran in this process."""
    sequence_jobs.ran.clear()
    yield sequence_jobs.ran
    sequence_jobs.ran.clear()


def states() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("state", flat=True))


def claim(book: Ledger, limit: int = 10) -> list[Any]:
    return book.claim(worker_id=7, queues=["default"], limit=limit)


def test_the_next_begins_when_the_one_before_it_has_ended(ran: list[Any], book: Ledger) -> None:
    books.enqueue_many([("a", 1), ("a", 2), ("a", 3)])
    assert states() == ["ready", "blocked", "blocked"]
    (first,) = claim(book)
    book.complete([end_of(first, gated=True)])
    assert states() == ["succeeded", "ready", "blocked"]
    run_due()
    assert ran == [("a", 2), ("a", 3)]


def test_other_keys_do_not_wait(ran: list[Any]) -> None:
    books.enqueue_many([("a", 1), ("b", 1), ("a", 2), ("b", 2)])
    assert states() == ["ready", "ready", "blocked", "blocked"]


def test_while_one_is_tried_again_the_others_wait(ran: list[Any]) -> None:
    books.enqueue_many([("a", -1), ("a", 2)])
    run_due()
    assert states() == ["scheduled", "blocked"]
    Job.objects.filter(state="scheduled").update(due_at="2020-01-01T00:00:00Z")
    run_due()
    assert states() == ["failed", "succeeded"]
    assert ran == [("a", -1), ("a", -1), ("a", 2)]


def test_one_that_comes_when_all_have_ended_begins_at_once(ran: list[Any]) -> None:
    books.enqueue("a", 1)
    run_due()
    books.enqueue("a", 2)
    assert states() == ["succeeded", "ready"]


def test_definitions_may_share_a_line(ran: list[Any]) -> None:
    pays.enqueue("a")
    refunds.enqueue("a")
    refunds.enqueue("b")
    assert states() == ["ready", "blocked", "ready"]
    run_due()
    assert ran.index(("pays", "a")) < ran.index(("refunds", "a"))


def test_without_a_key_all_stand_in_one_line(ran: list[Any]) -> None:
    all_in_line.enqueue_many([3, 1, 2])
    assert states() == ["ready", "blocked", "blocked"]
    run_due()
    assert ran == [3, 1, 2]


def test_priority_does_not_overtake(ran: list[Any]) -> None:
    books.enqueue("a", 1)
    books.using(priority=100).enqueue("a", 2)
    run_due()
    assert ran == [("a", 1), ("a", 2)]


def test_one_that_is_cancelled_lets_the_next_go(ran: list[Any]) -> None:
    books.enqueue_many([("a", 1), ("a", 2), ("a", 3)])
    first = Job.objects.earliest("pk")
    cancel([first.pk], OPERATOR)
    assert states() == ["cancelled", "ready", "blocked"]


def test_one_that_is_cancelled_in_the_middle_leaves_the_order_as_it_was(
    ran: list[Any], book: Ledger
) -> None:
    books.enqueue_many([("a", number) for number in (1, 2, 3, 4)])
    ids = list(Job.objects.order_by("pk").values_list("pk", flat=True))
    cancel(ids[1:3], OPERATOR)
    assert states() == ["ready", "cancelled", "cancelled", "blocked"]
    (running,) = claim(book)
    cancel([ids[1]], OPERATOR)
    book.complete([end_of(running, gated=True)])
    assert states() == ["succeeded", "cancelled", "cancelled", "ready"]


def test_one_that_is_retried_stands_at_the_end_of_the_line(ran: list[Any]) -> None:
    books.using(max_attempts=1).enqueue("a", -1)
    run_due()
    books.enqueue("a", 2)
    failed = FailedJob.objects.get()
    retry([failed.pk], OPERATOR)
    assert states() == ["failed", "ready", "blocked"]


def test_a_predecessor_that_has_ended_unseen_is_found(ran: list[Any], book: Ledger) -> None:
    books.enqueue_many([("a", 1), ("a", 2)])
    Job.objects.filter(state="ready").update(state="succeeded", finished_at="2026-01-01T00:00:00Z")
    assert states() == ["succeeded", "blocked"]
    assert book.mend_sequences() == {"default"}
    assert states() == ["succeeded", "ready"]


def test_one_that_ends_between_the_look_and_the_commit_is_found_at_once(
    ran: list[Any], book: Ledger
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    books.enqueue("a", 1)
    (first,) = claim(book)

    def ends() -> None:
        with closing(connections.create_connection("default")) as other:
            from jobs.ledger import ledger

            ledger(other).complete([end_of(first, gated=True)])

    with transaction.atomic():
        books.enqueue("a", 2)
        thread = threading.Thread(target=ends)
        thread.start()
        thread.join(10)
    assert states() == ["succeeded", "ready"]


def test_nothing_is_kept_of_a_line_in_which_nobody_stands(ran: list[Any]) -> None:
    books.enqueue_many([("a", 1), ("b", 1)])
    run_due()
    books.enqueue("b", 2)
    JobSequence.objects.update(changed_at="2026-01-01T00:00:00Z")
    assert retention.run_once().sequences == 1
    assert JobSequence.objects.get().label.endswith('{"account":"b"}')


def test_a_call_that_is_rolled_back_leaves_no_gap(ran: list[Any]) -> None:
    books.enqueue("a", 1)
    with transaction.atomic():
        books.enqueue("a", 2)
        transaction.set_rollback(True)
    books.enqueue("a", 3)
    run_due()
    assert ran == [("a", 1), ("a", 3)]


@pytest.mark.parametrize("made", [chain(books.s("a", 1)), batch([books.s("a", 1)])])
def test_a_workflow_cannot_say_when_such_a_job_begins(ran: list[Any], made: Any) -> None:
    with pytest.raises(InvalidWorkflow, match="runs in sequence"):
        made.enqueue()
    assert not Job.objects.exists()


def test_a_name_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="'customer' is no parameter of nothing"):

        @job(middleware=[InSequence(["customer"])])
        def nothing(account: str) -> None: ...


def test_a_job_stands_in_one_line_only() -> None:
    with pytest.raises(InvalidDefinition, match="one line only"):

        @job(middleware=[InSequence(), InSequence()])
        def nowhere() -> None: ...


def test_many_workers_keep_the_order_of_every_key(site: Worksite, tmp_path: Path) -> None:
    path = tmp_path / "order"
    calls = [(f"key-{number % 7}", number, str(path)) for number in range(210)]
    sequence_jobs.notes.enqueue_many(calls)
    site.start(pool={"processes": 3})
    site.wait_until_done()
    order: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines():
        account, number = line.split()
        order[account].append(int(number))
    assert len(order) == 7
    assert all(numbers == sorted(numbers) for numbers in order.values())
