"""What each operation does, tells and records."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import AuditEntry, FailedJob, Job, JobSchedule, JobState, Queue
from tests.jobs.factories import (
    ClusterFactory,
    FailedJobFactory,
    JobFactory,
    ago,
    many_failed_jobs,
)

FAILED = "admin:jobs_failedjob_changelist"


def told(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def confirm(browser: Client, address: str, **data: Any) -> HttpResponse:
    """Open the confirmation and send it as it is, with what is filled in."""
    page = browser.get(address)
    assert page.status_code == 200, page
    hidden = dict(page.context["hidden"])
    return browser.post(address, hidden | data)


def entry() -> AuditEntry:
    return AuditEntry.objects.get()


def test_a_retry_makes_a_linked_job_and_keeps_the_failed_one(boss: Client) -> None:
    failed = FailedJobFactory()

    done = confirm(
        boss, reverse("admin:jobs_failedjob_retry", args=[failed.pk]), reason="fixed in 1.2"
    )

    failed.refresh_from_db()
    new = Job.objects.get(retry_of=failed.job_id)
    assert failed.retried_as_id == new.pk
    assert "Retried 1 failed job." in told(done)
    assert str(new.pk) in told(done)
    assert (entry().action, entry().count, entry().reason) == ("retry", 1, "fixed in 1.2")
    assert entry().actor_name == "boss"
    page = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk])).text
    assert reverse("admin:jobs_job_change", args=[new.pk]) in page
    back = boss.get(reverse("admin:jobs_job_change", args=[new.pk])).text
    assert "Retry of" in back


def test_a_failed_job_is_not_retried_twice(boss: Client) -> None:
    failed = FailedJobFactory(retried_at=timezone.now())

    page = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk])).text
    done = boss.post(reverse("admin:jobs_failedjob_retry", args=[failed.pk]), {"confirmed": "yes"})

    assert 'aria-disabled="true">Retry' in page
    assert "retried already" in told(done)
    assert not Job.objects.filter(retry_of=failed.job_id).exists()


def test_retry_all_that_match_takes_the_filter_and_not_the_page(boss: Client) -> None:
    many_failed_jobs(120, queue="webhooks")
    many_failed_jobs(3, queue="low")

    done = confirm(boss, reverse("admin:jobs_failedjob_retry_matching") + "?queue=webhooks")

    assert Job.objects.filter(queue="webhooks", state=JobState.READY).count() == 120
    assert not Job.objects.filter(queue="low").exists()
    assert "Retried 120 failed jobs." in told(done)
    assert entry().target == "failed jobs with queue webhooks"
    assert entry().count == 120


def test_what_fails_while_the_confirmation_is_read_is_not_touched(boss: Client) -> None:
    FailedJobFactory(failed_at=ago(minutes=1))
    address = reverse("admin:jobs_failedjob_flush_matching")
    page = boss.get(address)

    FailedJobFactory(failed_at=timezone.now())
    done = boss.post(address, dict(page.context["hidden"]))

    assert FailedJob.objects.count() == 1
    assert "Flushed 1 failed job." in told(done)


@pytest.mark.parametrize(
    "shown_at", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_confirmation_without_the_time_it_was_shown_does_nothing(
    boss: Client, shown_at: str
) -> None:
    FailedJobFactory()

    done = boss.post(
        reverse("admin:jobs_failedjob_flush_matching"),
        {"confirmed": "yes", "shown_at": shown_at},
    )

    assert "nothing was done" in told(done)
    assert FailedJob.objects.count() == 1


@pytest.mark.parametrize(
    "query",
    [
        "retried=perhaps",
        "period=1y",
        "from=yesterday",
        "queue=a%00b",
        "to=2026-13-01",
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
    ],
)
def test_all_that_match_a_filter_that_is_not_valid_is_nothing(boss: Client, query: str) -> None:
    FailedJobFactory()
    address = reverse("admin:jobs_failedjob_flush_matching") + f"?{query}"

    done = boss.post(address, {"confirmed": "yes", "shown_at": timezone.now().isoformat()})

    assert "not valid" in told(done)
    assert FailedJob.objects.count() == 1


def test_all_that_match_an_unknown_field_is_refused(boss: Client) -> None:
    FailedJobFactory()
    address = reverse("admin:jobs_failedjob_flush_matching") + "?traceback__contains=x"

    done = boss.post(address, {"confirmed": "yes", "shown_at": timezone.now().isoformat()})

    assert done.status_code == 400
    assert FailedJob.objects.count() == 1


def test_all_that_match_a_queue_that_there_is_not_is_nothing(boss: Client) -> None:
    FailedJobFactory()

    page = boss.get(reverse("admin:jobs_failedjob_flush_matching") + "?queue=no-such")

    assert "There is nothing to flush" in page.text
    assert FailedJob.objects.count() == 1


def test_the_confirmation_says_how_many_how_old_which_queues_and_definitions(boss: Client) -> None:
    FailedJobFactory(queue="ai", failed_at=ago(hours=30))
    FailedJobFactory(queue="ai")
    FailedJobFactory(queue="low", definition="tests.jobs.sample_jobs.fails")

    for verb in ("flush", "retry"):
        page = boss.get(reverse(f"admin:jobs_failedjob_{verb}_matching")).text
        assert f"{verb.capitalize()} 3 failed jobs?" in page
        assert "1 d ago" in page
        assert "ai (2), low (1)" in page
        assert "tests.jobs.sample_jobs.add (2), tests.jobs.sample_jobs.fails (1)" in page


def test_the_confirmation_of_a_retry_counts_to_a_limit_and_that_of_a_flush_exactly(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.operations.COUNT_CAP", 5)
    many_failed_jobs(8)

    assert "Retry 5+ failed jobs?" in boss.get(reverse("admin:jobs_failedjob_retry_matching")).text
    assert "Flush 8 failed jobs?" in boss.get(reverse("admin:jobs_failedjob_flush_matching")).text


def test_forgetting_deletes_the_failed_job_and_leaves_the_job(boss: Client) -> None:
    failed = FailedJobFactory()

    done = confirm(boss, reverse("admin:jobs_failedjob_forget", args=[failed.pk]))

    assert not FailedJob.objects.exists()
    assert Job.objects.filter(pk=failed.job_id).exists()
    assert "Forgot 1 failed job." in told(done)
    assert done.headers["Location"] == reverse(FAILED)
    assert entry().action == "forget"


def test_selected_rows_are_retried_after_a_confirmation(boss: Client) -> None:
    first, second, third = FailedJobFactory.create_batch(3)
    data: dict[str, Any] = {
        "action": "retry_selected",
        ACTION_CHECKBOX_NAME: [str(first.pk), str(second.pk)],
    }

    asked = boss.post(reverse(FAILED), data | {"index": "0"})
    done = boss.post(reverse(FAILED), data | {"confirmed": "yes", "reason": "try again"})

    assert "Retry 2 failed jobs?" in asked.text
    assert "Retried 2 failed jobs." in told(done)
    assert set(FailedJob.objects.unretried()) == {third}
    assert entry().target == "2 selected failed jobs"


def test_an_id_that_is_none_is_told_of(boss: Client) -> None:
    done = boss.post(
        reverse(FAILED),
        {"action": "retry_selected", ACTION_CHECKBOX_NAME: "seven", "confirmed": "yes"},
    )

    assert "is not an id of a row" in told(done)


def test_a_retry_that_is_refused_says_why(boss: Client) -> None:
    failed = FailedJobFactory(definition="gone.jobs.old")

    done = confirm(boss, reverse("admin:jobs_failedjob_retry", args=[failed.pk]))

    assert "refused" in told(done)
    assert "gone.jobs.old" in told(done)
    assert not AuditEntry.objects.exists()


def test_a_waiting_job_is_cancelled(boss: Client) -> None:
    job = JobFactory()

    done = confirm(boss, reverse("admin:jobs_job_cancel", args=[job.pk]), reason="not needed")

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "Cancelled 1 job." in told(done)
    assert entry().reason == "not needed"


def test_a_finished_job_has_its_cancel_button_refused_with_the_reason(boss: Client) -> None:
    job = JobFactory(state=JobState.SUCCEEDED)

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text

    assert 'title="This job has ended: it is succeeded."' in page


def test_the_page_of_a_dead_job_can_retry_it(boss: Client) -> None:
    failed = FailedJobFactory()

    done = confirm(boss, reverse("admin:jobs_job_retry", args=[failed.job_id]))

    assert "Retried 1 failed job." in told(done)
    assert Job.objects.filter(retry_of=failed.job_id).exists()


def make_schedule(**values: Any) -> JobSchedule:
    defaults: dict[str, Any] = {
        "name": "nightly",
        "definition": "tests.jobs.sample_jobs.add",
        "cron": "0 3 * * *",
        "arguments": {"args": [1], "kwargs": {}},
    }
    return JobSchedule.objects.create(**(defaults | values))


def test_a_schedule_runs_now_and_links_to_its_job(boss: Client) -> None:
    schedule = make_schedule()

    done = confirm(boss, reverse("admin:jobs_jobschedule_run", args=[schedule.pk]))

    job = Job.objects.get(schedule=schedule)
    assert str(job.pk) in told(done)
    assert entry().after == {"job": str(job.pk)}
    page = boss.get(reverse("admin:jobs_jobschedule_change", args=[schedule.pk])).text
    assert "Run by hand" in page


def test_one_schedule_that_cannot_run_does_not_keep_the_others_from_it(boss: Client) -> None:
    good, bad = make_schedule(), make_schedule(name="broken")
    JobSchedule.objects.filter(pk=bad.pk).update(definition="gone.jobs.old")

    done = boss.post(
        reverse("admin:jobs_jobschedule_changelist"),
        {
            "action": "run_selected",
            ACTION_CHECKBOX_NAME: [str(good.pk), str(bad.pk)],
            "confirmed": "yes",
        },
    )

    assert Job.objects.filter(schedule=good).exists()
    assert "Not run: broken" in told(done)


def test_a_schedule_is_paused_and_resumed(boss: Client) -> None:
    schedule = make_schedule()

    paused = confirm(boss, reverse("admin:jobs_jobschedule_pause", args=[schedule.pk]))
    schedule.refresh_from_db()
    assert not schedule.enabled
    assert "Paused 1 schedule." in told(paused)

    resumed = confirm(boss, reverse("admin:jobs_jobschedule_resume", args=[schedule.pk]))
    schedule.refresh_from_db()
    assert schedule.enabled
    assert "Resumed 1 schedule." in told(resumed)
    assert AuditEntry.objects.count() == 2


def test_a_schedule_that_has_no_run_left_is_not_resumed_and_says_so(boss: Client) -> None:
    schedule = make_schedule(enabled=False, kind="once", cron="", run_at=ago(days=1))

    done = confirm(boss, reverse("admin:jobs_jobschedule_resume", args=[schedule.pk]))

    schedule.refresh_from_db()
    assert not schedule.enabled
    assert "cannot be resumed" in told(done)


def test_a_queue_is_paused_until_a_time_with_a_reason(boss: Client) -> None:
    until = timezone.localtime(timezone.now() + dt.timedelta(hours=2)).replace(second=0)

    done = confirm(
        boss,
        reverse("admin:jobs_queue_pause", args=["ai"]),
        until=f"{until:%Y-%m-%dT%H:%M}",
        reason="provider down",
    )

    queue = Queue.objects.get(name="ai")
    assert queue.paused_until == until.replace(microsecond=0)
    assert (queue.paused_reason, queue.paused_by.get_username()) == ("provider down", "boss")
    assert "Paused ai." in told(done)
    assert "provider down" in boss.get(reverse("admin:jobs_queue_changelist")).text


def test_a_pause_that_ends_in_the_past_is_refused_at_its_field(boss: Client) -> None:
    page = confirm(
        boss, reverse("admin:jobs_queue_pause", args=["ai"]), until="2020-01-01T00:00", reason="x"
    )

    assert "must be in the future" in page.text
    assert 'value="2020-01-01T00:00"' in page.text
    assert not Queue.objects.filter(paused_at__isnull=False).exists()


def test_a_queue_is_resumed(boss: Client) -> None:
    Queue.objects.create(name="ai", paused_at=ago(minutes=1))

    done = confirm(boss, reverse("admin:jobs_queue_resume", args=["ai"]))

    assert "Resumed ai." in told(done)
    assert Queue.objects.get(name="ai").paused_at is None


def test_a_queue_is_cleared(boss: Client) -> None:
    JobFactory.create_batch(3, queue="low")
    other = JobFactory()

    done = confirm(boss, reverse("admin:jobs_queue_clear", args=["low"]))

    assert set(Job.objects.waiting()) == {other}
    assert "Cancelled 3 waiting jobs of low." in told(done)


def test_the_threshold_of_a_queue_is_changed_without_touching_its_pause(boss: Client) -> None:
    Queue.objects.create(name="ai", paused_at=ago(minutes=1))

    boss.post(reverse("admin:jobs_queue_change", args=["ai"]), {"max_waiting": "500"})

    queue = Queue.objects.get(name="ai")
    assert queue.max_waiting == 500
    assert queue.paused_at is not None
    assert entry().after == {"max_waiting": 500}


def test_a_cluster_is_asked_to_restart_once(boss: Client) -> None:
    cluster = ClusterFactory()

    done = confirm(boss, reverse("admin:jobs_cluster_restart", args=[cluster.pk]))

    cluster.refresh_from_db()
    assert cluster.restart_requested_at is not None
    assert "Asked 1 cluster to restart." in told(done)
    assert "restart requested" in boss.get(reverse("admin:jobs_cluster_changelist")).text
