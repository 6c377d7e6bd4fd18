"""Bulk operations: retrying many failed jobs, watched, stopped, resumed and at a rate."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.audit import Actor
from jobs.exceptions import InvalidOption
from jobs.failures import operations, pacing, redrive
from jobs.failures.operations import NotThisOperation, advance, resume, start, stop
from jobs.models import AuditEntry, BulkOperation, FailedJob, Job, OperationState
from tests.jobs.factories import FailedJobFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ALL = {"all": True}


def order(rate: int | None = None, **scope: Any) -> BulkOperation:
    return start(scope or ALL, OPERATOR, "because", words="some failed jobs", rate=rate)


def finish(operation: BulkOperation) -> BulkOperation:
    while advance(operation.pk).wait is not None:
        pass
    operation.refresh_from_db()
    return operation


def retries() -> Counter[Any]:
    """How often each failed job was retried, by the id of its job."""
    rows = Job.objects.filter(retry_of__isnull=False)
    return Counter(rows.values_list("retry_of", flat=True))


def test_an_operation_retries_all_of_its_scope_and_no_others() -> None:
    many_failed_jobs(700, queue="webhooks")
    others = many_failed_jobs(3, queue="low")

    done = finish(order(queue="webhooks"))

    assert (done.state, done.done, done.total) == (OperationState.FINISHED, 700, 700)
    assert done.finished_at is not None
    assert set(FailedJob.objects.unretried().values_list("pk", flat=True)) == set(others)
    assert set(retries().values()) == {1}


def test_five_thousand_are_retried_once_each() -> None:
    many_failed_jobs(5000)

    done = finish(order())

    assert (done.done, done.skipped, done.refused) == (5000, 0, {})
    assert FailedJob.objects.unretried().count() == 0
    assert len(retries()) == Job.objects.filter(retry_of__isnull=False).count() == 5000


def test_one_audit_entry_tells_what_was_done() -> None:
    ids = many_failed_jobs(600)
    FailedJobFactory(definition="shop.tasks.gone")

    operation = finish(order())

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.count) == ("retry", "some failed jobs", 600)
    assert (entry.actor_name, entry.reason) == ("a test", "because")
    assert entry.after["operation"] == operation.pk
    assert sum(entry.after["refused"].values()) == 1
    assert entry.after["ids"] == [str(one) for one in sorted(ids)[:100]]


def test_what_cannot_be_retried_is_counted_by_its_reason_and_stays() -> None:
    gone = [FailedJobFactory(definition="shop.tasks.gone") for _ in range(2)]
    FailedJobFactory()

    done = finish(order())

    assert (done.done, done.skipped, done.refused_count) == (1, 0, 2)
    (why,) = done.refused
    assert "'shop.tasks.gone'" in why
    assert FailedJob.objects.unretried().count() == len(gone)


def test_what_is_refused_is_looked_at_once_over_all_batches() -> None:
    many_failed_jobs(1100, definition="shop.tasks.gone")

    done = finish(order())

    assert (done.done, done.skipped, done.refused_count) == (0, 0, 1100)


def test_what_fails_after_the_start_is_not_retried_with_the_others() -> None:
    many_failed_jobs(3)
    operation = order()
    later = FailedJobFactory()

    assert finish(operation).done == 3
    later.refresh_from_db()
    assert later.retried_at is None


def test_what_was_retried_before_is_not_retried_again() -> None:
    first, *others = many_failed_jobs(3)
    operation = order()
    redrive.retry([first], OPERATOR)

    assert finish(operation).done == len(others)
    assert set(retries().values()) == {1}


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ({}, "scope"),
        ({"queue": ""}, "scope"),
        ({"colour": "red"}, "scope"),
        ({"all": "yes"}, "all"),
        ({"all": True, "queue": "low"}, "all"),
        ({"queue": 7}, "queue"),
        ({"queue": "a\x00b"}, "queue"),
        ({"definition": ["a", 7]}, "definition"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-03-01T12:00:00"}, "until"),
    ],
)
def test_a_scope_that_is_none_is_refused_by_name_and_nothing_is_begun(
    scope: dict[str, Any], field: str
) -> None:
    FailedJobFactory()

    with pytest.raises(InvalidOption) as refused:
        start(scope, OPERATOR, words="x")

    assert refused.value.field == field
    assert not BulkOperation.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("rate", [0, -1, True, 1.5, "7", 100_001])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    FailedJobFactory()

    with pytest.raises(InvalidOption, match="rate"):
        start(ALL, OPERATOR, words="x", rate=rate)

    assert not BulkOperation.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_operation_on_nothing_is_refused() -> None:
    FailedJobFactory(queue="low")

    with pytest.raises(InvalidOption, match="no failed job"):
        order(queue="high")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"exception": "shop.Broken"}, {"broken"}),
        ({"definition": ["tests.jobs.sample_jobs.fails"]}, {"other"}),
        ({"definition": "tests.jobs.sample_jobs.fails"}, {"other"}),
        ({"fingerprint": "f" * 32}, {"print"}),
        ({"since": START}, {"broken", "other", "print"}),
        ({"until": START}, {"old"}),
        ({"until": START, "all": True}, {"old"}),
    ],
)
def test_each_part_of_a_scope_narrows_it(scope: dict[str, Any], expected: set[str]) -> None:
    FailedJobFactory(message="old", failed_at=START - dt.timedelta(days=1))
    FailedJobFactory(message="broken", exception_class="shop.Broken")
    FailedJobFactory(
        message="other",
        definition="tests.jobs.sample_jobs.fails",
        arguments={"args": [], "kwargs": {}},
    )
    FailedJobFactory(message="print", fingerprint="f" * 32)

    finish(order(**scope))

    retried = FailedJob.objects.filter(retried_at__isnull=False)
    assert set(retried.values_list("message", flat=True)) == expected


def test_a_stopped_operation_does_nothing_until_it_is_resumed_and_then_the_rest() -> None:
    many_failed_jobs(1200)
    operation = order()
    advance(operation.pk)

    stop(operation, OPERATOR, "too fast")

    assert (operation.state, operation.done) == (OperationState.STOPPED, 500)
    assert advance(operation.pk).wait is None
    assert FailedJob.objects.unretried().count() == 700
    resume(operation, OPERATOR)
    assert finish(operation).done == 1200
    assert set(retries().values()) == {1}
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "count")) == [
        ("retry", 1200),
        ("stop operation", 1),
        ("resume operation", 1),
    ]


def test_only_what_goes_on_is_stopped_and_only_what_was_halted_is_resumed() -> None:
    many_failed_jobs(1)
    operation = order()

    with pytest.raises(NotThisOperation, match="is waiting and cannot be resumed"):
        resume(operation, OPERATOR)
    finish(operation)
    for act in (stop, resume):
        with pytest.raises(NotThisOperation, match="is finished"):
            act(operation, OPERATOR)

    assert AuditEntry.objects.count() == 1


def test_a_batch_that_breaks_changes_nothing_and_the_operation_can_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many_failed_jobs(700)
    operation = order()
    advance(operation.pk)
    with monkeypatch.context() as broken:
        broken.setattr(operations, "_tell", _break)
        advance(operation.pk)

    operation.refresh_from_db()
    assert (operation.state, operation.done) == (OperationState.FAILED, 500)
    assert operation.error == "RuntimeError: the power is gone"
    assert sum(retries().values()) == 500
    resume(operation, OPERATOR)
    done = finish(operation)
    assert (done.state, done.done, done.error) == (OperationState.FINISHED, 700, "")
    assert set(retries().values()) == {1}


def test_a_lost_connection_does_not_end_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    many_failed_jobs(2)
    operation = order()
    with monkeypatch.context() as broken:
        broken.setattr(operations, "_tell", _lose)
        with pytest.raises(OperationalError):
            advance(operation.pk)

    operation.refresh_from_db()
    assert operation.state == OperationState.WAITING
    assert finish(operation).done == 2


def _break(*args: object) -> None:
    raise RuntimeError("the power is gone")


def _lose(*args: object) -> None:
    raise OperationalError("the connection is gone")


def test_a_rate_of_500_a_second_is_kept() -> None:
    many_failed_jobs(3000)
    operation = order(rate=500)
    now = START
    for _ in range(30):
        advance(operation.pk, now)
        now += dt.timedelta(seconds=0.1)
    operation.refresh_from_db()

    # 2.9 s have passed between the first call and the last.
    assert abs(operation.done - 500 * 2.9) <= 0.1 * 500 * 2.9


@given(
    rate=st.integers(1, 60),
    gaps=st.lists(st.floats(0, 1.9), min_size=1, max_size=25),
)
@settings(max_examples=30, deadline=None)
def test_a_rate_is_kept_whatever_the_gaps_between_the_looks(rate: int, gaps: list[float]) -> None:
    operation = BulkOperation(rate=rate, batch=pacing.BATCH)
    now, done = START, 0
    pacing.allow(operation, now)
    for gap in gaps:
        now += dt.timedelta(seconds=gap)
        allowed = pacing.allow(operation, now)
        pacing.spend(operation, allowed)
        done += allowed

    earned = rate * (now - START).total_seconds()
    assert earned - 1 - 1e-3 <= done <= earned + 1e-3


def test_nobody_who_comes_late_makes_up_for_the_time_before() -> None:
    many_failed_jobs(400)
    operation = order(rate=100)
    advance(operation.pk, START)

    advance(operation.pk, START + dt.timedelta(hours=1))

    operation.refresh_from_db()
    assert operation.done == 100 * pacing.BURST


def test_a_rate_says_how_long_to_wait() -> None:
    many_failed_jobs(10)
    operation = order(rate=2)

    assert advance(operation.pk, START).wait == pytest.approx(0.5)
    step = advance(operation.pk, START + dt.timedelta(seconds=0.75))
    assert (step.done, step.wait) == (1, pytest.approx(0.25))


def test_a_clock_that_is_set_back_gives_no_leave_and_takes_none() -> None:
    many_failed_jobs(10)
    operation = order(rate=1)
    advance(operation.pk, START)
    advance(operation.pk, START - dt.timedelta(hours=1))

    assert advance(operation.pk, START + dt.timedelta(seconds=1)).done == 1


def test_a_slow_batch_makes_the_next_one_smaller_and_quick_ones_larger_again() -> None:
    operation = BulkOperation(batch=500)
    for seconds, expected in ((2.0, 250), (0.5, 125), (0.2, 125), (0.01, 250), (0.0, 500)):
        pacing.adapt(operation, seconds)
        assert operation.batch == expected
    for _ in range(20):
        pacing.adapt(operation, 5.0)
    assert operation.batch == pacing.SMALLEST


def test_reasons_are_kept_up_to_a_number_and_the_rest_is_counted() -> None:
    merged = operations._merged({}, Counter({f"reason {n}": 1 for n in range(80)}))

    assert sum(merged.values()) == 80
    assert len(merged) == operations.REASONS_KEPT + 1
    assert operations._merged(merged, Counter({"reason 1": 4}))["reason 1"] == 5


def test_the_time_that_is_left_comes_from_the_rate_or_else_from_the_pace() -> None:
    row = BulkOperation(
        state=OperationState.RUNNING, total=100, done=20, started_at=START, rate=4, refused={}
    )
    now = START + dt.timedelta(seconds=10)
    assert row.remaining(now) == dt.timedelta(seconds=20)
    row.rate = None
    assert row.remaining(now) == dt.timedelta(seconds=40)
    row.total_is_capped = True
    assert row.remaining(now) is None


def test_driving_it_here_tells_after_each_batch_and_ends_when_somebody_stops_it() -> None:
    many_failed_jobs(1500)
    operation = order()
    seen: list[int] = []

    def told(now: BulkOperation) -> None:
        seen.append(now.done)
        if len(seen) == 2:
            stop(now, OPERATOR)

    operations.drive(operation, told=told)

    assert seen == [500, 1000, 1000]
    assert operation.state == OperationState.STOPPED


@pytest.mark.django_db(transaction=True)
def test_several_who_advance_at_once_retry_each_failed_job_once() -> None:
    many_failed_jobs(2500)
    operation = order()
    begin = threading.Barrier(3)
    broken: list[BaseException] = []

    def drive() -> None:
        try:
            begin.wait(timeout=30)
            while advance(operation.pk).wait is not None:
                pass
        except BaseException as error:
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=drive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert not broken
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.skipped) == ("finished", 2500, 0)
    assert set(retries().values()) == {1}
    assert len(retries()) == 2500


@pytest.mark.django_db(transaction=True)
def test_an_operation_and_another_operator_at_once_retry_each_failed_job_once() -> None:
    ids = many_failed_jobs(1500)
    operation = order()
    begin = threading.Barrier(2)

    def retry() -> None:
        try:
            begin.wait(timeout=30)
            redrive.retry(ids, OPERATOR)
        finally:
            connection.close()

    other = threading.Thread(target=retry)
    other.start()
    begin.wait(timeout=30)
    finish(operation)
    other.join(timeout=120)

    assert set(retries().values()) == {1}
    assert len(retries()) == 1500


def test_forgotten_failed_jobs_are_no_part_of_an_operation() -> None:
    FailedJobFactory(forgotten_at=timezone.now())
    FailedJobFactory(failed_at=ago(hours=1))

    assert finish(order()).done == 1
