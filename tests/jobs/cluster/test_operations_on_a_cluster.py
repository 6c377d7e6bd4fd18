"""Bulk operations and recoveries are carried on by whoever leads, whoever dies."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.audit import Actor
from jobs.cluster.duties import Duties
from jobs.cluster.pulse import Pulse
from jobs.failures import operations
from jobs.ledger import Ledger
from jobs.models import BulkOperation, FailedJob, Job
from tests.jobs import sample_jobs
from tests.jobs.cluster.test_glances import _cluster
from tests.jobs.factories import FailedJobFactory, many_failed_jobs
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import ManageProcess
from tests.support.waiting import wait_until

FAILED = 1500


def _ticks() -> dict[str, Any]:
    ours = _cluster("ours")
    duties = Duties(ours, Pulse(ours), confirm=lambda death: None, idle=None)
    return {tick.name: tick for tick in [*duties.of_time(), *duties.of_operations()]}


def test_only_the_leader_advances_operations_and_recovers(book: Ledger) -> None:
    many_failed_jobs(3)
    FailedJobFactory(
        definition=sample_jobs.recovers.path,
        arguments={"args": [], "kwargs": {}},
        queue="low",
        recover_at=timezone.now() - dt.timedelta(seconds=1),
    )
    operation = operations.start({"queue": "default"}, Actor.of_code("a test"), words="x")
    ticks = _ticks()

    assert ticks["bulk operations"].run(book) is None
    assert ticks["recovery"].run(book) is None
    assert FailedJob.objects.unretried().count() == 4
    ticks["leadership"].run(book)
    ticks["bulk operations"].run(book)
    ticks["recovery"].run(book)

    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("finished", 3)
    assert FailedJob.objects.unretried().count() == 0


def test_an_idle_leader_asks_once_for_each(book: Ledger) -> None:
    ticks = _ticks()
    ticks["leadership"].run(book)

    for name in ("bulk operations", "recovery"):
        with CaptureQueriesContext(connection) as asked:
            ticks[name].run(book)
        assert len(asked) == 1, (name, asked.captured_queries)


def test_the_next_batch_comes_when_the_rate_gives_leave(book: Ledger) -> None:
    many_failed_jobs(3)
    operations.start({"all": True}, Actor.of_code("a test"), words="x", rate=1)
    ticks = _ticks()
    ticks["leadership"].run(book)

    assert ticks["bulk operations"].run(book) == pytest.approx(1.0)


def test_an_operation_goes_on_on_a_cluster_when_its_driver_is_killed(site: Worksite) -> None:
    rows = FailedJobFactory.build_batch(
        FAILED,
        job=None,
        definition="tests.support.worksite.jobs.noop",
        arguments={"args": [], "kwargs": {}},
        queue="low",
    )
    for row, job_id in zip(rows, _ids(), strict=True):
        row.job_id = job_id
    FailedJob.objects.using(ALIAS).bulk_create(rows, batch_size=500)
    driver = ManageProcess("queue_retry", "--all", "--rate", "200", environment=site.environment())
    with driver:
        wait_until(
            lambda: BulkOperation.objects.using(ALIAS).filter(done__gt=20).exists(),
            timeout=60,
            message=driver.output,
        )
        driver.process.kill()
        driver.process.wait(10)
    left_at = BulkOperation.objects.using(ALIAS).get()
    assert left_at.is_active
    assert left_at.done < FAILED

    first = site.start()
    wait_until(
        lambda: BulkOperation.objects.using(ALIAS).filter(done__gt=left_at.done).exists(),
        timeout=30,
        message=site.report,
    )
    first.kill_everything()
    BulkOperation.objects.using(ALIAS).update(rate=None)
    site.start()
    wait_until(
        lambda: BulkOperation.objects.using(ALIAS).get().state == "finished",
        timeout=60,
        message=site.report,
    )

    made = Job.objects.using(ALIAS).filter(retry_of__isnull=False)
    assert made.count() == made.values("retry_of").distinct().count() == FAILED
    done = BulkOperation.objects.using(ALIAS).get()
    assert (done.done, done.skipped) == (FAILED, 0)


def _ids() -> list[Any]:
    from jobs.identifiers import uuid7s

    return uuid7s(FAILED)
