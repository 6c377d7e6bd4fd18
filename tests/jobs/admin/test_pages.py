"""Every page of the control room opens, for rows in every state."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import (
    Attempt,
    AttemptOutcome,
    AuditEntry,
    Job,
    JobLog,
    JobSchedule,
    JobState,
    JobTag,
)
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import FailedJobFactory, JobFactory, WorkerFactory, ago

NOUNS = (
    "job", "failedjob", "jobschedule", "queue", "cluster", "worker", "auditentry", "workflow",
    "step",
)  # fmt: skip


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_says_so_in_a_sentence(boss: Client, noun: str) -> None:
    page = boss.get(reverse(f"admin:jobs_{noun}_changelist"))

    assert page.status_code == 200
    if noun != "queue":
        assert "jobs-empty" in page.text


@pytest.mark.parametrize("noun", NOUNS)
def test_a_list_is_refused_to_who_may_not_view_it(browser_of: BrowserOf, noun: str) -> None:
    assert browser_of().get(reverse(f"admin:jobs_{noun}_changelist")).status_code == 403


@pytest.mark.parametrize("state", JobState.values)
def test_a_job_in_each_state_is_listed_and_has_a_page(boss: Client, state: str) -> None:
    job = JobFactory(state=state)

    listed = boss.get(reverse("admin:jobs_job_changelist"))
    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk]))

    assert job.life_cycle in listed.text
    assert JobState(state).label in listed.text
    assert page.status_code == 200
    assert str(job.pk) in page.text


def test_the_page_of_a_job_tells_its_whole_story(boss: Client) -> None:
    worker = WorkerFactory()
    schedule = JobSchedule.objects.create(
        name="nightly", definition="tests.jobs.sample_jobs.add", cron="0 3 * * *",
        arguments={"args": [1], "kwargs": {}},
    )  # fmt: skip
    first = JobFactory(state=JobState.SUCCEEDED)
    job: Job = JobFactory(
        state=JobState.RUNNING,
        attempts=2,
        exceptions=1,
        worker=worker,
        started_at=ago(seconds=5),
        schedule=schedule,
        slot_at=ago(minutes=1),
        follows=first,
        progress={"done": 3, "total": 10, "message": "a third"},
        arguments={"args": [41], "kwargs": {"b": "secret-of-41"}},
        checkpoint=[{"name": "rebuild", "cursor": "at-17", "count": 5}],
    )
    JobFactory(state=JobState.BLOCKED, follows=job)
    JobTag.objects.create(job=job, name="calcom")
    JobLog.objects.create(job=job, attempt=1, at=ago(seconds=20), message="a line of log")
    Attempt.objects.create(
        job=job, number=1, fence=1, worker=worker, started_at=ago(seconds=30),
        finished_at=ago(seconds=20), outcome=AttemptOutcome.FAILED,
        exception_class="builtins.ValueError", message="not this time",
        traceback='Traceback (most recent call last):\n  File "/site/shop/jobs.py", line 3, in go\n'
        "    raise ValueError\nValueError: not this time\n",
    )  # fmt: skip

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text

    for told in (
        "a third", "30%", "2/1", "calcom", "a line of log", "builtins.ValueError", "not this time",
        "secret-of-41", "nightly", "Follows", "Followed by", "jobs-frame-site", "processing",
        "rebuild", "at-17", "begun",
    ):  # fmt: skip
        assert told in page, told


def test_the_page_of_a_failed_job_shows_cause_traceback_and_siblings(boss: Client) -> None:
    failed = FailedJobFactory(message="the message", traceback="Traceback: deep inside")
    FailedJobFactory()

    page = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk])).text

    assert "the message" in page
    assert "deep inside" in page
    assert "2 failed jobs" in page


def test_the_pages_of_cluster_and_worker_show_what_runs(boss: Client) -> None:
    worker = WorkerFactory()
    JobFactory(state=JobState.RUNNING, worker=worker, started_at=ago(seconds=5))

    for noun, pk in (("worker", worker.pk), ("cluster", worker.cluster_id)):
        page = boss.get(reverse(f"admin:jobs_{noun}_change", args=[pk]))
        listed = boss.get(reverse(f"admin:jobs_{noun}_changelist"))
        assert "add" in page.text
        assert "Running" in page.text
        assert "Running" in listed.text


def test_a_silent_cluster_is_not_shown_as_running(boss: Client) -> None:
    worker = WorkerFactory(cluster__heartbeat_at=ago(minutes=3))

    page = boss.get(reverse("admin:jobs_worker_change", args=[worker.pk])).text

    assert "Silent for 3 min" in page


def test_the_page_of_an_audit_entry_shows_before_and_after(boss: Client) -> None:
    entry = AuditEntry.objects.create(
        actor_name="ada", surface="command", action="pause", target="queue ai",
        before={"paused": False}, after={"paused": True}, reason="because",
    )  # fmt: skip

    page = boss.get(reverse("admin:jobs_auditentry_change", args=[entry.pk])).text

    assert "because" in page
    assert "Before" in page


def test_a_queue_without_a_row_has_a_page_and_opening_it_makes_none(boss: Client) -> None:
    from jobs.models import Queue

    page = boss.get(reverse("admin:jobs_queue_change", args=["webhooks"]))

    assert page.status_code == 200
    assert not Queue.objects.exists()


def test_the_index_of_the_engine_counts_jobs_by_state(boss: Client, browser_of: BrowserOf) -> None:
    JobFactory(state=JobState.FAILED)

    assert "jobs-counts" in boss.get(reverse("admin:app_list", args=["jobs"])).text
    other = browser_of("view_queue").get(reverse("admin:app_list", args=["jobs"])).text
    assert "jobs-counts" not in other
    assert "Dispatch a job" not in other


def test_a_row_that_is_gone_leads_back_to_the_index(boss: Client) -> None:
    gone = "0190a000-0000-7000-8000-000000000000"

    page = boss.get(reverse("admin:jobs_job_change", args=[gone]))

    assert page.status_code == 302


def test_no_page_has_scripts_or_styles_of_its_own(boss: Client) -> None:
    failed = FailedJobFactory(traceback="x")
    pages = [reverse(f"admin:jobs_{noun}_changelist") for noun in NOUNS]
    pages += [
        reverse("admin:app_list", args=["jobs"]),
        reverse("admin:jobs_job_dispatch"),
        reverse("admin:jobs_job_dispatch") + "?definition=tests.jobs.sample_jobs.add",
        reverse("admin:jobs_job_change", args=[failed.job_id]),
        reverse("admin:jobs_failedjob_change", args=[failed.pk]),
        reverse("admin:jobs_jobschedule_add"),
        reverse("admin:jobs_queue_change", args=["default"]),
    ]
    for address in pages:
        text = boss.get(address).text
        assert "<style" not in text, address
        assert " style=" not in text, address
        assert "<script>" not in text, address
        assert not [part for part in text.split("<script")[1:] if "src=" not in part.split(">")[0]]


def test_the_list_tells_how_long_a_job_has_waited(boss: Client) -> None:
    JobFactory(enqueued_at=ago(minutes=5))

    assert "5 min" in boss.get(reverse("admin:jobs_job_changelist")).text


def test_times_in_lists_have_the_absolute_time_as_title(boss: Client) -> None:
    moment = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
    FailedJobFactory(failed_at=moment)

    assert (
        'title="2026-03-04 05:06:07 UTC"'
        in boss.get(reverse("admin:jobs_failedjob_changelist")).text
    )
