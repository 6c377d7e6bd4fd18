"""Running jobs again with other arguments."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from jobs.audit import Actor
from jobs.exceptions import InvalidArguments, InvalidOption, NotAllowedInState, UnknownDefinition
from jobs.failures.editing import (
    MISSING,
    AlreadyRetried,
    AlreadySent,
    Change,
    Edit,
    clone,
    difference,
    retry_edited,
)
from jobs.identifiers import uuid7
from jobs.models import AuditEntry, FailedJob, Job
from tests.jobs.admin import form_jobs
from tests.jobs.factories import FailedJobFactory, JobFactory

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


def edit(*args: Any, queue: str | None = None, priority: int | None = None, **kwargs: Any) -> Edit:
    return Edit(arguments={"args": list(args), "kwargs": kwargs}, queue=queue, priority=priority)


def test_an_edited_retry_is_a_new_job_and_the_old_row_stays_but_for_its_retry() -> None:
    failed = FailedJobFactory(
        arguments={"args": [1], "kwargs": {"b": 2}}, options={"max_attempts": 4}, tags=["acme"]
    )
    unchanged = {"retried_at", "retried_as_id"}
    before = FailedJob.objects.filter(pk=failed.pk).values().get()

    job_id = retry_edited(failed.pk, edit(1, b=3, queue="low", priority=9), OPERATOR, "typo in b")

    new = Job.objects.get(pk=job_id)
    assert new.arguments == {"args": [1], "kwargs": {"b": 3}}
    assert (new.queue, new.priority, new.attempts) == ("low", 9, 0)
    assert new.retry_of_id == failed.job_id
    assert new.options == {"max_attempts": 4}
    assert list(new.tags.values_list("name", flat=True)) == ["acme"]
    after = FailedJob.objects.filter(pk=failed.pk).values().get()
    assert after["retried_as_id"] == job_id
    assert {name for name in before if before[name] != after[name]} == unchanged
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("edit and retry", "typo in b")
    assert entry.before == {"b": 2, "queue": "default", "priority": 0}
    assert entry.after == {"job": str(job_id), "b": 3, "queue": "low", "priority": 9}


def test_what_is_not_given_stays_as_it_was() -> None:
    failed = FailedJobFactory(queue="webhooks", priority=-5)

    new = Job.objects.get(pk=retry_edited(failed.pk, edit(7), OPERATOR))

    assert (new.queue, new.priority) == ("webhooks", -5)


def test_tags_that_come_from_arguments_follow_the_new_ones() -> None:
    failed = FailedJobFactory(
        definition="tests.jobs.sample_jobs.tagged",
        arguments={"args": [1], "kwargs": {}},
        tags=["webhook", "webhook:1"],
    )

    new = Job.objects.get(pk=retry_edited(failed.pk, edit(2), OPERATOR))

    assert set(new.tags.values_list("name", flat=True)) == {"webhook", "webhook:2"}


@pytest.mark.parametrize(
    ("wrong", "error", "name"),
    [
        (edit("one"), InvalidArguments, "a"),
        (edit(), InvalidArguments, "arguments"),
        (edit(1, c=1), InvalidArguments, "arguments"),
        (Edit(arguments={"arg": []}), InvalidArguments, "arguments"),
        (Edit(arguments=[]), InvalidArguments, "arguments"),  # type: ignore[arg-type]
        (edit(1, queue=""), InvalidOption, "queue"),
        (edit(1, priority=101), InvalidOption, "priority"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    wrong: Edit, error: type[Exception], name: str
) -> None:
    failed = FailedJobFactory()

    with pytest.raises(error) as refused:
        retry_edited(failed.pk, wrong, OPERATOR)

    assert name in str(refused.value)
    failed.refresh_from_db()
    assert failed.retried_at is None
    assert not Job.objects.filter(retry_of__isnull=False).exists()
    assert not AuditEntry.objects.exists()


def test_a_definition_that_is_gone_or_internal_is_refused() -> None:
    gone = FailedJobFactory(definition="shop.tasks.gone")
    internal = FailedJobFactory(
        definition=form_jobs.hidden.path, arguments={"args": [], "kwargs": {}}
    )

    with pytest.raises(UnknownDefinition):
        retry_edited(gone.pk, edit(1), OPERATOR)
    with pytest.raises(InvalidOption, match="internal"):
        retry_edited(internal.pk, edit(), OPERATOR)


def test_one_that_was_retried_before_is_refused() -> None:
    failed = FailedJobFactory()
    retry_edited(failed.pk, edit(1), OPERATOR)

    with pytest.raises(AlreadyRetried):
        retry_edited(failed.pk, edit(2), OPERATOR)

    assert Job.objects.filter(retry_of=failed.job_id).count() == 1


def test_an_order_that_is_sent_twice_makes_one_job() -> None:
    failed, done, new_id = FailedJobFactory(), JobFactory(state="succeeded"), uuid7()
    retry_edited(failed.pk, edit(1), OPERATOR, new_id=new_id)
    with pytest.raises(AlreadySent):
        retry_edited(failed.pk, edit(1), OPERATOR, new_id=new_id)

    with pytest.raises(AlreadySent):
        clone(done, edit(1), OPERATOR, new_id=new_id)

    assert Job.objects.filter(pk=new_id).count() == 1
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_retry_it_once() -> None:
    failed = FailedJobFactory()
    begin = threading.Barrier(2)
    ended: list[str] = []

    def operate(value: int) -> None:
        try:
            begin.wait(timeout=30)
            retry_edited(failed.pk, edit(value), OPERATOR)
            ended.append("retried")
        except AlreadyRetried:
            ended.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=operate, args=(value,)) for value in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(ended) == ["refused", "retried"]
    assert Job.objects.filter(retry_of=failed.job_id).count() == 1


def test_a_clone_of_a_finished_job_is_linked_to_it() -> None:
    done = JobFactory(state="succeeded", queue="ai", priority=3)
    before = Job.objects.filter(pk=done.pk).values().get()

    new = Job.objects.get(pk=clone(done, edit(5, b=6), OPERATOR))

    assert (new.retry_of_id, new.queue, new.priority) == (done.pk, "ai", 3)
    assert Job.objects.filter(pk=done.pk).values().get() == before
    assert AuditEntry.objects.get().action == "clone"


@pytest.mark.parametrize("state", ["ready", "running", "scheduled", "blocked"])
def test_a_job_that_has_not_ended_is_not_cloned(state: str) -> None:
    job = JobFactory(state=state)

    with pytest.raises(NotAllowedInState):
        clone(job, edit(1), OPERATOR)

    assert Job.objects.count() == 1


def test_the_difference_names_parameters_however_they_were_given() -> None:
    failed = FailedJobFactory.build(arguments={"args": [1, 2], "kwargs": {}}, job=None)

    assert difference(failed, edit(a=1, b=2)) == []
    assert difference(failed, edit(1)) == [Change("b", 2, MISSING)]
    assert difference(failed, edit(1, 2, queue="default", priority=0)) == []
    assert difference(failed, edit(1, 3, queue="low")) == [
        Change("b", 2, 3),
        Change("queue", "default", "low"),
    ]


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (1, 1.0), (0, False), (None, "None"), ([1], [True])]
)
def test_values_that_python_takes_for_equal_differ_all_the_same(before: Any, after: Any) -> None:
    failed = FailedJobFactory.build(arguments={"args": [before], "kwargs": {}}, job=None)

    (change,) = difference(failed, edit(after))

    assert (change.name, change.before, change.after) == ("a", before, after)
