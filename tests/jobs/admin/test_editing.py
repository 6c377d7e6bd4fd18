"""Edit and retry, and clone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.identifiers import uuid7
from jobs.models import AuditEntry, FailedJob, Job
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import FailedJobFactory, JobFactory

EDITS = ("view_failedjob", "retry_failedjob", "dispatch_job")


def edit_address(failed: FailedJob) -> str:
    return reverse("admin:jobs_failedjob_edit", args=[failed.pk])


def clone_address(job: Job) -> str:
    return reverse("admin:jobs_job_clone", args=[job.pk])


def typed(page: Any, **values: str) -> dict[str, str]:
    """What the form holds as it is shown, with other values for some of it."""
    form, arguments = page.context["form"], page.context["arguments_form"]
    fields = {name: form[name].value() for name in form.fields}
    fields = {name: "" if value is None else str(value) for name, value in fields.items()}
    fields |= {
        arguments.add_prefix(name): str(arguments[name].value()) for name in arguments.fields
    }
    return fields | values


def test_a_failed_job_is_edited_after_the_difference_was_shown(boss: Client) -> None:
    failed = FailedJobFactory(arguments={"args": [1], "kwargs": {"b": 2}}, queue="webhooks")
    data = typed(
        boss.get(edit_address(failed)),
        **{"argument-b": "3", "priority": "4", "reason": "typo <here>"},
    )

    shown = boss.post(edit_address(failed), data)

    assert list(shown.context["changes"]) == [
        ("b", "2", "3"),
        ("priority", "0", "4"),
    ]
    assert not Job.objects.filter(retry_of__isnull=False).exists()
    assert not AuditEntry.objects.exists()
    done = boss.post(edit_address(failed), dict(shown.context["typed"]) | {"_confirmed": "yes"})

    new = Job.objects.get(retry_of=failed.job_id)
    assert done.status_code == 302
    assert new.arguments == {"args": [], "kwargs": {"a": 1, "b": 3}}
    assert (new.queue, new.priority) == ("webhooks", 4)
    failed.refresh_from_db()
    assert failed.retried_as_id == new.pk
    assert failed.arguments == {"args": [1], "kwargs": {"b": 2}}
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("edit and retry", "typo <here>")
    page = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk])).text
    assert 'aria-disabled="true">Edit and retry' in page


def test_the_difference_can_be_left_to_change_the_form_again(boss: Client) -> None:
    failed = FailedJobFactory()
    data = typed(boss.get(edit_address(failed)), **{"argument-a": "17"})

    page = boss.post(edit_address(failed), data | {"_again": "Change it"})

    assert page.context["arguments_form"]["a"].value() == "17"
    assert not Job.objects.filter(retry_of__isnull=False).exists()


def test_what_does_not_fit_is_told_at_its_field_and_nothing_is_done(boss: Client) -> None:
    failed = FailedJobFactory()
    data = typed(boss.get(edit_address(failed)), **{"argument-a": "x", "priority": "101"})

    page = boss.post(edit_address(failed), data | {"_confirmed": "yes"})

    assert page.status_code == 200
    assert page.context["arguments_form"].errors["a"]
    assert page.context["form"].errors["priority"]
    failed.refresh_from_db()
    assert failed.retried_at is None


def test_that_nothing_differs_is_said(boss: Client) -> None:
    failed = FailedJobFactory()

    page = boss.post(edit_address(failed), typed(boss.get(edit_address(failed))))

    assert "Nothing differs" in page.text


@pytest.mark.parametrize("missing", EDITS)
def test_to_edit_and_retry_needs_the_permissions_to_see_retry_and_dispatch(
    browser_of: BrowserOf, missing: str
) -> None:
    failed = FailedJobFactory()
    browser = browser_of(*(name for name in EDITS if name != missing))

    assert browser.get(edit_address(failed)).status_code == 403
    assert browser.post(edit_address(failed), {"_confirmed": "yes"}).status_code == 403
    page = browser.get(reverse("admin:jobs_failedjob_change", args=[failed.pk]))
    assert page.status_code == 403 or "Edit and retry" not in page.text
    assert browser_of(*EDITS).get(edit_address(failed)).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_one_that_was_retried_or_is_not_there_is_refused(boss: Client, method: str) -> None:
    retried = FailedJobFactory(retried_at=timezone.now())
    gone = FailedJobFactory(definition="shop.tasks.gone")
    forgotten = FailedJobFactory(forgotten_at=timezone.now())
    no_id = reverse("admin:jobs_failedjob_edit", args=["nonsense"])

    for address, why in (
        (edit_address(retried), "retried already"),
        (edit_address(gone), "knows no job definition"),
        (edit_address(forgotten), "There is no"),
        (no_id, "There is no"),
    ):
        done = getattr(boss, method)(address)
        assert done.status_code == 302
        assert why in " ".join(map(str, get_messages(done.wsgi_request)))
    assert not Job.objects.filter(retry_of__isnull=False).exists()


def test_a_finished_job_is_cloned_with_changes_and_both_say_so(boss: Client) -> None:
    job = JobFactory(state="succeeded", queue="ai", priority=2)
    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk]))
    assert page.context["clone_url"] == clone_address(job)
    data = typed(boss.get(clone_address(job)), **{"argument-a": "8"})

    boss.post(clone_address(job), data | {"_confirmed": "yes"})

    new = Job.objects.get(retry_of=job.pk)
    assert new.arguments["kwargs"]["a"] == 8
    assert (new.queue, new.priority) == ("ai", 2)
    assert "Cloned as" in boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text
    assert "Clone of" in boss.get(reverse("admin:jobs_job_change", args=[new.pk])).text
    assert AuditEntry.objects.get().action == "clone"


def test_a_clone_that_is_sent_twice_is_made_once(boss: Client) -> None:
    job = JobFactory(state="cancelled")
    data = typed(boss.get(clone_address(job))) | {"_confirmed": "yes"}

    boss.post(clone_address(job), data)
    again = boss.post(clone_address(job), data)

    assert "was sent before" in " ".join(map(str, get_messages(again.wsgi_request)))
    assert Job.objects.filter(retry_of=job.pk).count() == 1


def test_a_job_that_has_not_ended_is_not_cloned(boss: Client) -> None:
    job = JobFactory()

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk]))
    done = boss.post(clone_address(job), {"_confirmed": "yes"})

    assert page.context["clone_url"] == ""
    assert done.status_code == 302
    assert Job.objects.count() == 1


def test_an_id_of_another_time_is_refused(boss: Client) -> None:
    job = JobFactory(state="succeeded")
    data = typed(boss.get(clone_address(job)))
    ahead = f"{uuid7().int + (10**7 << 80):032x}"

    page = boss.post(clone_address(job), data | {"job_id": ahead, "_confirmed": "yes"})

    assert page.context["form"].errors["job_id"]
    assert Job.objects.count() == 1


def test_the_page_of_a_failed_job_tells_of_its_rule(boss: Client) -> None:
    nothing = {"args": [], "kwargs": {}}
    due = FailedJobFactory(
        definition="tests.jobs.sample_jobs.recovers", arguments=nothing, recoveries=1,
        recover_at=timezone.now(),
    )  # fmt: skip
    over = FailedJobFactory(
        definition="tests.jobs.sample_jobs.recovers", arguments=nothing, recoveries=2
    )
    without = FailedJobFactory()

    def page(failed: FailedJob) -> str:
        text: str = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk])).text
        return text

    assert "as number 2 of 2 along its line of retries" in page(due)
    assert "was run again 2 of 2 times by the rule" in page(over)
    assert "Run again" not in page(without)
