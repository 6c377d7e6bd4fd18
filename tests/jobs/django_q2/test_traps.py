"""The traps of stock django-q2, T1 to T25: one test for each that old calls could fall into.

Those of the cluster itself are tested in `tests/jobs/cluster`: T12 (prefetched tasks), T17 (a crash
loses the task), T18 (a slow scheduler stops timeouts), T19 (an endless stop), T20 (status in a
local cache), T22 (inherited connections) and T24 (timeouts of whole seconds).
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from django_q.tasks import async_chain, async_task, fetch, result

from jobs.audit import Actor
from jobs.django_q2 import pruning, schedules
from jobs.exceptions import InvalidArguments
from jobs.failures import redrive
from jobs.models import FailedJob, Job, JobState
from tests.jobs.django_q2.conftest import OLD, failure_of, job_of, row_of
from tests.support.processes import site_environment

pytestmark = pytest.mark.usefixtures("transactional_db")

ROME = ZoneInfo("Europe/Rome")
MANAGE = Path(__file__).resolve().parents[3] / "manage.py"


def runs_until(end: dt.datetime, step: dt.timedelta) -> list[dt.datetime]:
    """Tick the clock of django-q2's schedules up to `end`; return the local time of each run."""
    row, ran = Schedule.objects.get(), []
    now = row.next_run
    while now <= end:
        due = Schedule.objects.get().next_run
        ran += [due.astimezone(ROME)] * schedules.run_once(now).enqueued
        now += step
    return ran


def test_t1_a_chain_stops_at_a_failed_link_and_a_retry_of_it_doubles_nothing(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    async_chain([f"{OLD}.fail", (f"{OLD}.note", ("second",))])
    run_jobs()

    redrive.retry(FailedJob.objects.all(), Actor.of_code("test"))
    run_jobs()

    assert calls == ["no such luck", "no such luck"]


@pytest.mark.parametrize("limit", [0, -1])
def test_t2_a_chain_goes_on_after_a_link_that_saves_nothing(
    run_jobs: Callable[[], int], calls: list[Any], q_conf: Callable[..., None], limit: int
) -> None:
    q_conf(SAVE_LIMIT=limit)
    async_chain(
        [(f"{OLD}.note", (1,), {"save": False}), (f"{OLD}.note", (2,)), (f"{OLD}.note", (3,))]
    )

    run_jobs()

    assert [args for args, _ in calls] == [(1,), (2,), (3,)]


def test_t3_started_is_the_start_and_not_the_enqueueing(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.echo", "late")
    Job.objects.update(enqueued_at=timezone.now() - dt.timedelta(minutes=5))

    run_jobs()

    job, row = job_of(task_id), fetch(task_id)
    assert row.time_taken() < 1
    assert row.started - job.enqueued_at >= dt.timedelta(minutes=5)
    assert job.wait is not None
    assert job.wait >= dt.timedelta(minutes=5)


def test_t4_one_malformed_schedule_stops_no_other() -> None:
    past = timezone.now() - dt.timedelta(minutes=1)
    for text in ("1", "(", "2"):
        Schedule.objects.create(func=f"{OLD}.note", args=text, next_run=past)

    assert schedules.run_once().enqueued == 2
    assert schedules.run_once().enqueued == 0
    assert sorted(job.kwargs["args"] for job in Job.objects.all()) == [[1], [2]]


def test_t5_unreadable_keyword_arguments_are_reported_and_not_dropped() -> None:
    past = timezone.now() - dt.timedelta(minutes=1)
    Schedule.objects.create(func=f"{OLD}.note", kwargs="x=now()", next_run=past)

    assert schedules.run_once().broken == 1

    assert not Job.objects.exists()
    assert "x=now()" in Failure.objects.get().result


def test_t6_a_monthly_schedule_does_not_drift(q_conf: Callable[..., None]) -> None:
    q_conf(TIME_ZONE="Europe/Rome")
    first = dt.datetime(2026, 1, 31, 9, tzinfo=ROME)
    Schedule.objects.create(func=f"{OLD}.note", schedule_type="M", next_run=first)

    ran = runs_until(dt.datetime(2026, 6, 1, tzinfo=ROME), dt.timedelta(hours=12))

    assert [(run.month, run.day) for run in ran] == [(1, 31), (2, 28), (3, 31), (4, 30), (5, 31)]


def test_t7_a_daily_schedule_keeps_its_hour_through_the_clock_change(
    q_conf: Callable[..., None],
) -> None:
    q_conf(TIME_ZONE="Europe/Rome")
    first = dt.datetime(2026, 3, 27, 2, 30, tzinfo=ROME)
    Schedule.objects.create(func=f"{OLD}.note", schedule_type="D", next_run=first)

    ran = runs_until(dt.datetime(2026, 3, 31, 12, tzinfo=ROME), dt.timedelta(minutes=30))

    assert [f"{run:%d %H:%M}" for run in ran] == [
        "27 02:30", "28 02:30", "29 03:00", "30 02:30", "31 02:30",
    ]  # fmt: skip


def test_t8_a_cron_schedule_runs_once_in_the_night_with_its_hour_twice(
    q_conf: Callable[..., None],
) -> None:
    q_conf(TIME_ZONE="Europe/Rome")
    row = Schedule.objects.create(func=f"{OLD}.note", schedule_type="C", cron="30 2 * * *")
    Schedule.objects.filter(pk=row.pk).update(
        next_run=dt.datetime(2026, 10, 24, 2, 30, tzinfo=ROME)
    )

    ran = runs_until(dt.datetime(2026, 10, 26, 12, tzinfo=ROME), dt.timedelta(minutes=15))

    assert [f"{run:%d %H:%M %z}" for run in ran] == [
        "24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100",
    ]  # fmt: skip


def test_t9_a_viewer_can_not_resubmit(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    task_id = async_task(f"{OLD}.fail")
    run_jobs()
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_failure"))
    client, jobs = Client(), Job.objects.count()
    client.force_login(user)

    for action in ("resubmit_task", "resubmit_selected"):
        client.post(
            reverse("admin:django_q_failure_changelist"),
            {"action": action, "_selected_action": [task_id], "confirmed": "yes"},
        )

    assert Job.objects.count() == jobs
    assert Failure.objects.filter(pk=task_id).exists()


def test_t10_calls_run_in_the_order_in_which_they_were_enqueued(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    for number in range(50):
        async_task(f"{OLD}.note", number)

    run_jobs()

    assert [args for args, _ in calls] == [(number,) for number in range(50)]
    assert not OrmQ.objects.exists()


def test_t11_a_cluster_name_in_the_environment_breaks_nothing(tmp_path: Path) -> None:
    environment = site_environment(f"sqlite:///{tmp_path}/none.sqlite3")
    environment["Q_CLUSTER_NAME"] = "high"

    done = subprocess.run(
        [sys.executable, MANAGE, "check"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_t13_a_failing_task_is_not_tried_for_ever(
    run_jobs: Callable[[], int], calls: list[Any], q_conf: Callable[..., None]
) -> None:
    q_conf(MAX_ATTEMPTS=0, ACK_FAILURES=False)
    task_id = async_task(f"{OLD}.fail")

    run_jobs()
    run_jobs()

    assert calls == ["no such luck"]
    assert job_of(task_id).state == JobState.FAILED


def test_t13_max_attempts_are_that_many(
    run_jobs: Callable[[], int], calls: list[Any], q_conf: Callable[..., None]
) -> None:
    q_conf(MAX_ATTEMPTS=3, RETRY=0)
    lucky = async_task(f"{OLD}.fail_until", 3)
    once = async_task(f"{OLD}.fail", "acknowledged", ack_failure=True)

    run_jobs()

    assert result(lucky) == "at last"
    assert row_of(lucky).attempt_count == 3
    assert calls.count("acknowledged") == 1
    assert job_of(once).state == JobState.FAILED


def test_t14_a_result_that_cannot_be_saved_is_a_failure_that_says_so(
    run_jobs: Callable[[], int], settings: Any
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True
    task_id = async_task(f"{OLD}.maker")

    run_jobs()

    assert job_of(task_id).state == JobState.FAILED
    assert "maker.<locals>.inner" in failure_of(task_id).message
    assert "maker.<locals>.inner" in row_of(task_id).result


def test_t15_pruning_locks_no_table_and_works_off_an_excess(
    run_jobs: Callable[[], int], q_conf: Callable[..., None]
) -> None:
    q_conf(SAVE_LIMIT=5)
    now = timezone.now() - dt.timedelta(hours=1)
    Task.objects.bulk_create(
        Task(id=f"{n:032d}", name=f"n{n}", func="a.b", started=now, stopped=now) for n in range(200)
    )
    async_task(f"{OLD}.echo", 1)

    with CaptureQueriesContext(connection) as captured:
        run_jobs()

    locking = [q["sql"] for q in captured.captured_queries if "FOR UPDATE" in q["sql"]]
    assert not any("django_q_task" in sql for sql in locking)
    assert Success.objects.count() == 5


def test_t16_failures_are_pruned(settings: Any) -> None:
    settings.JOBS_RETENTION = {"failed": dt.timedelta(days=7)}
    now = timezone.now()
    for days in (6, 8):
        moment = now - dt.timedelta(days=days)
        Task.objects.create(
            id=f"{days:032d}", func="a.b", started=moment, stopped=moment, success=False
        )

    pruning.run_once(now)

    assert Failure.objects.get().pk == f"{6:032d}"


def test_t21_no_pickle_is_stored_in_the_ledger(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.echo", {"plain": [1, 2]}, group="json")
    with pytest.raises(InvalidArguments):
        async_task(f"{OLD}.echo", {1, 2})

    run_jobs()

    job = Job.objects.get()
    assert job == job_of(task_id)
    assert job.arguments == {
        "args": [],
        "kwargs": {
            "func": f"{OLD}.echo",
            "args": [{"plain": [1, 2]}],
            "kwargs": {},
            "task": {
                "id": task_id,
                "name": row_of(task_id).name,
                "key": "jobsite",
                "group": "json",
            },
        },
    }
    assert job.result == {"plain": [1, 2]}


def test_t23_a_hook_is_called_once_however_often_the_row_is_saved(
    run_jobs: Callable[[], int], calls: list[Any], q_conf: Callable[..., None]
) -> None:
    q_conf(MAX_ATTEMPTS=3, RETRY=0)
    task_id = async_task(f"{OLD}.fail_until", 3, hook=f"{OLD}.hook")

    run_jobs()

    assert calls == ["tried", "tried", "tried", ("hook", task_id, True, "at last")]


def test_t23_a_slow_or_broken_hook_holds_up_nothing(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    first = async_task(f"{OLD}.echo", 1, hook=f"{OLD}.bad_hook")
    second = async_task(f"{OLD}.echo", 2)

    run_jobs()

    assert (result(first), result(second)) == (1, 2)
    assert FailedJob.objects.get().definition == "jobs.django_q2.hooks.run_hook"


def test_t25_the_lists_of_the_admin_stay_quick(admin_client: Client) -> None:
    now = timezone.now()
    Task.objects.bulk_create(
        [
            Task(
                id=f"{n:032d}", name=f"n{n}", func="a.b", group=f"g{n}",
                started=now, stopped=now, success=n % 2 == 0,
            )
            for n in range(5000)
        ],
        batch_size=1000,
    )  # fmt: skip

    for page in ("success", "failure"):
        with CaptureQueriesContext(connection) as captured:
            began = time.perf_counter()
            admin_client.get(reverse(f"admin:django_q_{page}_changelist"))
            taken = time.perf_counter() - began
        statements = [query["sql"] for query in captured.captured_queries]
        assert not any("DISTINCT" in sql for sql in statements)
        assert taken < 2
