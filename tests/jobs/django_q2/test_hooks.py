"""Hooks: called once, in a job of their own, when a call has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django_q.models import Task
from django_q.tasks import async_task

from jobs.exceptions import InvalidOption
from jobs.execution import runner
from jobs.execution.finishing import finish
from jobs.ledger import Ledger
from jobs.models import FailedJob, Job, JobState
from jobs.transports.sync import pool
from tests.jobs.django_q2 import old_code
from tests.jobs.django_q2.conftest import OLD, row_of

HOOK = f"{OLD}.hook"


def test_a_hook_gets_the_row_of_the_task(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, 7, hook=HOOK)

    run_jobs()

    assert calls == [(6, 7), ("hook", task_id, True, 42)]
    assert row_of(task_id).hook == HOOK


def test_a_hook_may_be_a_function(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    async_task(f"{OLD}.echo", "x", hook=old_code.hook)

    run_jobs()

    assert [call[0] for call in calls] == ["hook"]


def test_a_hook_that_no_worker_could_import_is_refused(transactional_db: None) -> None:
    with pytest.raises(InvalidOption) as refusal:
        async_task(f"{OLD}.echo", "x", hook=old_code.Words().method)

    assert refusal.value.field == "hook"


def test_a_hook_is_told_of_a_failure_once_all_attempts_are_spent(
    run_jobs: Callable[[], int], calls: list[Any], q_conf: Callable[..., None]
) -> None:
    q_conf(MAX_ATTEMPTS=3, RETRY=0)
    task_id = async_task(f"{OLD}.fail", hook=HOOK)

    run_jobs()

    assert calls[:3] == ["no such luck"] * 3
    name, told_id, success, text = calls[3]
    assert (name, told_id, success, len(calls)) == ("hook", task_id, False, 4)
    assert "no such luck" in text


def test_a_hook_that_raises_fails_its_own_job_only(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    task_id = async_task(f"{OLD}.echo", "x", hook=f"{OLD}.bad_hook")

    run_jobs()

    assert row_of(task_id).success
    failed = FailedJob.objects.get()
    assert failed.definition == "jobs.django_q2.hooks.run_hook"
    assert failed.message == "hooks can fail too"
    assert calls == ["bad hook"]


@pytest.mark.parametrize("options", [{"save": False}, {"cached": 60}])
def test_a_hook_is_called_although_no_row_is_kept(
    run_jobs: Callable[[], int], calls: list[Any], clean_cache: None, options: dict[str, Any]
) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, 7, hook=HOOK, **options)

    run_jobs()

    assert calls[-1] == ("hook", task_id, True, 42)
    assert not Task.objects.exists()


def test_a_hook_waits_for_the_result_of_a_task_without_a_row(
    book: Ledger, calls: list[Any]
) -> None:
    task_id = async_task(f"{OLD}.echo", "late", hook=HOOK, save=False)
    (task,) = book.claim(worker_id=1, queues=["default"], limit=1)
    ended = runner.run(task, pool=pool())

    # The hook is there, and runs before the end of its task is in the ledger.
    (hook,) = book.claim(worker_id=2, queues=["default"], limit=1)
    finish(book, [runner.run(hook, pool=pool())])
    assert calls == []
    assert Job.objects.get(pk=hook.id).state == JobState.SCHEDULED

    finish(book, [ended])
    Job.objects.filter(pk=hook.id).update(state=JobState.READY, due_at=None)
    (hook,) = book.claim(worker_id=2, queues=["default"], limit=1)
    finish(book, [runner.run(hook, pool=pool())])

    assert calls == [("hook", task_id, True, "late")]
