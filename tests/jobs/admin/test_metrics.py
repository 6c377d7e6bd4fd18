"""The page of metrics: figures by period, queue and definition, and their course."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import jobs
from jobs.metrics.rollup import LATE, run_once
from jobs.models import JobMetric
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import JobFactory, metrics_since

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "admin:jobs_jobmetric_changelist"
SECOND = dt.timedelta(seconds=1)
VENDOR = Path(jobs.__file__).parent / "static" / "jobs" / "vendor"


def ended(minutes_ago: int, **facts: Any) -> None:
    at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    times = {"enqueued_at": at - 3 * SECOND, "started_at": at - SECOND, "finished_at": at}
    JobFactory.create(**{"state": "succeeded", **times, **facts})


@pytest.fixture
def past() -> None:
    metrics_since(timezone.now() - dt.timedelta(minutes=30))
    for _ in range(3):
        ended(10)
    ended(20, state="failed", queue="mail", definition="shop.mail.send<b>")
    while run_once(timezone.now() + LATE):
        pass


def test_it_shows_the_figures_of_all_and_by_queue_and_definition(boss: Client, past: None) -> None:
    page = boss.get(reverse(PAGE)).text
    assert "By queue" in page
    assert "By definition" in page
    assert "25 %" in page
    assert "shop.mail.send&lt;b&gt;" in page
    assert "send<b>" not in page
    assert re.search(r"<dt>Run p50[^<]*</dt><dd>(9\d\d ms|1\.0 s) ·", page)


def test_a_queue_or_a_definition_is_shown_alone(boss: Client, past: None) -> None:
    page = boss.get(reverse(PAGE), {"queue": "mail", "period": "24h"}).text
    assert "By queue" not in page
    assert "100 %" in page
    assert "sample_jobs.add" not in page
    assert "period=7d&amp;queue=mail" in page


@pytest.mark.parametrize("period", ["1h", "24h", "7d", "30d", "nonsense"])
def test_every_period_has_its_course(boss: Client, past: None, period: str) -> None:
    assert boss.get(reverse(PAGE), {"period": period}).status_code == 200
    told = boss.get(reverse("admin:jobs_jobmetric_course"), {"period": period}).json()
    assert len({len(column) for column in told.values()}) == 1
    assert told["at"] == sorted(told["at"])
    if period in ("1h", "nonsense"):
        assert len(told["at"]) == 60
        assert sum(told["succeeded"]) == 3
        assert sum(told["failed"]) == 1
        assert max(filter(None, told["run_p95"])) == pytest.approx(1, rel=0.05)


def test_without_a_past_it_says_so(boss: Client) -> None:
    page = boss.get(reverse(PAGE)).text
    assert "No job has ended in this time" in page


def test_it_asks_a_few_questions_whatever_there_is(
    boss: Client, past: None, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        ended(5, definition=f"shop.jobs.job_{number}")
    JobMetric.objects.all().delete()
    with django_assert_max_num_queries(12):
        boss.get(reverse(PAGE), {"period": "7d"})


def test_who_may_not_look_sees_nothing(browser_of: BrowserOf, past: None) -> None:
    assert browser_of("view_jobmetric").get(reverse(PAGE)).status_code == 200
    nobody = browser_of("view_job")
    assert nobody.get(reverse(PAGE)).status_code == 403
    assert nobody.get(reverse("admin:jobs_jobmetric_course")).status_code == 403
    assert browser_of("view_jobmetric").post(reverse(PAGE)).status_code == 403


def test_what_comes_from_others_is_as_it_was_published() -> None:
    readme = (VENDOR / "README.md").read_text()
    listed = re.findall(r"\| `([^`]+)` \| `[^`]+` \| [^|]+ \| [^|]+ \| `([0-9a-f]{64})` \|", readme)
    assert listed
    for name, digest in listed:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    files = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert files == {name for name, _ in listed} | {"README.md", "uplot/LICENSE"}
