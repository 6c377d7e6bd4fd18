"""Revealing: by a POST, with the permission, once, and on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from jobs.models import AuditEntry, FailedJob, Job
from jobs.transports.sync import run_due
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.commands.conftest import Ran
from tests.jobs.factories import JobFactory
from tests.jobs.privacy import secret_jobs
from tests.jobs.privacy.test_sealing import new_key

pytestmark = pytest.mark.django_db(transaction=True)
WORD = "a-secret-word"


@pytest.fixture
def failed() -> FailedJob:
    secret_jobs.charge.enqueue("give up", WORD)
    run_due()
    return FailedJob.objects.get()


def pages(failed: FailedJob) -> list[tuple[str, str]]:
    """The page and the address that reveals, of the job and of the failed job."""
    rows = (("job", failed.job_id), ("failedjob", failed.pk))
    return [
        (
            reverse(f"admin:jobs_{noun}_change", args=[pk]),
            reverse(f"admin:jobs_{noun}_reveal", args=[pk]),
        )
        for noun, pk in rows
    ]


def test_a_post_shows_the_values_once_and_leaves_an_entry(
    browser_of: BrowserOf, failed: FailedJob
) -> None:
    browser = browser_of("view_job", "view_failedjob", "reveal_job")
    for page, address in pages(failed):
        shown = browser.get(page).content.decode()
        assert f'action="{address}"' in shown
        assert WORD not in shown
        AuditEntry.objects.all().delete()
        answer = browser.post(address, {"reason": "the bank asks"})
        assert answer.status_code == 200
        assert WORD in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.reason, entry.surface) == ("reveal", "the bank asks", "admin")
        assert str(failed.job_id) in entry.target
        assert entry.after == {"job": str(failed.job_id), "definition": failed.definition}
        assert WORD not in browser.get(page).content.decode()


@pytest.mark.parametrize(
    "permissions",
    [
        (),
        ("view_job", "view_failedjob"),
        ("reveal_job",),
        ("view_job", "view_failedjob", "dispatch_job", "retry_failedjob", "cancel_job"),
    ],
)
def test_without_the_permission_there_is_no_button_and_403(
    browser_of: BrowserOf, failed: FailedJob, permissions: tuple[str, ...]
) -> None:
    browser = browser_of(*permissions)
    for page, address in pages(failed):
        if "view_job" in permissions:
            assert address not in browser.get(page).content.decode()
        for answer in (browser.post(address), browser.get(address)):
            assert answer.status_code == 403
            assert WORD not in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_a_get_shows_nothing(boss: Client, failed: FailedJob) -> None:
    for _, address in pages(failed):
        answer = boss.get(address)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert not AuditEntry.objects.exists()


def test_where_nothing_is_sensitive_nothing_is_offered(boss: Client) -> None:
    job = JobFactory()
    address = reverse("admin:jobs_job_reveal", args=[job.pk])
    assert address not in boss.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    answer = boss.post(address, follow=True)
    assert "has no sensitive arguments" in answer.content.decode()
    missing = reverse("admin:jobs_job_reveal", args=["0192f3c4-5b6a-7d8e-9f01-23456789abcd"])
    assert boss.post(missing).status_code == 302
    assert not AuditEntry.objects.exists()


def test_without_the_key_nothing_is_revealed_and_nothing_recorded(
    boss: Client, failed: FailedJob, settings: Settings, run: Callable[..., Ran]
) -> None:
    settings.JOBS_ENCRYPTION_KEYS = [new_key()]
    for _, address in pages(failed):
        answer = boss.post(address, follow=True).content.decode()
        assert "Nothing was revealed. A sensitive argument cannot be decrypted" in answer
    ran = run("queue_reveal", str(failed.pk), "--reason", "why")
    assert (ran.code, ran.out) == (2, "")
    assert not AuditEntry.objects.exists()


def test_a_reason_that_cannot_be_kept_is_refused(boss: Client, failed: FailedJob) -> None:
    for reason in ("x" * 501, "nul \x00"):
        answer = boss.post(pages(failed)[0][1], {"reason": reason}, follow=True).content.decode()
        assert "Nothing was revealed. reason: " in answer
        assert WORD not in answer
    assert not AuditEntry.objects.exists()


def test_the_command_reveals_with_a_reason(failed: FailedJob, run: Callable[..., Ran]) -> None:
    for wanted in (failed.pk, failed.job_id):
        AuditEntry.objects.all().delete()
        ran = run("queue_reveal", str(wanted), "--reason", "the bank asks", "--json")
        expected: dict[str, Any] = {"args": ["give up", WORD], "kwargs": {}}
        assert ran.json["arguments"] == expected
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.reason, entry.surface) == ("reveal", "the bank asks", "command")
    assert WORD in run("queue_reveal", str(failed.pk), "--reason", "again").out
    Job.objects.all().delete()
    assert WORD in run("queue_reveal", str(failed.job_id), "--reason", "again").out


def test_the_command_needs_a_reason_and_a_job(failed: FailedJob, run: Callable[..., Ran]) -> None:
    assert run("queue_reveal", str(failed.pk), "--reason", " ").code == 2
    assert run("queue_reveal", str(failed.pk)).out == ""
    plain = JobFactory()
    assert run("queue_reveal", str(plain.pk), "--reason", "x").code == 1
    nobody = run("queue_reveal", "0192f3c4-5b6a-7d8e-9f01-23456789abcd", "--reason", "x")
    assert (nobody.code, "neither a job nor a failed job" in nobody.error) == (2, True)
    assert not AuditEntry.objects.exists()
