"""Bulk operations in the admin: how they begin, what their pages show, stop and resume."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.audit import Actor
from jobs.failures import operations
from jobs.models import AuditEntry, BulkOperation, FailedJob, Job
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import ClusterFactory, FailedJobFactory, ago, many_failed_jobs

LIST = "admin:jobs_bulkoperation_changelist"
OPERATOR = Actor.of_code("a test")


def told(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def retry_matching(browser: Client, query: str = "", **data: Any) -> HttpResponse:
    address = reverse("admin:jobs_failedjob_retry_matching") + query
    page = browser.get(address)
    return browser.post(address, dict(page.context["hidden"]) | data)


def an_operation(**values: Any) -> BulkOperation:
    many_failed_jobs(4)
    operation = operations.start({"all": True}, OPERATOR, words="all <b>failed</b> jobs", rate=2)
    BulkOperation.objects.filter(pk=operation.pk).update(**(values or {"done": 0}))
    operation.refresh_from_db()
    return operation


def page_of(browser: Client, operation: BulkOperation) -> Any:
    return browser.get(reverse("admin:jobs_bulkoperation_change", args=[operation.pk]))


def test_more_than_a_thousand_are_retried_as_an_operation(boss: Client) -> None:
    many_failed_jobs(1001, queue="webhooks")

    done = retry_matching(boss, "?queue=webhooks", reason="provider is back")

    operation = BulkOperation.objects.get()
    assert "in the background" in told(done)
    assert reverse("admin:jobs_bulkoperation_change", args=[operation.pk]) in told(done)
    assert (operation.total, operation.rate, operation.reason) == (1001, None, "provider is back")
    assert (operation.started_by_name, operation.words) == (
        "boss",
        "failed jobs with queue webhooks",
    )
    assert not Job.objects.filter(retry_of__isnull=False).exists()
    while operations.advance(operation.pk).wait is not None:
        pass
    assert FailedJob.objects.unretried().count() == 0


def test_a_thousand_are_retried_at_once_and_fewer_at_a_rate_as_an_operation(boss: Client) -> None:
    many_failed_jobs(1000)
    retry_matching(boss)
    assert not BulkOperation.objects.exists()
    assert FailedJob.objects.unretried().count() == 0

    many_failed_jobs(2)
    retry_matching(boss, rate="7")

    assert BulkOperation.objects.get().rate == 7


@pytest.mark.parametrize("rate", ["0", "-1", "many", "1.5", "100001"])
def test_a_rate_that_is_none_is_told_at_its_field_and_nothing_is_done(
    boss: Client, rate: str
) -> None:
    FailedJobFactory(failed_at=ago(minutes=1))

    page = retry_matching(boss, rate=rate)

    assert page.status_code == 200
    assert page.context["form"].errors["rate"]  # type: ignore[attr-defined]
    assert not BulkOperation.objects.exists()
    assert FailedJob.objects.unretried().count() == 1


FILTERS: dict[str, tuple[dict[str, str], set[str]]] = {
    "everything": ({}, {"old", "new", "low", "broken"}),
    "a queue": ({"queue": "low"}, {"low"}),
    "an exception": ({"exception": "shop.Broken"}, {"broken"}),
    "a definition": ({"definition": "tests.jobs.sample_jobs.fails"}, {"low"}),
    "a cause": ({"fingerprint": "f" * 32}, {"new"}),
    "a period": ({"period": "1h"}, {"new", "low", "broken"}),
    "to a time": ({"to": "2026-01-02T00:00:00+00:00"}, {"old"}),
    "from a time": ({"from": "2026-01-02T00:00:00+00:00"}, {"new", "low", "broken"}),
    "not retried": ({"retried": "no"}, {"old", "new", "low", "broken"}),
    "a search for a definition": ({"q": "sample_jobs.fails"}, {"low"}),
    "a search for an exception": ({"q": "shop.Broken"}, {"broken"}),
    "a search in a queue": ({"q": "sample_jobs", "queue": "low"}, {"low"}),
    "a search in a definition": (
        {"q": "sample_jobs.fa", "definition": "tests.jobs.sample_jobs.fails"},
        {"low"},
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_an_operation_is_on_just_what_the_list_has_shown(boss: Client, name: str) -> None:
    query, expected = FILTERS[name]
    FailedJobFactory(message="old", failed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    recent = ago(minutes=1)
    FailedJobFactory(message="new", failed_at=recent, fingerprint="f" * 32)
    FailedJobFactory(message="broken", failed_at=recent, exception_class="shop.Broken")
    FailedJobFactory(
        message="low",
        failed_at=recent,
        queue="low",
        definition="tests.jobs.sample_jobs.fails",
        arguments={"args": [], "kwargs": {}},
    )
    FailedJobFactory(message="done", failed_at=recent, retried_at=timezone.now())
    listed = boss.get(f"{reverse('admin:jobs_failedjob_changelist')}?{urlencode(query)}")
    shown = {row.message for row in listed.context["cl"].result_list} - {"done"}
    assert shown == expected

    retry_matching(boss, f"?{urlencode(query)}", rate="100000")
    FailedJobFactory(message="later", queue="low", definition="tests.jobs.sample_jobs.fails")
    operation = BulkOperation.objects.get()
    now = timezone.now()
    while operations.advance(operation.pk, now).wait is not None:
        now += dt.timedelta(seconds=1)

    retried = Job.objects.filter(retry_of__isnull=False).values("retry_of")
    done = FailedJob.objects.filter(job__in=retried)
    assert set(done.values_list("message", flat=True)) == expected


def test_a_search_for_one_by_its_id_is_retried_at_once(boss: Client) -> None:
    failed = FailedJobFactory(failed_at=ago(minutes=1))

    retry_matching(boss, f"?q={failed.pk}", rate="5")

    assert not BulkOperation.objects.exists()
    assert Job.objects.filter(retry_of=failed.job_id).count() == 1


def test_the_page_shows_progress_rate_time_left_and_by_whom(boss: Client) -> None:
    ClusterFactory()
    operation = an_operation(
        state="running", done=1, refused={"No <job>": 1}, started_at=ago(seconds=2)
    )

    page = page_of(boss, operation).text

    assert '<progress class="jobs-progress" value="2" max="4"' in page
    assert "2 a second" in page
    assert "about 1.0 s left" in page
    assert "a test" in page
    assert "No &lt;job&gt;" in page
    assert "all &lt;b&gt;failed" in page
    assert "No cluster is alive" not in page
    assert reverse("admin:jobs_auditentry_change", args=[operation.audit_entry_id]) in page
    listed = boss.get(reverse(LIST)).text
    assert 'max="4"' in listed
    assert "all &lt;b&gt;failed" in listed


def test_the_page_says_if_nobody_is_there_to_carry_it_out(boss: Client) -> None:
    operation = an_operation()

    assert "No cluster is alive" in page_of(boss, operation).text


def test_operations_are_filtered_by_state(boss: Client) -> None:
    an_operation(state="finished", words="the finished one")
    an_operation(words="the waiting one")

    page = boss.get(reverse(LIST) + "?state=finished").text

    assert "the finished one" in page
    assert "the waiting one" not in page


def test_an_operation_is_stopped_and_resumed_and_that_is_audited(boss: Client) -> None:
    operation = an_operation()
    address = reverse("admin:jobs_bulkoperation_stop", args=[operation.pk])
    assert boss.get(address).status_code == 200
    operation.refresh_from_db()
    assert operation.state == "waiting"

    boss.post(address, {"confirmed": "yes", "reason": "too fast"})
    operation.refresh_from_db()
    assert operation.state == "stopped"
    assert AuditEntry.objects.get(action="stop operation").reason == "too fast"
    again = boss.post(address, {"confirmed": "yes"})
    assert "This operation is stopped." in told(again)

    boss.post(reverse("admin:jobs_bulkoperation_resume", args=[operation.pk]), {"confirmed": "yes"})
    operation.refresh_from_db()
    assert operation.state == "waiting"


def test_who_may_stop_may_not_resume(browser_of: BrowserOf) -> None:
    browser = browser_of("view_bulkoperation", "stop_bulkoperation")
    operation = an_operation(state="stopped")

    done = browser.post(
        reverse("admin:jobs_bulkoperation_resume", args=[operation.pk]), {"confirmed": "yes"}
    )

    assert done.status_code == 403
    operation.refresh_from_db()
    assert operation.state == "stopped"


def test_the_queues_page_leads_to_the_dead_letters_of_each(boss: Client) -> None:
    many_failed_jobs(3, queue="webhooks")
    FailedJobFactory(queue="webhooks", retried_at=timezone.now())
    FailedJobFactory(queue="webhooks", forgotten_at=timezone.now())

    page = boss.get(reverse("admin:jobs_queue_changelist")).text

    assert '?retried=no&amp;queue=webhooks">3</a>' in page
