"""A site of old gets the groups of what has failed before there were any."""

from __future__ import annotations

import importlib
import pkgutil
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from jobs import migrations
from jobs.failures.fingerprint import fingerprint
from jobs.models import FailureGroup
from tests.jobs.factories import ago, many_failed_jobs
from tests.jobs.failing import TRACEBACK

pytestmark = pytest.mark.django_db


def migrate() -> None:
    (name,) = [
        one.name
        for one in pkgutil.iter_modules(migrations.__path__)
        if one.name.endswith("_failure_groups")
    ]
    module = importlib.import_module(f"jobs.migrations.{name}")
    module.group_what_has_failed(apps, SimpleNamespace(connection=connection))


def test_failed_jobs_of_old_get_their_groups() -> None:
    kind, text = "shop.errors.Declined", "order {} was declined"
    one = fingerprint(kind, text.format(1), TRACEBACK)
    facts = {"exception_class": kind, "traceback": TRACEBACK, "fingerprint": one}
    first, last = ago(days=3), ago(hours=1)
    many_failed_jobs(2, message=text.format(8), queue="low", failed_at=ago(days=1), **facts)
    many_failed_jobs(1, message=text.format(7), queue="high", failed_at=first, **facts)
    many_failed_jobs(1, message=text.format(9), failed_at=last, **facts)
    many_failed_jobs(1, fingerprint="f" * 32, exception_class="", message="", failed_at=last)

    migrate()

    group = FailureGroup.objects.get(pk=one)
    assert (group.count, group.queue, group.status) == (4, "high", "open")
    assert (group.first_seen, group.last_seen) == (first, last)
    assert (group.message, group.site) == ("order ? was declined", "shop/orders.py in charge")
    other = FailureGroup.objects.get(pk="f" * 32)
    assert (other.count, other.message, other.site, other.opening) == (1, "", "", None)


def test_a_site_without_failed_jobs_gets_no_group() -> None:
    migrate()

    assert not FailureGroup.objects.exists()
