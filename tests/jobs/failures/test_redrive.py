"""Retrying failed jobs."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import connection

from jobs.audit import Actor
from jobs.failures import redrive
from jobs.failures.redrive import retry
from jobs.models import AuditEntry, FailedJob, Job, JobState
from jobs.transports import sync
from tests.jobs.factories import FailedJobFactory, JobFactory, many_failed_jobs
from tests.jobs.sample_jobs import fails

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


def test_a_retry_makes_a_new_job_that_is_linked_both_ways() -> None:
    failed = FailedJobFactory(
        queue="webhooks",
        priority=7,
        arguments={"args": [4], "kwargs": {"b": 5}},
        options={"max_attempts": 3},
        tags=["invoice", "acme"],
    )

    report = retry([failed.pk], OPERATOR)

    new = Job.objects.get(retry_of=failed.job_id)
    assert (report.retried, report.skipped, report.job_ids) == (1, 0, [new.pk])
    assert (new.queue, new.priority, new.state) == ("webhooks", 7, JobState.READY)
    assert new.arguments == {"args": [4], "kwargs": {"b": 5}}
    assert new.options == {"max_attempts": 3}
    assert sorted(new.tags.values_list("name", flat=True)) == ["acme", "invoice"]
    failed.refresh_from_db()
    assert failed.retried_as_id == new.pk
    assert failed.retried_at is not None


def test_a_retry_leaves_the_old_job_and_its_failure_as_they_were() -> None:
    failed = FailedJobFactory(traceback="Traceback: here")
    old = Job.objects.values().get(pk=failed.job_id)

    retry([failed.pk], OPERATOR)

    assert Job.objects.values().get(pk=failed.job_id) == old
    failed.refresh_from_db()
    assert failed.traceback == "Traceback: here"


@pytest.mark.django_db(transaction=True)
def test_a_retried_job_runs_and_may_fail_and_be_retried_anew() -> None:
    fails.enqueue("broken")
    sync.run_due()
    first = FailedJob.objects.get()

    retry(FailedJob.objects.all(), OPERATOR)
    sync.run_due()

    second = FailedJob.objects.exclude(pk=first.pk).get()
    assert second.job.retry_of_id == first.job_id
    assert retry(FailedJob.objects.all(), OPERATOR).retried == 1


def test_a_failed_job_is_retried_once_only() -> None:
    failed = FailedJobFactory()
    retry([failed.pk], OPERATOR)

    again = retry([failed.pk], OPERATOR)

    assert (again.retried, again.skipped) == (0, 1)
    assert Job.objects.filter(retry_of=failed.job_id).count() == 1


def test_a_definition_that_is_gone_is_refused_by_its_name_and_stays_to_be_retried() -> None:
    gone = FailedJobFactory(definition="tests.jobs.sample_jobs.ad")
    fine = FailedJobFactory()

    report = retry(FailedJob.objects.all(), OPERATOR)

    assert (report.retried, report.skipped) == (1, 1)
    (why,) = report.refused
    assert "'tests.jobs.sample_jobs.ad'" in why
    gone.refresh_from_db()
    fine.refresh_from_db()
    assert gone.retried_at is None
    assert fine.retried_at is not None


def test_arguments_that_no_longer_fit_are_refused() -> None:
    failed = FailedJobFactory(arguments={"args": [], "kwargs": {}})

    report = retry([failed.pk], OPERATOR)

    assert report.skipped == 1
    assert "missing a required argument" in str(report.refused)
    assert not Job.objects.filter(retry_of__isnull=False).exists()


def test_an_id_that_is_gone_is_counted_as_skipped() -> None:
    assert retry([uuid4()], OPERATOR).skipped == 1


def test_one_audit_entry_tells_of_all_batches() -> None:
    ids = many_failed_jobs(1201)

    report = retry(FailedJob.objects.all(), OPERATOR, "after the deploy", scope="all failed jobs")

    assert report.retried == 1201
    assert len(report.job_ids) == redrive.JOB_IDS
    assert FailedJob.objects.unretried().count() == 0
    assert Job.objects.filter(retry_of__isnull=False).count() == 1201
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.count) == ("retry", "all failed jobs", 1201)
    assert (entry.actor_name, entry.surface, entry.reason) == (
        "a test",
        "python",
        "after the deploy",
    )
    assert entry.after["ids"] == [str(one) for one in sorted(ids)[:100]]


def test_a_retry_of_nothing_leaves_no_audit_entry() -> None:
    retry(FailedJob.objects.none(), OPERATOR)

    assert not AuditEntry.objects.exists()


def test_jobs_that_fail_while_all_are_retried_are_not_retried_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many_failed_jobs(600)
    insert = redrive.dispatch.insert

    def insert_and_fail(new_jobs: list[object]) -> object:
        FailedJobFactory()
        return insert(new_jobs)

    monkeypatch.setattr(redrive.dispatch, "insert", insert_and_fail)

    assert retry(FailedJob.objects.all(), OPERATOR).retried == 600
    assert FailedJob.objects.unretried().count() == 2


def test_a_batch_that_breaks_leaves_what_was_done_before_it_and_the_entry_tells_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many_failed_jobs(700)
    insert, batches = redrive.dispatch.insert, []

    def insert_once(new_jobs: list[object]) -> object:
        batches.append(len(new_jobs))
        if len(batches) > 1:
            raise RuntimeError("the power is gone")
        return insert(new_jobs)

    monkeypatch.setattr(redrive.dispatch, "insert", insert_once)

    with pytest.raises(RuntimeError):
        retry(FailedJob.objects.all(), OPERATOR)

    assert FailedJob.objects.unretried().count() == 200
    assert Job.objects.filter(retry_of__isnull=False).count() == 500
    assert AuditEntry.objects.get().count == 500


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_retry_each_failed_job_once() -> None:
    many_failed_jobs(1500)
    start = threading.Barrier(3)
    retried: list[int] = []

    def operate() -> None:
        try:
            start.wait(timeout=30)
            retried.append(retry(FailedJob.objects.all(), OPERATOR).retried)
        finally:
            connection.close()

    operators = [threading.Thread(target=operate) for _ in range(3)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join(timeout=120)

    assert len(retried) == 3
    assert sum(retried) == 1500
    new = Job.objects.filter(retry_of__isnull=False)
    assert new.count() == new.values("retry_of").distinct().count() == 1500
    assert FailedJob.objects.unretried().count() == 0
    assert sum(AuditEntry.objects.values_list("count", flat=True)) == 1500


def test_a_slice_of_failed_jobs_is_retried_as_it_was_when_asked() -> None:
    for _ in range(3):
        FailedJobFactory()
    JobFactory()

    assert retry(FailedJob.objects.order_by("failed_at")[:2], OPERATOR).retried == 2
