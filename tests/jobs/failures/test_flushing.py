"""Forgetting failed jobs, and restoring them."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import metrics
from jobs.audit import Actor
from jobs.failures import redrive
from jobs.failures.flushing import flush, forget, restore
from jobs.ledger import retention
from jobs.models import AuditEntry, FailedJob, ForgottenFailedJob, Job, JobState
from tests.jobs.factories import FailedJobFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


def test_forgetting_hides_the_failed_jobs_and_leaves_their_jobs_as_history() -> None:
    kept, forgotten = FailedJobFactory(), FailedJobFactory()

    assert forget([forgotten.pk], OPERATOR) == 1

    assert list(FailedJob.objects.all()) == [kept]
    assert metrics.failed_count() == 1
    assert [queue.dead for queue in metrics.queue_stats(["default"])] == [1]
    assert Job.objects.get(pk=forgotten.job_id).state == JobState.FAILED
    hidden = ForgottenFailedJob.objects.get()
    assert hidden.pk == forgotten.pk
    assert hidden.forgotten_in == AuditEntry.objects.get()


def test_without_a_window_they_are_deleted_at_once(settings: Any) -> None:
    settings.JOBS_UNDO_WINDOW = 0
    failed = FailedJobFactory()

    assert forget([failed.pk], OPERATOR) == 1

    assert not FailedJob.everything.exists()


def test_a_flush_forgets_all_that_match_in_batches_with_one_audit_entry() -> None:
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
    since = FailedJob.everything.get().forgotten_at

    assert forget([failed.pk], OPERATOR) == 0
    assert AuditEntry.objects.count() == 1
    assert FailedJob.everything.get().forgotten_at == since


def test_what_was_forgotten_is_not_retried() -> None:
    failed = FailedJobFactory()
    forget([failed.pk], OPERATOR)

    assert redrive.retry([failed.pk], OPERATOR).retried == 0
    assert redrive.retry(FailedJob.everything.all(), OPERATOR).retried == 0


def test_what_was_forgotten_can_be_restored_as_it_was() -> None:
    ids = many_failed_jobs(700)
    before = list(FailedJob.objects.order_by("pk").values())
    flush(FailedJob.objects.all(), OPERATOR)

    assert restore(FailedJob.everything.forgotten(), OPERATOR, "oops", scope="all") == 700

    assert list(FailedJob.objects.order_by("pk").values()) == before
    assert redrive.retry(ids, OPERATOR).retried == 700
    entry = AuditEntry.objects.get(action="restore")
    assert (entry.target, entry.count, entry.reason) == ("all", 700, "oops")


def test_restoring_what_was_not_forgotten_changes_nothing() -> None:
    failed = FailedJobFactory()

    assert restore([failed.pk], OPERATOR) == 0
    assert not AuditEntry.objects.exists()


def test_retention_deletes_what_was_forgotten_once_its_window_is_over(settings: Any) -> None:
    settings.JOBS_UNDO_WINDOW = dt.timedelta(minutes=30)
    FailedJobFactory()
    FailedJobFactory(forgotten_at=ago(minutes=29))
    over = FailedJobFactory(forgotten_at=ago(minutes=31))

    assert retention.preview().forgotten_failed_jobs == 1
    report = retention.run_once()

    assert (report.forgotten_failed_jobs, report.failed_jobs) == (1, 0)
    assert FailedJob.everything.count() == 2
    assert not FailedJob.everything.filter(pk=over.pk).exists()
    assert retention.run_once(timezone.now() + dt.timedelta(hours=1)).forgotten_failed_jobs == 1


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
