"""django-q2's schedule rows: each due one once, and a broken one harms no other."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import Failure, Schedule, Task
from django_q.tasks import schedule as create_schedule

from jobs.django_q2 import schedules
from jobs.models import DjangoQ2Anchor, Job
from tests.jobs.django_q2.conftest import OLD, job_of, row_of

pytestmark = pytest.mark.usefixtures("transactional_db")

HOUR = dt.timedelta(hours=1)


def ago(**parts: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(**parts)


def calls_of(name: str) -> list[dict[str, Any]]:
    """What the jobs of a schedule are called with, oldest first."""
    return [job.kwargs for job in Job.objects.filter(tags__name=f"group:{name}").order_by("id")]


def test_a_due_schedule_becomes_a_task(run_jobs: Callable[[], int]) -> None:
    row = create_schedule(
        f"{OLD}.multiply",
        6,
        y=7,
        name="sums",
        schedule_type=Schedule.HOURLY,
        next_run=ago(minutes=1),
    )

    report = schedules.run_once()
    run_jobs()

    assert (report.enqueued, report.broken) == (1, 0)
    due = row.next_run
    row.refresh_from_db()
    assert row.next_run == due + HOUR
    assert row.success()
    assert row_of(row.task).result == 42
    assert row_of(row.task).group == "sums"


def test_a_schedule_that_is_not_due_waits() -> None:
    create_schedule(f"{OLD}.note", next_run=timezone.now() + HOUR)

    assert schedules.run_once().enqueued == 0
    assert not Job.objects.exists()


def test_now_may_be_given() -> None:
    create_schedule(f"{OLD}.note", next_run=timezone.now() + HOUR)

    assert schedules.run_once(timezone.now() + 2 * HOUR).enqueued == 1


@pytest.mark.parametrize(
    ("text_of_args", "text_of_kwargs", "args", "kwargs"),
    [
        (None, None, [], {}),
        ("", "", [], {}),
        ("2", None, [2], {}),
        ("1, 2, 'John'", "x=1, name='John'", [1, 2, "John"], {"x": 1, "name": "John"}),
        ("(1, [2, None])", "{'x': {'y': 1.5}}", [1, [2, None]], {"x": {"y": 1.5}}),
        ("'a', 'b'", "q_options={'group': 'own'}", ["a", "b"], {}),
    ],
)
def test_arguments_are_read_from_their_texts(
    text_of_args: str | None, text_of_kwargs: str | None, args: list[Any], kwargs: dict[str, Any]
) -> None:
    Schedule.objects.create(
        func=f"{OLD}.note", args=text_of_args, kwargs=text_of_kwargs, next_run=ago(minutes=1)
    )

    assert schedules.run_once().enqueued == 1

    stored = Job.objects.get().kwargs
    assert (stored["args"], stored["kwargs"]) == (args, kwargs)


def test_a_single_run_is_deleted_unless_it_is_to_be_kept() -> None:
    create_schedule(f"{OLD}.note", name="goes", repeats=-1, next_run=ago(minutes=1))
    create_schedule(f"{OLD}.note", name="stays", repeats=1, next_run=ago(minutes=1))

    assert schedules.run_once().enqueued == 2

    assert list(Schedule.objects.values_list("name", "repeats")) == [("stays", 0)]
    assert schedules.run_once().enqueued == 0


def test_repeats_are_counted_down_to_nothing(q_conf: Callable[..., None]) -> None:
    q_conf(CATCH_UP=True)
    create_schedule(
        f"{OLD}.note",
        name="twice",
        schedule_type=Schedule.MINUTES,
        repeats=2,
        next_run=ago(minutes=1),
    )

    assert schedules.run_once(timezone.now() + HOUR).enqueued == 2
    assert Schedule.objects.get().repeats == 0
    assert schedules.run_once(timezone.now() + 2 * HOUR).enqueued == 0


def test_with_catch_up_every_missed_run_is_enqueued(q_conf: Callable[..., None]) -> None:
    q_conf(CATCH_UP=True)
    row = create_schedule(
        f"{OLD}.note",
        name="missed",
        schedule_type=Schedule.HOURLY,
        next_run=ago(hours=3, minutes=1),
        intended_date_kwarg="intended",
    )

    assert schedules.run_once().enqueued == 4

    intended = [call["kwargs"]["intended"] for call in calls_of("missed")]
    assert intended == [(row.next_run + n * HOUR).isoformat() for n in range(4)]


def test_without_catch_up_missed_runs_are_one(q_conf: Callable[..., None]) -> None:
    q_conf(CATCH_UP=False)
    row = create_schedule(
        f"{OLD}.note", schedule_type=Schedule.HOURLY, next_run=ago(hours=3, minutes=1)
    )

    assert schedules.run_once().enqueued == 1

    due = row.next_run
    row.refresh_from_db()
    assert row.next_run == due + 4 * HOUR


def test_hook_cluster_and_options_are_passed_on(
    run_jobs: Callable[[], int], calls: list[Any]
) -> None:
    create_schedule(
        f"{OLD}.multiply",
        2,
        name="options",
        hook=f"{OLD}.hook",
        cluster="low",
        q_options={"timeout": 9, "task_name": "doubled"},
        next_run=ago(minutes=1),
    )

    schedules.run_once()

    job = Job.objects.get()
    assert (job.queue, job.options["timeout"]) == ("low", 9.0)
    run_jobs()
    assert calls[-1][0] == "hook"
    assert Task.objects.get().name == "doubled"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("args", "1, 2, ("),
        ("args", "open('/etc/passwd')"),
        ("kwargs", "x=1, y="),
        ("kwargs", "x=datetime.now()"),
        ("kwargs", "1"),
        ("kwargs", "x=1) or g(y=2"),
        ("kwargs", "**x"),
        ("args", "{1, 2}"),
    ],
)
def test_a_schedule_with_unreadable_arguments_is_reported_and_not_run(
    field: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = Schedule.objects.create(
        name="broken",
        func=f"{OLD}.note",
        schedule_type=Schedule.DAILY,
        next_run=ago(minutes=1),
        **{field: text},
    )

    report = schedules.run_once()

    assert (report.enqueued, report.broken) == (0, 1)
    assert not Job.objects.exists()
    failure = Failure.objects.get()
    assert failure.name == "broken"
    assert "was not run" in failure.result
    assert field in failure.result
    assert "schedule broken cannot be run" in caplog.text
    row.refresh_from_db()
    assert row.task == failure.pk
    assert row.success() is False


def test_a_broken_schedule_is_reported_once_and_runs_once_it_is_mended() -> None:
    row = Schedule.objects.create(
        func=f"{OLD}.note", args="(", schedule_type=Schedule.DAILY, next_run=ago(minutes=1)
    )

    assert [schedules.run_once().broken for _ in range(3)] == [1, 0, 0]
    Schedule.objects.update(args="(1")
    assert [schedules.run_once().broken for _ in range(3)] == [1, 0, 0]
    assert Failure.objects.count() == 2

    Schedule.objects.update(args="1")
    assert schedules.run_once().enqueued == 1
    due = row.next_run
    row.refresh_from_db()
    assert row.next_run == due + dt.timedelta(days=1)


def test_a_broken_schedule_stops_no_other() -> None:
    for number in range(3):
        Schedule.objects.create(func=f"{OLD}.note", args=str(number), next_run=ago(minutes=9))
    Schedule.objects.create(func=f"{OLD}.note", args="(", next_run=ago(minutes=10))
    Schedule.objects.create(
        func=f"{OLD}.note", schedule_type=Schedule.CRON, cron="* * * * *", next_run=ago(minutes=10)
    )
    Schedule.objects.filter(schedule_type=Schedule.CRON).update(
        cron="nonsense", next_run=ago(minutes=10)
    )

    report = schedules.run_once()

    assert (report.enqueued, report.broken) == (3, 2)
    assert Job.objects.count() == 3


def test_the_first_day_is_remembered_and_forgotten_when_the_time_is_set(
    q_conf: Callable[..., None],
) -> None:
    q_conf(TIME_ZONE="UTC", CATCH_UP=True)
    row = create_schedule(
        f"{OLD}.note",
        schedule_type=Schedule.MONTHLY,
        next_run=dt.datetime(2026, 1, 31, 9, tzinfo=dt.UTC),
    )

    schedules.run_once(dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    row.refresh_from_db()
    assert row.next_run.day == 28
    schedules.run_once(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    row.refresh_from_db()
    assert (row.next_run.month, row.next_run.day) == (3, 31)

    row.next_run = dt.datetime(2026, 4, 15, 9, tzinfo=dt.UTC)
    row.save()
    schedules.run_once(dt.datetime(2026, 4, 16, tzinfo=dt.UTC))
    row.refresh_from_db()
    assert (row.next_run.month, row.next_run.day) == (5, 15)
    assert DjangoQ2Anchor.objects.count() == 1


@pytest.mark.parametrize("options", [{"SCHEDULER": False}, {"BROKER_CLASS": None}])
def test_schedules_of_another_broker_are_left_alone(
    q_conf: Callable[..., None], options: dict[str, Any]
) -> None:
    create_schedule(f"{OLD}.note", next_run=ago(minutes=1))
    q_conf(**options)

    assert schedules.run_once().enqueued == 0
    assert Schedule.objects.count() == 1


def test_a_schedule_never_runs_in_the_clock(q_conf: Callable[..., None], calls: list[Any]) -> None:
    q_conf(SYNC=True)
    create_schedule(f"{OLD}.note", sync=True, next_run=ago(minutes=1))

    assert schedules.run_once().enqueued == 1

    assert calls == []
    assert Job.objects.count() == 1


def test_two_clocks_enqueue_each_run_once() -> None:
    for number in range(20):
        create_schedule(
            f"{OLD}.note", number, schedule_type=Schedule.DAILY, next_run=ago(minutes=1)
        )
    ready = threading.Barrier(3)
    enqueued: list[int] = []

    def tick() -> None:
        try:
            ready.wait(10)
            enqueued.append(schedules.run_once().enqueued)
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(enqueued) == 20
    assert sorted(job.kwargs["args"] for job in Job.objects.all()) == [[n] for n in range(20)]


def test_a_schedule_without_a_name_groups_its_tasks_by_its_key() -> None:
    row = create_schedule(f"{OLD}.note", schedule_type=Schedule.DAILY, next_run=ago(minutes=1))

    schedules.run_once()

    row.refresh_from_db()
    assert job_of(row.task).kwargs["task"]["group"] == str(row.pk)
