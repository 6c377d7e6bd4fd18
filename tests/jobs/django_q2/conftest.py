"""Fixtures for old code on the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django_q.conf import Conf
from django_q.models import Task

from jobs.models import FailedJob, Job
from jobs.transports.sync import run_due
from tests.jobs.django_q2 import old_code
from tests.support.cluster import Worksite, worksite

OLD = "tests.jobs.django_q2.old_code"


@pytest.fixture
def calls() -> Iterator[list[Any]]:
    """What old code did in this process."""
    old_code.calls.clear()
    yield old_code.calls
    old_code.calls.clear()


@pytest.fixture
def run_jobs(transactional_db: None) -> Callable[[], int]:
    """Runs, in this process, all that is ready, and what that enqueues."""
    return run_due


@pytest.fixture
def q_conf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets options of django-q2, which reads its settings once at import."""

    def change(**options: Any) -> None:
        for name, value in options.items():
            monkeypatch.setattr(Conf, name, value)

    return change


@pytest.fixture
def clean_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def site(database_url: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Worksite]:
    """A site with an empty database, on which clusters can be started."""
    with worksite(database_url, tmp_path, django_db_blocker.unblock) as found:
        yield found


def job_of(task_id: str) -> Job:
    """The newest job of a django-q2 task."""
    return Job.objects.filter(tags__name=f"task:{task_id}").latest("id")


def row_of(task_id: str) -> Task:
    return Task.objects.get(pk=task_id)


def failure_of(task_id: str) -> FailedJob:
    return FailedJob.objects.get(job=job_of(task_id))
