"""Forgetting failed jobs."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from jobs.audit import Actor
from jobs.failures.flushing import flush, forget
from jobs.models import AuditEntry, FailedJob, Job, JobState
from tests.jobs.factories import FailedJobFactory, many_failed_jobs

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


def test_forgetting_deletes_the_failed_jobs_and_leaves_their_jobs_as_history() -> None:
    kept, forgotten = FailedJobFactory(), FailedJobFactory()

    assert forget([forgotten.pk], OPERATOR) == 1

    assert list(FailedJob.objects.all()) == [kept]
    assert Job.objects.get(pk=forgotten.job_id).state == JobState.FAILED


def test_a_flush_deletes_all_that_match_in_batches_with_one_audit_entry() -> None:
    many_failed_jobs(1101, queue="low")
    kept = many_failed_jobs(3, queue="high")

    deleted = flush(
        FailedJob.objects.filter(queue="low"), OPERATOR, "old news", scope="failed jobs of low"
    )

    assert deleted == 1101
    assert set(FailedJob.objects.values_list("pk", flat=True)) == set(kept)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.count) == ("flush", "failed jobs of low", 1101)


def test_forgetting_what_is_gone_changes_nothing_and_leaves_no_entry() -> None:
    failed = FailedJobFactory()
    forget([failed.pk], OPERATOR)

    assert forget([failed.pk], OPERATOR) == 0
    assert AuditEntry.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_failed_job_that_another_operator_is_retrying_is_not_deleted_under_their_hands() -> None:
    busy, free = FailedJobFactory(), FailedJobFactory()
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                FailedJob.objects.select_for_update().get(pk=busy.pk)
                holds.set()
                done.wait(timeout=30)
        finally:
            connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert holds.wait(timeout=30)
    try:
        assert flush(FailedJob.objects.all(), OPERATOR) == 1
    finally:
        done.set()
        other.join(timeout=30)

    assert list(FailedJob.objects.all()) == [busy]
    assert not FailedJob.objects.filter(pk=free.pk).exists()
