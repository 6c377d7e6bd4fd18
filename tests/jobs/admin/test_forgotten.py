"""Failed jobs that were forgotten, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from jobs.audit import Actor
from jobs.failures.flushing import flush, forget
from jobs.models import AuditEntry, FailedJob
from tests.jobs.factories import FailedJobFactory, many_failed_jobs

LIST = "admin:jobs_forgottenfailedjob_changelist"
OPERATOR = Actor.of_code("ada")


def forgotten() -> FailedJob:
    failed = FailedJobFactory()
    forget([failed.pk], OPERATOR)
    return failed


def test_what_was_forgotten_is_on_its_own_list_only(boss: Client) -> None:
    failed = forgotten()
    kept = FailedJobFactory()

    listed = boss.get(reverse(LIST)).text
    others = boss.get(reverse("admin:jobs_failedjob_changelist")).text

    assert str(failed.pk) in listed
    assert str(kept.pk) not in listed
    assert "ada (forget)" in listed
    assert str(failed.pk) not in others
    page = boss.get(reverse("admin:jobs_failedjob_change", args=[failed.pk]))
    assert page.status_code == 302
    job = boss.get(reverse("admin:jobs_job_change", args=[failed.job_id])).text
    assert "Its failed job was forgotten" in job


def test_its_page_says_until_when_it_can_be_restored_and_offers_nothing_else(boss: Client) -> None:
    failed = forgotten()

    page = boss.get(reverse("admin:jobs_forgottenfailedjob_change", args=[failed.pk])).text

    assert "by ada" in page
    assert "It can be restored until" in page
    assert "Edit and retry" not in page
    assert "/retry/" not in page
    assert "/restore/" in page


def test_one_selected_and_all_that_match_are_restored(boss: Client) -> None:
    one, two = forgotten(), forgotten()
    many_failed_jobs(3, queue="low")
    many_failed_jobs(2, queue="high")
    flush(FailedJob.objects.all(), OPERATOR)

    boss.post(
        reverse("admin:jobs_forgottenfailedjob_restore", args=[one.pk]),
        {"confirmed": "yes", "reason": "needed"},
    )
    assert set(FailedJob.objects.all()) == {one}
    boss.post(
        reverse(LIST),
        {"action": "restore_selected", ACTION_CHECKBOX_NAME: str(two.pk), "confirmed": "yes"},
    )
    assert set(FailedJob.objects.all()) == {one, two}
    address = reverse("admin:jobs_forgottenfailedjob_restore_matching") + "?queue=low"
    page = boss.get(address)
    boss.post(address, dict(page.context["hidden"]))

    assert FailedJob.objects.filter(queue="low").count() == 3
    assert not FailedJob.objects.filter(queue="high").exists()
    assert AuditEntry.objects.filter(action="restore", reason="needed").count() == 1


def test_the_message_after_forgetting_leads_to_the_way_back(boss: Client) -> None:
    failed = FailedJobFactory()

    done = boss.post(reverse("admin:jobs_failedjob_forget", args=[failed.pk]), {"confirmed": "yes"})

    (message,) = get_messages(done.wsgi_request)
    assert reverse(LIST) in str(message)


def test_the_confirmation_says_whether_and_for_how_long_it_can_be_undone(
    boss: Client, settings: Any
) -> None:
    failed = FailedJobFactory()
    address = reverse("admin:jobs_failedjob_forget", args=[failed.pk])

    assert "For 1 h this can be undone" in boss.get(address).text
    settings.JOBS_UNDO_WINDOW = 0
    assert "This cannot be undone." in boss.get(address).text
