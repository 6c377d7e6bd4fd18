"""`async_task` on the ledger: what is enqueued, what runs, and what can be asked afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from django_q.signals import post_execute, post_execute_in_worker, pre_enqueue, pre_execute
from django_q.tasks import (
    AsyncTask,
    async_task,
    count_group,
    delete_group,
    fetch,
    fetch_group,
    result,
    result_group,
)

from jobs.exceptions import InvalidOption
from jobs.models import AttemptOutcome, Job, JobState
from tests.jobs.django_q2 import old_code
from tests.jobs.django_q2.conftest import OLD, failure_of, job_of, row_of


def test_a_call_becomes_a_job_of_the_internal_definition(transactional_db: None) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, y=7, task_name="answer", group="sums")

    job = job_of(task_id)
    assert job.definition == "jobs.django_q2.task.run_task"
    assert job.queue == "default"
    assert job.state == JobState.READY
    assert job.kwargs["func"] == f"{OLD}.multiply"
    assert (job.kwargs["args"], job.kwargs["kwargs"]) == ([6], {"y": 7})
    assert job.kwargs["task"]["name"] == "answer"
    assert set(job.tags.values_list("name", flat=True)) == {f"task:{task_id}", "group:sums"}


def test_the_result_can_be_fetched_by_id_and_by_name(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, y=7, task_name="answer")

    assert result(task_id) is None
    run_jobs()

    assert result(task_id) == 42
    assert result("answer") == 42
    assert fetch(task_id).func == f"{OLD}.multiply"
    assert job_of(task_id).result == 42
    assert job_of(task_id).state == JobState.SUCCEEDED


def test_a_call_is_rolled_back_with_the_caller(transactional_db: None) -> None:
    with transaction.atomic():
        async_task(f"{OLD}.multiply", 1)
        transaction.set_rollback(True)

    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        (old_code.multiply, 3, 3),
        ("math.floor", 2.5, 2),
        (old_code.Words.count, "three plain words", 3),
        (f"{OLD}.Words.count", "two words", 2),
        (f"{OLD}.whisper", "HUSH", "hush"),
        (f"{OLD}.new_style", "loud", "LOUD"),
        (old_code.new_style, "loud", "LOUD"),
        ("len", [1, 2, 3], 3),
    ],
)
def test_all_kinds_of_functions_run(
    run_jobs: Callable[[], int], calls: list[Any], function: Any, argument: Any, expected: Any
) -> None:
    task_id = async_task(function, argument)

    run_jobs()

    assert result(task_id) == expected


def test_a_class_method_is_found_again(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(old_code.Words.named)

    run_jobs()

    assert result(task_id) == "Words"


def test_a_function_that_no_worker_could_import_is_refused(transactional_db: None) -> None:
    with pytest.raises(InvalidOption, match=r"func: .*no dotted path") as refusal:
        async_task(old_code.Words().method)

    assert refusal.value.field == "func"
    assert not Job.objects.exists()


def test_an_unknown_function_fails_visibly(run_jobs: Callable[[], int]) -> None:
    task_id = async_task("tests.nowhere.to_be_found")

    run_jobs()

    assert not row_of(task_id).success
    assert "tests.nowhere.to_be_found is not defined" in row_of(task_id).result
    assert failure_of(task_id).exception_class == "builtins.ValueError"


def test_a_failure_is_kept_with_its_traceback(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    task_id = async_task(f"{OLD}.fail", "broken pipe", group="pipes")

    run_jobs()

    row = row_of(task_id)
    assert (row.success, row.group, row.attempt_count) == (False, "pipes", 1)
    assert row.result.startswith("broken pipe : Traceback")
    assert "old_code.py" in row.result
    assert failure_of(task_id).message == "broken pipe"
    assert job_of(task_id).state == JobState.FAILED


def test_a_function_that_leaves_the_process_only_fails_its_job(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.leave")

    run_jobs()

    assert not row_of(task_id).success
    assert failure_of(task_id).exception_class == "builtins.SystemExit"


def test_a_model_instance_is_fetched_again_when_the_call_starts(
    run_jobs: Callable[[], int],
) -> None:
    group = Group.objects.create(name="old")
    task_id = async_task(f"{OLD}.rename", group, "new")
    Group.objects.update(name="changed meanwhile")

    run_jobs()

    assert result(task_id) == "changed meanwhile"
    assert Group.objects.get().name == "new"


def test_a_call_whose_model_instance_is_gone_fails_in_both_tables(
    run_jobs: Callable[[], int],
) -> None:
    group = Group.objects.create(name="short-lived")
    task_id = async_task(f"{OLD}.rename", group, "new")
    group.delete()

    run_jobs()

    assert not row_of(task_id).success
    assert "no longer exists" in row_of(task_id).result


def test_groups_are_counted_fetched_and_deleted(run_jobs: Callable[[], int]) -> None:
    for number in range(3):
        async_task(f"{OLD}.multiply", number, 2, group="doubles")
    async_task(f"{OLD}.fail", group="doubles")

    run_jobs()

    assert sorted(result_group("doubles")) == [0, 2, 4]
    assert count_group("doubles") == 4
    assert count_group("doubles", failures=True) == 1
    assert len(fetch_group("doubles", failures=False)) == 3
    delete_group("doubles", tasks=True)
    assert count_group("doubles") == 0


def test_the_class_of_a_task_works(run_jobs: Callable[[], int]) -> None:
    task = AsyncTask(f"{OLD}.multiply", 6, 7, group="objects")
    task.run()

    run_jobs()

    assert task.result() == 42
    assert task.fetch().id == task.id
    assert list(task.result_group()) == [42]


def test_sync_runs_in_the_caller_and_leaves_the_ledger_alone(transactional_db: None) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, 7, sync=True)

    assert result(task_id) == 42
    assert not Job.objects.exists()


def test_the_signals_of_django_q2_are_sent_in_order(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    signals = {
        "pre_enqueue": pre_enqueue,
        "pre_execute": pre_execute,
        "post_execute_in_worker": post_execute_in_worker,
        "post_execute": post_execute,
    }
    receivers = []
    for name, signal in signals.items():

        def receiver(sender: str, task: dict[str, Any], name: str = name, **kwargs: Any) -> None:
            heard.append((name, dict(task)))

        receivers.append((signal, receiver))
        signal.connect(receiver)
    try:
        task_id = async_task(f"{OLD}.multiply", 6, 7, group="signalled")
        run_jobs()
    finally:
        for signal, receiver in receivers:
            signal.disconnect(receiver)

    assert [name for name, _ in heard] == list(signals)
    for name, task in heard:
        assert task["id"] == task_id, name
        assert task["group"] == "signalled", name
    assert heard[-1][1]["result"] == 42
    assert heard[-1][1]["success"] is True
    assert heard[-1][1]["stopped"] >= heard[-1][1]["started"]


def test_a_receiver_may_change_the_arguments_before_the_call(run_jobs: Callable[[], int]) -> None:
    def double(sender: str, task: dict[str, Any], **kwargs: Any) -> None:
        task["args"] = tuple(2 * value for value in task["args"])

    pre_execute.connect(double)
    try:
        task_id = async_task(f"{OLD}.multiply", 5)
        run_jobs()
    finally:
        pre_execute.disconnect(double)

    assert result(task_id) == 10


def test_a_receiver_that_raises_afterwards_does_not_undo_the_call(
    run_jobs: Callable[[], int],
) -> None:
    def object_to_it(sender: str, **kwargs: Any) -> None:
        raise RuntimeError("I object")

    post_execute.connect(object_to_it)
    try:
        task_id = async_task(f"{OLD}.multiply", 5)
        run_jobs()
    finally:
        post_execute.disconnect(object_to_it)

    assert result(task_id) == 5
    assert job_of(task_id).state == JobState.SUCCEEDED


def test_a_fraction_of_a_second_is_a_timeout(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.nap", 30, timeout=0.2)

    began = timezone.now()
    run_jobs()

    assert (timezone.now() - began).total_seconds() < 10
    assert not row_of(task_id).success
    attempt = job_of(task_id).attempt_records.get()
    assert attempt.outcome == AttemptOutcome.TIMED_OUT


@pytest.mark.parametrize("timeout", [-1, None, 0])
def test_no_timeout_lifts_the_one_of_the_pool(transactional_db: None, timeout: Any) -> None:
    task_id = async_task(f"{OLD}.multiply", 1, timeout=timeout)

    assert job_of(task_id).options["timeout"] is None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": -5}, "timeout"),
        ({"task_name": "x" * 101}, "task_name"),
        ({"group": "x" * 101}, "group"),
        ({"hook": "x" * 257}, "hook"),
        ({"cached": "yes"}, "cached"),
    ],
)
def test_an_invalid_option_is_refused_there_and_then(
    transactional_db: None, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        async_task(f"{OLD}.multiply", 1, q_options=options)

    assert refusal.value.field == field
    assert not Job.objects.exists()


def test_a_call_for_another_cluster_goes_to_the_queue_of_its_name(
    run_jobs: Callable[[], int],
) -> None:
    task_id = async_task(f"{OLD}.multiply", 3, cluster="low")

    assert job_of(task_id).queue == "low"
    run_jobs()
    assert row_of(task_id).cluster == "low"


def test_a_result_that_json_cannot_hold_does_not_fail_the_call(
    run_jobs: Callable[[], int],
) -> None:
    task_id = async_task(f"{OLD}.moment")

    run_jobs()

    job = job_of(task_id)
    assert job.state == JobState.SUCCEEDED
    assert (job.result, result(task_id)) == (None, None)
    assert row_of(task_id).success
    assert "was not kept" in job.log_lines.get().message


def test_such_a_result_is_kept_where_pickles_are_allowed(
    run_jobs: Callable[[], int], settings: Any
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True
    task_id = async_task(f"{OLD}.moment")

    run_jobs()

    assert result(task_id) == old_code.moment()
