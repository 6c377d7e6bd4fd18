"""How many rows django-q2's table keeps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Failure, Schedule, Success, Task
from django_q.tasks import async_task

from jobs.django_q2 import pruning
from jobs.models import DjangoQ2Anchor
from tests.jobs.django_q2.conftest import OLD


def finished(number: int, **values: Any) -> Task:
    stopped = timezone.now() - dt.timedelta(minutes=number + 1)
    return Task(
        **{
            "id": f"{number:032d}",
            "name": f"task-{number}",
            "func": f"{OLD}.multiply",
            "started": stopped,
            "stopped": stopped,
            **values,
        }
    )


def test_the_newest_successes_are_kept_up_to_the_limit(
    run_jobs: Callable[[], int], q_conf: Callable[..., None]
) -> None:
    q_conf(SAVE_LIMIT=3)
    Task.objects.bulk_create([finished(number) for number in range(10)])
    task_id = async_task(f"{OLD}.multiply", 2)

    run_jobs()

    kept = list(Success.objects.order_by("-stopped").values_list("pk", flat=True))
    assert kept == [task_id, f"{0:032d}", f"{1:032d}"]


def test_the_limit_can_hold_for_each_function(
    run_jobs: Callable[[], int], q_conf: Callable[..., None]
) -> None:
    q_conf(SAVE_LIMIT=1, SAVE_LIMIT_PER="func")
    for _ in range(2):
        async_task(f"{OLD}.multiply", 1)
        async_task(f"{OLD}.echo", 1)

    run_jobs()

    functions = sorted(Success.objects.values_list("func", flat=True))
    assert functions == [f"{OLD}.echo", f"{OLD}.multiply"]


@pytest.mark.parametrize(("limit", "save", "kept"), [(-1, None, 0), (-1, True, 1), (0, None, 1)])
def test_a_negative_limit_keeps_no_success_unless_asked(
    run_jobs: Callable[[], int],
    q_conf: Callable[..., None],
    limit: int,
    save: bool | None,
    kept: int,
) -> None:
    q_conf(SAVE_LIMIT=limit)
    async_task(f"{OLD}.multiply", 1, **({} if save is None else {"save": save}))
    async_task(f"{OLD}.fail")

    run_jobs()

    assert Success.objects.count() == kept
    assert Failure.objects.count() == 1


def test_a_large_limit_is_not_sorted_for_every_task(
    run_jobs: Callable[[], int], q_conf: Callable[..., None]
) -> None:
    q_conf(SAVE_LIMIT=100_000)
    for _ in range(3):
        async_task(f"{OLD}.multiply", 1)

    with CaptureQueriesContext(connection) as captured:
        run_jobs()

    assert not any("OFFSET 100000" in query["sql"] for query in captured.captured_queries)


def test_failures_go_after_the_retention_of_failed_jobs(
    transactional_db: None, settings: Any
) -> None:
    settings.JOBS_RETENTION = {"failed": dt.timedelta(days=30)}
    now = timezone.now()
    old = now - dt.timedelta(days=31)
    Task.objects.bulk_create(
        [
            *(finished(n, success=False, started=old, stopped=old) for n in range(1200)),
            finished(5000, success=False),
            finished(5001, started=old, stopped=old),
        ]
    )

    report = pruning.run_once(now)

    assert report.failures == 1200
    assert set(Task.objects.values_list("name", flat=True)) == {"task-5000", "task-5001"}


def test_what_was_remembered_of_deleted_schedules_goes(transactional_db: None) -> None:
    now = timezone.now()
    row = Schedule.objects.create(func="x.y", schedule_type=Schedule.DAILY, next_run=now)
    for pk in (row.pk, row.pk + 1):
        DjangoQ2Anchor.objects.create(schedule_id=pk, first_run=now, next_run=now)

    assert pruning.run_once(now).anchors == 1
    assert DjangoQ2Anchor.objects.get().pk == row.pk
