"""What Prometheus reads, and who else may."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from jobs.metrics.rollup import LATE, run_once
from jobs.models import JobMetric, Queue
from tests.jobs.admin.conftest import BrowserOf, boss, browser_of
from tests.jobs.factories import (
    ClusterFactory,
    FailedJobFactory,
    JobFactory,
    WorkerFactory,
    ago,
    metrics_since,
)

__all__ = ["boss", "browser_of"]

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = dt.timedelta(seconds=1)
ADD = "tests.jobs.sample_jobs.add"


def read(client: Client, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples, by name and labels, as the parser of Prometheus reads them."""
    answer = client.get(reverse("jobs:metrics"), headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert "no-store" in answer["Cache-Control"]
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def ended(seconds: float, **facts: Any) -> None:
    at = ago(minutes=5)
    times = {"enqueued_at": at - (seconds + 1) * SECOND, "started_at": at - seconds * SECOND}
    JobFactory.create(**{"state": "succeeded", "finished_at": at, **times, **facts})


def roll_up() -> None:
    metrics_since(ago(minutes=10))
    while run_once(timezone.now() + LATE):
        pass


def test_it_tells_what_is_now(boss: Client) -> None:
    for minutes in (1, 9):
        JobFactory.create(enqueued_at=ago(minutes=minutes))
    FailedJobFactory.create()
    Queue.objects.create(name="default", paused_at=timezone.now())
    cluster = ClusterFactory.create()
    worker = WorkerFactory.create(cluster=cluster)
    WorkerFactory.create(cluster=cluster)
    JobFactory.create(state="running", worker=worker, started_at=timezone.now())
    told = read(boss)
    assert told[of("jobs_waiting", queue="default", state="ready")] == 2
    assert told[of("jobs_waiting", queue="default", state="running")] == 1
    assert 539 < told[of("jobs_oldest_ready_seconds", queue="default")] < 600
    assert told[of("jobs_queue_paused", queue="default")] == 1
    assert told[of("jobs_dead", queue="default")] == 1
    assert told[of("jobs_workers", state="busy")] == told[of("jobs_workers", state="idle")] == 1
    assert told[of("jobs_clusters", state="live")] == 1


def test_it_counts_what_was_and_counters_only_grow(boss: Client) -> None:
    for seconds in (0.02, 0.7, 40):
        ended(seconds)
    ended(3, state="failed")
    roll_up()
    told = read(boss)
    pair = {"queue": "default", "definition": ADD}
    assert told[of("jobs_ended_total", **pair, state="succeeded")] == 3
    assert told[of("jobs_ended_total", **pair, state="failed")] == 1
    assert told[of("jobs_run_seconds_count", **pair)] == 4
    assert told[of("jobs_run_seconds_sum", **pair)] == pytest.approx(43.72, abs=0.01)
    buckets = [told[of("jobs_run_seconds_bucket", **pair, le=le)] for le in ("0.05", "1.0", "60.0")]
    assert buckets == [1, 2, 4]
    assert told[of("jobs_run_seconds_bucket", **pair, le="+Inf")] == 4
    JobMetric.objects.exclude(level="ever").delete()
    assert read(boss) == told


def test_names_that_need_escapes_are_read_back_as_they_are(boss: Client) -> None:
    queue = 'a "b" \\ c\nd'
    ended(1, queue=queue)
    roll_up()
    ended_there = of("jobs_ended_total", queue=queue, definition=ADD, state="succeeded")
    assert read(boss)[ended_there] == 1


class TestWhoMayReadIt:
    def test_who_sends_the_token(self, client: Client, settings: Any) -> None:
        settings.JOBS_METRICS_TOKEN = "a-long-random-text"
        assert read(client, authorization="Bearer a-long-random-text")

    @pytest.mark.parametrize(
        "sent", ["", "Bearer wrong", "Bearer ", "Basic a-long-random-text", "Bearer ü"]
    )
    def test_nobody_with_another(self, client: Client, settings: Any, sent: str) -> None:
        settings.JOBS_METRICS_TOKEN = "a-long-random-text"
        headers = {"authorization": sent} if sent else {}
        answer = client.get(reverse("jobs:metrics"), headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "jobs_waiting" not in answer.text

    def test_an_empty_token_is_none(self, client: Client) -> None:
        answer = client.get(reverse("jobs:metrics"), headers={"authorization": "Bearer "})
        assert answer.status_code == 401

    def test_users_who_may_see_queues_and_metrics(self, browser_of: BrowserOf) -> None:
        assert read(browser_of("view_queue", "view_jobmetric")) is not None
        viewer = browser_of("view_queue")
        assert viewer.get(reverse("jobs:metrics")).status_code == 401

    def test_nothing_is_written_by_it(self, boss: Client) -> None:
        assert boss.post(reverse("jobs:metrics")).status_code == 405


def test_without_the_library_it_says_what_is_missing(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("jobs.metrics.prometheus", raising=False)
    monkeypatch.setitem(sys.modules, "jobs.metrics.prometheus", None)
    answer = boss.get(reverse("jobs:metrics"))
    assert answer.status_code == 501
    assert "install jobsite[prometheus]" in answer.text
