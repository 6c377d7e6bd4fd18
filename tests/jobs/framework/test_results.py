"""Results of the Tasks framework: what Django's own tests do not ask for."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone

from jobs.compat import TaskResultDoesNotExist, TaskResultStatus, task_finished, task_started
from jobs.exceptions import UnknownDefinition
from jobs.models import Job, JobState
from jobs.transports.sync import run_due
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 7, "queue_name": "low"},
        {"run_after": dt.timedelta(hours=1)},
        {"timeout": 2.5, "max_attempts": 4, "backoff": [1, 2]},
        {"timeout": None, "on_crash": "fail", "max_crashes": 9},
        {"max_exceptions": 2, "fail_on_timeout": True, "discard_when_missing": True},
    ],
)
def test_the_task_that_is_given_back_is_the_one_that_was_enqueued(options: dict[str, Any]) -> None:
    result = sample_jobs.add.using(**options).enqueue(1)
    again = sample_jobs.add.get_result(result.id)
    assert again == result
    assert again.task == result.task
    for name in options:
        assert getattr(again.task, name) == getattr(result.task, name)


def test_a_retried_result_lists_its_attempts_and_errors() -> None:
    result = sample_jobs.flaky.using(backoff=0).enqueue(3)
    run_due()
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.attempts == len(result.worker_ids) == 3
    assert [error.exception_class for error in result.errors] == [sample_jobs.Flaky] * 2
    assert result.started_at is not None
    assert result.last_attempted_at is not None
    assert result.enqueued_at <= result.started_at < result.last_attempted_at


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (JobState.BLOCKED, "READY"),
        (JobState.SCHEDULED, "READY"),
        (JobState.READY, "READY"),
        (JobState.RUNNING, "RUNNING"),
        (JobState.SUCCEEDED, "SUCCESSFUL"),
        (JobState.FAILED, "FAILED"),
        (JobState.CANCELLED, "FAILED"),
    ],
)
def test_every_state_has_a_status(state: str, status: str) -> None:
    result = sample_jobs.add.enqueue(1)
    Job.objects.update(state=state)
    result.refresh()
    assert result.status == status


@pytest.mark.parametrize("result_id", ["", "nonsense", "0" * 32, "\x00", "x" * 100])
def test_an_unknown_id_has_no_result(result_id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        sample_jobs.add.get_result(result_id)


def test_the_result_of_a_definition_that_is_gone_says_so() -> None:
    result = sample_jobs.add.enqueue(1)
    Job.objects.update(definition="tests.jobs.sample_jobs.gone")
    with pytest.raises(UnknownDefinition, match="gone"):
        result.refresh()


def test_a_rolled_back_enqueue_leaves_no_result() -> None:
    with transaction.atomic():
        result = sample_jobs.add.enqueue(1)
        transaction.set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        result.refresh()


def test_a_delay_counts_from_now() -> None:
    result = sample_jobs.add.using(run_after=dt.timedelta(minutes=5)).enqueue(1)
    job = Job.objects.get(pk=result.id)
    assert job.state == JobState.SCHEDULED
    assert job.due_at is not None
    assert dt.timedelta(minutes=4) < job.due_at - timezone.now() <= dt.timedelta(minutes=5)


def test_the_frameworks_signals_are_sent_once_at_the_end_of_all_attempts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[tuple[str, str, int]] = []

    def on_start(sender: type, task_result: Any, **kwargs: Any) -> None:
        heard.append(("started", task_result.status, task_result.attempts))

    def on_finish(sender: type, task_result: Any, **kwargs: Any) -> None:
        heard.append(("finished", task_result.status, task_result.attempts))

    task_started.connect(on_start)
    task_finished.connect(on_finish)
    caplog.set_level(logging.CRITICAL)
    try:
        sample_jobs.flaky.using(backoff=0).enqueue(2)
        run_due()
    finally:
        task_started.disconnect(on_start)
        task_finished.disconnect(on_finish)
    assert heard == [
        ("started", "RUNNING", 1),
        ("started", "RUNNING", 2),
        ("finished", "SUCCESSFUL", 2),
    ]


def test_tasks_can_be_enqueued_and_read_from_coroutines() -> None:
    async def enqueue_and_read() -> tuple[Any, Any]:
        result = await sample_jobs.add.aenqueue(1, b=1)
        return result, await sample_jobs.add.aget_result(result.id)

    enqueued, read = async_to_sync(enqueue_and_read)()
    assert read == enqueued
