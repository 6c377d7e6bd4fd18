"""Fixtures for the tests of workflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.jobs.workflows import flow_jobs


@pytest.fixture
def ran(transactional_db: None) -> Iterator[list[Any]]:
    """What the jobs did in this process."""
    flow_jobs.ran.clear()
    flow_jobs.broken.clear()
    yield flow_jobs.ran
    flow_jobs.ran.clear()
    flow_jobs.broken.clear()


@pytest.fixture
def broken(ran: list[Any]) -> set[Any]:
    """The words of jobs that fail."""
    return flow_jobs.broken


@pytest.fixture
def boss(ran: list[Any]) -> Client:
    """The browser of somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client
