"""The end of a call is written once, by whoever holds it, whatever the call has left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import F
from django_q.models import Task
from django_q.signals import post_execute
from django_q.tasks import async_task, result

from jobs.execution import runner
from jobs.execution.finishing import finish
from jobs.ledger import Ledger, connect, ledger
from jobs.models import Job, JobState
from jobs.transports.sync import pool
from tests.jobs.django_q2.conftest import OLD, job_of, row_of

HOOK = f"{OLD}.hook"


@pytest.mark.parametrize("function", ["echo", "fail"])
@pytest.mark.parametrize("options", [{}, {"cached": True}])
def test_a_late_finisher_writes_nothing(
    book: Ledger, calls: list[Any], clean_cache: None, function: str, options: dict[str, Any]
) -> None:
    told: list[Any] = []

    def hear(sender: str, task: dict[str, Any], **kwargs: Any) -> None:
        told.append(task["id"])

    task_id = async_task(f"{OLD}.{function}", "late", hook=HOOK, **options)
    (claimed,) = book.claim(worker_id=1, queues=["default"], limit=1)
    # Its worker was taken for dead, and the job was given to another.
    Job.objects.update(fence=F("fence") + 1)

    post_execute.connect(hear)
    try:
        finish(book, [runner.run(claimed, pool=pool())])
    finally:
        post_execute.disconnect(hear)

    assert not Task.objects.exists()
    assert result(task_id, cached=True) is None
    assert Job.objects.count() == 1
    assert told == []


def test_a_call_that_runs_twice_has_one_row_and_one_hook(book: Ledger, calls: list[Any]) -> None:
    task_id = async_task(f"{OLD}.echo", "x", hook=HOOK)
    (claimed,) = book.claim(worker_id=1, queues=["default"], limit=1)

    # Its worker died after the result was written, and before the ledger knew.
    runner.run(claimed, pool=pool())
    finish(book, [runner.run(claimed, pool=pool())])

    assert row_of(task_id).attempt_count == 1
    assert Job.objects.get(pk=claimed.id).state == JobState.SUCCEEDED
    assert Job.objects.filter(definition="jobs.django_q2.hooks.run_hook").count() == 1


def test_a_success_is_not_overwritten_by_a_later_failure(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    task_id = async_task(f"{OLD}.fail")
    Task.objects.create(
        id=task_id,
        func=f"{OLD}.fail",
        started=job_of(task_id).enqueued_at,
        stopped=job_of(task_id).enqueued_at,
        success=True,
        result="earlier",
    )

    run_jobs()

    assert result(task_id) == "earlier"


def on_a_worker(task_id: str) -> None:
    """Run a call as a worker does: the ledger has a connection of its own."""
    own = connect()
    try:
        book = ledger(own)
        (claimed,) = book.claim(worker_id=1, queues=["default"], limit=1)
        finish(book, [runner.run(claimed, pool=pool())])
    finally:
        own.close()


def test_a_call_that_leaves_a_transaction_open_still_has_its_result(
    transactional_db: None,
) -> None:
    task_id = async_task(f"{OLD}.leave_a_transaction_open")

    on_a_worker(task_id)

    assert result(task_id) == "left"
    assert job_of(task_id).state == JobState.SUCCEEDED
    assert not Group.objects.exists()


@pytest.mark.postgresql
def test_a_call_that_outlives_its_connection_still_has_its_result(transactional_db: None) -> None:
    task_id = async_task(f"{OLD}.lose_the_connection", 1.1)

    on_a_worker(task_id)

    assert result(task_id) == "outlived"
    assert job_of(task_id).state == JobState.SUCCEEDED
