"""A failure group goes with the last of its failed jobs."""

from __future__ import annotations

import datetime as dt

import pytest

from jobs.ledger import retention
from jobs.models import FailureGroup, Notice
from tests.jobs.factories import FailureGroupFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_group_without_failed_jobs_goes_after_the_time_of_failed_jobs() -> None:
    gone = FailureGroupFactory(fingerprint="a" * 32, last_seen=ago(days=31))
    kept = [
        FailureGroupFactory(fingerprint="b" * 32, last_seen=ago(days=29)),
        FailureGroupFactory(fingerprint="c" * 32, last_seen=ago(days=31)),
    ]
    many_failed_jobs(1, fingerprint="c" * 32, failed_at=ago(days=29))
    for group in (gone, *kept):
        Notice.objects.create(rule="rule:1", group=group)

    report = retention.run_once()

    assert (report.failure_groups, report.notices, report.failed_jobs) == (1, 1, 0)
    assert set(FailureGroup.objects.all()) == set(kept)
    assert set(Notice.objects.values_list("group_id", flat=True)) == {one.pk for one in kept}


def test_a_group_goes_together_with_its_last_failed_job() -> None:
    FailureGroupFactory(fingerprint="a" * 32, last_seen=ago(days=31))
    many_failed_jobs(2, fingerprint="a" * 32, failed_at=ago(days=31))

    report = retention.run_once()

    assert (report.failed_jobs, report.failure_groups) == (2, 1)
    assert str(report) == "2 failed jobs, 1 failure groups"


def test_groups_stay_for_ever_where_failed_jobs_do() -> None:
    FailureGroupFactory(last_seen=ago(days=500))

    assert not retention.run_once(keep={"failed": None, "succeeded": dt.timedelta(days=1)})
    assert FailureGroup.objects.exists()
