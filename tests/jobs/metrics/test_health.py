"""Health, by its function and by its addresses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.urls import reverse

from jobs.metrics import health
from jobs.metrics.recorded_migrations import all_recorded
from jobs.models import Cluster, Queue
from tests.jobs.factories import ClusterFactory, ago, many_failed_jobs, many_jobs

pytestmark = pytest.mark.django_db
LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
NOWHERE = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # Port 1 is nobody's.
        "LOCATION": "redis://:a-secret@127.0.0.1:1/0",
    }
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.CACHES = LOCMEM
    monkeypatch.setattr(health, "_migrated_until", {})


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection to db.internal as root failed: password a-secret")

    monkeypatch.setattr(CursorWrapper, "execute", refuse)


def test_all_is_well_where_a_cluster_lives() -> None:
    ClusterFactory()
    many_jobs(2)

    report = health.check()

    assert report.healthy
    assert report.issues == []
    assert {name: check.detail for name, check in report.checks.items()} == {
        "database": "connected",
        "migrations": "applied",
        "cache": "connected",
        "queue": "ready (pending: 2)",
        "cluster": "1 live",
        "failed_jobs": "0",
        "workers": "0 busy, 0 idle",
    }


@pytest.mark.parametrize("address", ["jobs:health", "jobs:health_ready"])
def test_the_answer_says_what_the_checks_found_and_its_code_agrees(
    client: Client, address: str
) -> None:
    ClusterFactory()
    fine = client.get(reverse(address))
    Cluster.objects.all().delete()
    broken = client.get(reverse(address))

    assert (fine.status_code, fine.json()["status"]) == (200, "healthy")
    assert (broken.status_code, broken.json()["status"]) == (503, "unhealthy")
    assert broken.json()["services"]["cluster"] == "no live cluster"
    assert broken.json()["checks"]["cluster"] is False
    assert broken.json()["issues"] == ["cluster: no live cluster"]
    assert dt.datetime.fromisoformat(fine.json()["timestamp"]).tzinfo is not None
    assert "no-store" in fine["Cache-Control"]


def test_being_alive_needs_no_database(client: Client, no_database: None) -> None:
    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()["status"]) == (200, "alive")


@pytest.mark.parametrize("address", ["/health", "/health/", "/health/ready", "/health/ready/"])
def test_probes_are_answered_with_and_without_a_slash(client: Client, address: str) -> None:
    assert client.get(address).status_code == 503
    strict = Client(enforce_csrf_checks=True)
    assert client.post(address).status_code == strict.post(address).status_code == 405


@pytest.mark.parametrize("seconds", [7, 3600])
def test_a_cluster_that_was_not_heard_of_for_three_heartbeats_does_not_live(
    settings: Any, seconds: int
) -> None:
    settings.JOBS_HEARTBEAT = 2
    ClusterFactory(heartbeat_at=ago(seconds=seconds))

    report = health.check()

    assert not report.checks["cluster"].ok
    assert report.checks["workers"] == health.Check(False, "1 of 1 clusters silent")


@pytest.mark.parametrize("status", ["stopping", "stopped", "lost"])
def test_a_cluster_that_takes_no_work_does_not_count(status: str) -> None:
    ClusterFactory(status=status)

    assert not health.ready().checks["cluster"].ok


def test_without_workers_of_its_own_a_site_needs_no_cluster(settings: Any) -> None:
    settings.JOBS_TRANSPORT = "sync"

    assert health.ready().healthy


def test_a_database_that_is_gone_is_told_briefly_and_the_rest_is_not_asked(
    client: Client, no_database: None
) -> None:
    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["services"] == {
        "database": "disconnected",
        "migrations": "unavailable",
        "cache": "connected",
        "queue": "unavailable",
        "cluster": "unavailable",
    }
    assert "secret" not in answer.text
    assert "db.internal" not in answer.text


def test_missing_migrations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ClusterFactory()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")

    report = health.ready()

    assert not report.healthy
    assert "not applied" in report.checks["migrations"].detail


def test_no_migration_is_loaded_where_all_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has run the check would keep them in its memory."""
    monkeypatch.setattr(health, "MigrationExecutor", None)
    assert health.ready().checks["migrations"].ok


def test_the_record_of_one_missing_migration_is_missed() -> None:
    assert all_recorded(connection)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'auth' AND name LIKE '0012%'")
    assert not all_recorded(connection)
    assert health.ready().checks["migrations"].detail == "1 not applied"


def test_applied_migrations_are_not_read_for_every_probe() -> None:
    health.ready()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")

    assert health.ready().checks["migrations"].ok


def test_a_redis_that_is_gone_makes_the_site_unready_and_its_password_stays_secret(
    client: Client, settings: Any
) -> None:
    ClusterFactory()
    settings.CACHES = NOWHERE

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["services"]["redis"] == "disconnected"
    assert "cache" not in answer.json()["services"]
    assert "secret" not in answer.text


def test_a_redis_that_answers_is_connected(settings: Any, redis_server: Any) -> None:
    settings.CACHES = {"default": {**NOWHERE["default"], "LOCATION": redis_server.url}}

    assert health.ready().checks["redis"] == health.Check(True, "connected")


def test_a_backlog_is_ill_health_but_no_reason_to_be_taken_out_of_service() -> None:
    ClusterFactory()
    Queue.objects.create(pk="low", max_waiting=2)
    many_jobs(3, queue="low")

    assert health.check().checks["queue"].detail == "Queue low is backed up (3 jobs)"
    assert not health.check().healthy
    assert health.ready().healthy

    Queue.objects.update(max_waiting=3)
    assert health.check().healthy


def test_more_than_a_hundred_failed_jobs_are_a_finding() -> None:
    ClusterFactory()
    many_failed_jobs(100)
    assert health.check().healthy

    many_failed_jobs(1)
    assert health.check().issues == ["failed_jobs: High number of failed jobs (101)"]
