"""Cached results, alone and in groups, and `async_iter`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django_q.models import Task
from django_q.tasks import (
    Iter,
    async_iter,
    async_task,
    count_group,
    delete_cached,
    delete_group,
    fetch,
    fetch_group,
    result,
    result_group,
)

from jobs.execution import runner
from jobs.execution.finishing import finish
from jobs.ledger import Ledger, connect, ledger
from jobs.models import FailedJob
from jobs.transports.sync import pool
from tests.jobs.django_q2.conftest import OLD

pytestmark = pytest.mark.usefixtures("clean_cache")


def test_a_cached_result_is_in_the_cache_and_not_in_the_table(run_jobs: Callable[[], int]) -> None:
    task_id = async_task("math.copysign", 1, -1, cached=True)

    assert result(task_id, cached=True) is None
    run_jobs()

    assert result(task_id, cached=True) == -1
    assert fetch(task_id, cached=True).success
    assert fetch(task_id) is None
    delete_cached(task_id)
    assert result(task_id, cached=True) is None


def test_a_cached_group_has_successes_and_failures(run_jobs: Callable[[], int]) -> None:
    for _ in range(3):
        async_task("math.copysign", 1, -1, cached=True, group="signs")
    async_task("math.popysign", 1, -1, cached=True, group="signs")

    run_jobs()

    assert count_group("signs", cached=True) == 4
    assert count_group("signs", cached=True, failures=True) == 1
    assert result_group("signs", cached=True) == [-1, -1, -1]
    assert len(fetch_group("signs", cached=True, failures=False)) == 3
    delete_group("signs", cached=True)
    assert count_group("signs", cached=True) is None


def test_an_iter_ends_as_one_result_of_all(run_jobs: Callable[[], int]) -> None:
    iter_id = async_iter("math.floor", [1.5, 2.5, 3.5])

    run_jobs()

    row = Task.objects.get(pk=iter_id)
    assert (sorted(row.result), row.args, row.success) == ([1, 2, 3], (1.5, 2.5, 3.5), True)
    assert Task.objects.count() == 1
    assert count_group(iter_id, cached=True) is None


def test_an_iter_may_keep_its_one_result_in_the_cache(run_jobs: Callable[[], int]) -> None:
    work = Iter("math.copysign", cached=True)
    work.append(1, -1)
    work.append(2, -1)
    iter_id = work.run()

    run_jobs()

    assert sorted(work.result()) == [-2, -1]
    assert not Task.objects.filter(pk=iter_id).exists()


def test_a_failed_member_is_in_the_result_of_an_iter_and_spoils_its_success(
    run_jobs: Callable[[], int],
) -> None:
    iter_id = async_iter("math.sqrt", [4, -1])

    run_jobs()

    row = Task.objects.get(pk=iter_id)
    assert not row.success
    assert 2.0 in row.result
    assert any("math domain error" in str(item) for item in row.result)


def test_a_lost_result_fails_the_last_member_and_says_what_is_missing(
    run_jobs: Callable[[], int], book: Ledger
) -> None:
    async_iter("math.floor", [1.5, 2.5])
    (first,) = book.claim(worker_id=1, queues=["default"], limit=1)
    finish(book, [runner.run(first, pool=pool())])
    cache.delete(f"jobsite:{first.arguments['kwargs']['task']['id']}")

    run_jobs()

    assert FailedJob.objects.filter(message__contains="no longer in the cache").exists()


@pytest.mark.postgresql
def test_members_that_end_at_once_are_all_counted(transactional_db: None) -> None:
    iter_id = async_iter("math.floor", [float(number) for number in range(24)])
    waiting = threading.Barrier(4)

    def work(worker_id: int) -> None:
        own = connect()
        try:
            book = ledger(own)
            claimed = book.claim(worker_id=worker_id, queues=["default"], limit=6)
            waiting.wait(10)
            for job in claimed:
                finish(book, [runner.run(job, pool=None)])
        finally:
            own.close()
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(Task.objects.get(pk=iter_id).result) == list(range(24))


def test_a_member_that_runs_twice_counts_once(book: Ledger) -> None:
    iter_id = async_iter("math.floor", [1.5, 2.5])
    (first,) = book.claim(worker_id=1, queues=["default"], limit=1)

    # Its worker died after the call, and before the ledger knew.
    runner.run(first, pool=pool())
    runner.run(first, pool=pool())
    assert not Task.objects.filter(pk=iter_id).exists()

    (second,) = book.claim(worker_id=1, queues=["default"], limit=1)
    runner.run(second, pool=pool())
    assert sorted(Task.objects.get(pk=iter_id).result) == [1, 2]


def test_args_of_an_iter_may_be_tuples(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    iter_id = async_iter(f"{OLD}.multiply", [(2, 3), (4, 5)])

    run_jobs()

    assert sorted(result(iter_id)) == [6, 20]
