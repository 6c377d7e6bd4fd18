"""queue_retry as an operation and with other arguments, queue_operations, queue_restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from jobs.audit import Actor
from jobs.failures import operations
from jobs.failures.flushing import flush
from jobs.models import AuditEntry, BulkOperation, FailedJob, Job
from tests.jobs.factories import FailedJobFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db
Run = Callable[..., Any]
OPERATOR = Actor.of_code("a test")


def an_operation(**values: Any) -> BulkOperation:
    many_failed_jobs(3)
    operation = operations.start({"all": True}, OPERATOR, words="all failed jobs")
    BulkOperation.objects.filter(pk=operation.pk).update(**(values or {"done": 0}))
    operation.refresh_from_db()
    return operation


def test_a_retry_at_a_rate_is_carried_out_here_as_an_operation(run: Run) -> None:
    many_failed_jobs(30, queue="low")
    many_failed_jobs(2, queue="high")

    ran = run("queue_retry", "--queue", "low", "--rate", "1000", "--json", "--reason", "fixed")

    assert ran.code == 0, ran.error
    assert (ran.json["state"], ran.json["done"], ran.json["rate"]) == ("finished", 30, 1000)
    assert ran.json["scope"] == {"queue": "low"}
    assert FailedJob.objects.unretried().count() == 2
    entry = AuditEntry.objects.get()
    assert (entry.surface, entry.count, entry.reason) == ("command", 30, "fixed")


def test_a_retry_in_the_background_is_left_to_the_clock(run: Run) -> None:
    many_failed_jobs(2)

    ran = run("queue_retry", "--all", "--background")

    operation = BulkOperation.objects.get()
    assert ran.code == 0
    assert f"queue_operations show {operation.pk}" in ran.out
    assert (operation.state, operation.done) == ("waiting", 0)
    assert FailedJob.objects.unretried().count() == 2


def test_ctrl_c_stops_the_operation_and_tells_how_to_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_failed_jobs(600)
    advance = operations.advance

    def once(operation_id: int) -> Any:
        if BulkOperation.objects.get().done:
            raise KeyboardInterrupt
        return advance(operation_id)

    monkeypatch.setattr(operations, "advance", once)
    ran = run("queue_retry", "--all", "--rate", "100000")
    monkeypatch.undo()

    operation = BulkOperation.objects.get()
    assert ran.code == 130
    assert f"queue_operations resume {operation.pk}" in ran.error
    assert operation.state == "stopped"
    assert 0 < operation.done == Job.objects.filter(retry_of__isnull=False).count() < 600
    again = run("queue_operations", "resume", str(operation.pk), "--foreground", "--json")
    assert (again.code, again.json["done"]) == (0, 600)


def test_a_rate_does_not_go_with_ids_and_nothing_to_retry_is_told(run: Run) -> None:
    failed = FailedJobFactory()

    assert run("queue_retry", str(failed.pk), "--rate", "5").code == 2
    assert run("queue_retry", "--queue", "high", "--rate", "5").code == 1
    assert run("queue_retry", "--all", "--rate", "1000000").code == 2
    assert run("queue_retry", "--all", "--rate", "0").code != 0
    assert not BulkOperation.objects.exists()
    assert not AuditEntry.objects.exists()


def test_failed_jobs_are_chosen_by_exception_and_time(run: Run) -> None:
    many_failed_jobs(2, exception_class="shop.Broken")
    many_failed_jobs(3, failed_at=ago(days=2))

    assert (
        run("queue_retry", "--exception", "shop.Broken", "--dry-run", "--json").json["would_retry"]
        == 2
    )
    assert run("queue_retry", "--until", "1d", "--json").json["retried"] == 3
    assert run("queue_failed", "--exception", "shop.Broken", "--json").json["failed"]
    assert run("queue_retry", "--since", "1d", "--until", "2d").code == 2


def test_a_failed_job_is_retried_with_other_arguments_after_telling_what_differs(
    run: Run,
) -> None:
    failed = FailedJobFactory(arguments={"args": [1], "kwargs": {}})
    given = '{"args": [], "kwargs": {"a": 1, "b": 5}}'

    tried = run("queue_retry", str(failed.pk), "--arguments", given, "--dry-run")
    assert tried.code == 0
    assert "(not given)" in tried.out
    assert not Job.objects.filter(retry_of=failed.job_id).exists()
    ran = run("queue_retry", str(failed.job_id), "--arguments", given, "--json")

    new = Job.objects.get(retry_of=failed.job_id)
    assert ran.code == 0
    assert ran.json == {"changes": {"b": {"after": 5}}, "retried": 1, "jobs": [str(new.pk)]}
    assert new.arguments == {"args": [], "kwargs": {"a": 1, "b": 5}}
    assert run("queue_retry", str(failed.pk), "--arguments", given).code == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "--arguments: '{' is not JSON"),
        ("[]", "arguments: must be"),
        ('{"args": ["x"]}', "a: 'x' is not int"),
        ('{"kwargs": {"c": 1}}', "arguments"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_parameter_and_rule(
    run: Run, given: str, told: str
) -> None:
    failed = FailedJobFactory()

    ran = run("queue_retry", str(failed.pk), "--arguments", given)

    assert ran.code == 2
    assert told in ran.error
    assert FailedJob.objects.unretried().count() == 1


def test_arguments_go_with_one_id_alone(run: Run) -> None:
    one, two = FailedJobFactory(), FailedJobFactory()
    given = ("--arguments", '{"args": [1]}')

    assert run("queue_retry", *given).code == 2
    assert run("queue_retry", str(one.pk), str(two.pk), *given).code == 2
    assert run("queue_retry", str(one.pk), "--rate", "1", *given).code == 2
    assert FailedJob.objects.unretried().count() == 2


def test_operations_are_listed_and_shown(run: Run) -> None:
    assert run("queue_operations").code == 1
    old, new = an_operation(state="finished"), an_operation()

    listed = run("queue_operations", "--json").json["operations"]
    assert [row["id"] for row in listed] == [new.pk, old.pk]
    active = run("queue_operations", "list", "--active", "--json").json["operations"]
    assert [row["id"] for row in active] == [new.pk]
    assert "all failed jobs" in run("queue_operations").out
    shown = run("queue_operations", "show", str(new.pk))
    assert (shown.code, "no limit" in shown.out, "a test" in shown.out) == (0, True, True)
    assert run("queue_operations", "show", str(new.pk), "--json").json["total"] == 6


def test_an_operation_is_stopped_and_resumed_by_number(run: Run) -> None:
    operation = an_operation()
    number = str(operation.pk)

    assert run("queue_operations", "stop", number, "--dry-run").code == 0
    operation.refresh_from_db()
    assert operation.state == "waiting"
    assert run("queue_operations", "stop", number, "--reason", "too fast").code == 0
    assert run("queue_operations", "stop", number).code == 2
    operation.refresh_from_db()
    assert operation.state == "stopped"
    assert run("queue_operations", "resume", number).code == 0
    operation.refresh_from_db()
    assert operation.state == "waiting"
    assert AuditEntry.objects.get(action="stop operation").reason == "too fast"


def test_one_whose_driver_was_killed_is_carried_on_in_the_foreground(run: Run) -> None:
    operation = an_operation(state="running")

    assert run("queue_operations", "resume", str(operation.pk)).code == 2
    ran = run("queue_operations", "resume", str(operation.pk), "--foreground", "--json")

    assert (ran.code, ran.json["done"]) == (0, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("stop",),
        ("list", "1"),
        ("stop", "999"),
        ("show", "1", "--foreground"),
        ("stop", "1", "--active"),
        ("list", "--reason", "x"),
    ],
)
def test_what_does_not_go_together_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    an_operation()

    assert run("queue_operations", *arguments).code not in (0, 1)
    assert AuditEntry.objects.count() == 1


def test_what_was_forgotten_is_restored_by_id_by_time_or_all(run: Run) -> None:
    one, two = FailedJobFactory(), FailedJobFactory()
    old = FailedJobFactory(forgotten_at=ago(minutes=30))
    many_failed_jobs(2)
    flush(FailedJob.objects.all(), OPERATOR)

    ran = run("queue_restore", str(one.pk), str(two.job_id), "--json", "--reason", "needed")
    assert (ran.code, ran.json) == (0, {"restored": 2})
    assert AuditEntry.objects.get(action="restore").reason == "needed"
    assert run("queue_restore", "--since", "10m", "--dry-run", "--json").json["would_restore"] == 2
    assert run("queue_restore", "--since", "10m", "--json").json == {"restored": 2}
    assert not FailedJob.objects.filter(pk=old.pk).exists()
    assert run("queue_restore", "--all").code == 0
    assert run("queue_restore", "--all").code == 1
    assert FailedJob.objects.count() == 5


def test_what_cannot_be_restored_is_told_by_id(run: Run) -> None:
    kept, gone = FailedJobFactory(), str(uuid4())
    forgotten = FailedJobFactory(forgotten_at=ago(minutes=1))

    ran = run("queue_restore", str(forgotten.pk), str(kept.pk), gone)

    assert ran.code == 2
    assert str(kept.pk) in ran.error
    assert gone in ran.error
    assert FailedJob.objects.count() == 1
    assert run("queue_restore").code == 2
    assert run("queue_restore", "--all", "--since", "1h").code == 2


def test_dead_letters_are_counted_per_queue_and_recoveries_are_told(run: Run) -> None:
    many_failed_jobs(2, queue="low")
    failed = FailedJobFactory(queue="high", recoveries=1, recover_at=ago(minutes=-5))

    queues = {queue["name"]: queue["dead"] for queue in run("queue_list", "--json").json["queues"]}
    assert (queues["low"], queues["high"], queues["default"]) == (2, 1, 0)
    shown = run("queue_failed", str(failed.pk))
    assert "1 time along its line of retries before" in shown.out
    assert run("queue_failed", str(failed.pk), "--json").json["recoveries"] == 1


def test_a_flush_says_nothing_of_what_was_forgotten(run: Run) -> None:
    FailedJobFactory(forgotten_at=ago(minutes=1))

    assert run("queue_flush", "--yes").code == 1
    assert run("queue_failed", "--json").json["failed"] == []
