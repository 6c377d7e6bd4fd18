"""Rows of the engine's tables for tests, as they would lie there after some life."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import factory
from django.utils import timezone

from jobs.ledger.order import claim_rank
from jobs.metrics.rollup import floor
from jobs.models import (
    FINISHED_STATES,
    Cluster,
    ClusterStatus,
    FailedJob,
    FailureGroup,
    FailureReason,
    Job,
    JobState,
    MetricMark,
    Worker,
)
from jobs.models.metric import LENGTHS


def ago(**parts: float) -> dt.datetime:
    """A moment in the past: `ago(minutes=5)`."""
    return timezone.now() - dt.timedelta(**parts)


class JobFactory(factory.django.DjangoModelFactory[Job]):
    """A job of a definition of `sample_jobs`; a finished one has its times."""

    class Meta:
        model = Job

    definition = "tests.jobs.sample_jobs.add"
    queue = "default"
    state = JobState.READY
    arguments = factory.LazyFunction(lambda: {"args": [1], "kwargs": {}})
    claim_rank = factory.LazyAttribute(lambda job: claim_rank(job.priority, None))
    priority = 0
    finished_at = factory.LazyAttribute(
        lambda job: timezone.now() if job.state in FINISHED_STATES else None
    )
    started_at = factory.LazyAttribute(
        lambda job: job.finished_at - dt.timedelta(seconds=2) if job.finished_at else None
    )


class FailedJobFactory(factory.django.DjangoModelFactory[FailedJob]):
    """A failed job, with the row of its job."""

    class Meta:
        model = FailedJob

    job = factory.SubFactory(
        JobFactory,
        state=JobState.FAILED,
        definition=factory.SelfAttribute("..definition"),
        queue=factory.SelfAttribute("..queue"),
    )
    definition = "tests.jobs.sample_jobs.add"
    queue = "default"
    arguments = factory.LazyFunction(lambda: {"args": [1], "kwargs": {}})
    reason = FailureReason.EXCEPTION
    exception_class = "tests.jobs.sample_jobs.Hopeless"
    message = "no"
    fingerprint = "0" * 32
    attempts = 1
    enqueued_at = factory.LazyFunction(lambda: ago(minutes=1))
    failed_at = factory.LazyFunction(timezone.now)


class FailureGroupFactory(factory.django.DjangoModelFactory[FailureGroup]):
    """A failure group, without the failed jobs of it; the group of `FailedJobFactory`."""

    class Meta:
        model = FailureGroup

    fingerprint = "0" * 32
    exception_class = "tests.jobs.sample_jobs.Hopeless"
    message = "no"
    site = "jobs/sample_jobs.py in fails"
    definition = "tests.jobs.sample_jobs.add"
    queue = "default"
    count = 1
    first_seen = factory.SelfAttribute("last_seen")
    last_seen = factory.LazyFunction(timezone.now)


class ClusterFactory(factory.django.DjangoModelFactory[Cluster]):
    """A cluster that was heard of just now."""

    class Meta:
        model = Cluster

    id = factory.LazyFunction(uuid4)
    name = "jobsite"
    host = "host-1"
    pid = factory.Sequence(lambda n: 1000 + n)
    status = ClusterStatus.RUNNING
    queues = factory.LazyFunction(lambda: ["default"])
    processes = 1
    started_at = factory.LazyFunction(timezone.now)
    heartbeat_at = factory.LazyFunction(timezone.now)


class WorkerFactory(factory.django.DjangoModelFactory[Worker]):
    """A worker of a cluster that lives."""

    class Meta:
        model = Worker

    cluster = factory.SubFactory(ClusterFactory)
    host = "host-1"
    pid = factory.Sequence(lambda n: 2000 + n)
    started_at = factory.LazyFunction(timezone.now)


def many_failed_jobs(count: int, **values: Any) -> list[UUID]:
    """So many failed jobs without the rows of their jobs, in one statement."""
    rows = FailedJobFactory.build_batch(count, job=None, job_id=None, **values)
    for row in rows:
        row.job_id = uuid4()
    return [row.pk for row in FailedJob.objects.bulk_create(rows, batch_size=1000)]


def many_jobs(count: int, **values: Any) -> list[UUID]:
    """So many jobs, in few statements."""
    rows = JobFactory.build_batch(count, **values)
    return [row.pk for row in Job.objects.bulk_create(rows, batch_size=1000)]


def metrics_since(moment: dt.datetime) -> None:
    """Metrics are complete up to this moment, and what happens from then on is not rolled up."""
    MetricMark.objects.bulk_create(
        MetricMark(level=level, until=floor(moment, level)) for level in LENGTHS
    )
