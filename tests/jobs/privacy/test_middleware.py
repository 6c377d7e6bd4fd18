"""Keys and results of middleware tell no secret, and neither does editing."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from jobs.exceptions import InvalidArguments
from jobs.models import (
    AuditEntry,
    FailedJob,
    IdempotencyMark,
    Job,
    LimitKey,
    UniqueLock,
)
from jobs.privacy.masking import MASK
from jobs.transports.sync import run_due
from tests.jobs.privacy import secret_jobs

pytestmark = pytest.mark.django_db(transaction=True)
WORD = "open-sesame-1234"


def test_a_secret_that_makes_a_job_unique_is_not_stored() -> None:
    first = secret_jobs.only_once.enqueue(WORD)
    assert secret_jobs.only_once.enqueue(WORD).id == first.id
    assert secret_jobs.only_once.enqueue("another-word").id != first.id
    labels = set(UniqueLock.objects.values_list("label", flat=True))
    assert labels == {f"{secret_jobs.only_once.path}: {MASK}"}


def test_a_key_that_cannot_be_made_does_not_tell_it(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidArguments) as error:
        secret_jobs.has_a_broken_key.enqueue(WORD)
    assert WORD not in str(error.value)
    assert error.value.__cause__ is None


def test_a_limit_does_not_take_a_secret_for_a_key() -> None:
    secret_jobs.alone_for_its_token.enqueue(WORD)
    run_due()
    failure = FailedJob.objects.get()
    assert "its key has the value of a sensitive argument" in failure.message
    assert WORD not in failure.message + failure.traceback
    assert not LimitKey.objects.exists()


def test_what_was_done_once_is_remembered_without_the_secret() -> None:
    secret_jobs.answers_once.enqueue(WORD)
    secret_jobs.answers_once.enqueue(WORD)
    run_due()
    mark = IdempotencyMark.objects.get()
    assert WORD not in f"{mark.label} {mark.result}"
    assert list(Job.objects.values_list("result", flat=True)) == [f"used {MASK}"] * 2


def test_a_skip_does_not_tell_it() -> None:
    secret_jobs.is_skipped.enqueue(WORD)
    run_due()
    job = Job.objects.get()
    assert job.result == [MASK]
    assert job.attempt_records.get().detail == f"skipped: no {MASK}"


def test_editing_shows_and_records_only_that_a_secret_differs(boss: Client) -> None:
    secret_jobs.alone_for_its_token.enqueue(WORD)
    run_due()
    failed = FailedJob.objects.get()
    address = reverse("admin:jobs_failedjob_edit", args=[failed.pk])
    page = boss.get(address)
    form = page.context["form"]
    typed = {name: form[name].value() for name in form.fields}
    typed = {name: "" if value is None else value for name, value in typed.items()}
    answer = boss.post(address, {**typed, "argument-token": "quite-another-word"}, follow=True)
    assert "quite-another-word" not in answer.text
    assert Job.objects.get(retry_of=failed.job_id).arguments["kwargs"]["token"]["$encrypted"]
    told = str(AuditEntry.objects.values_list("before", "after").get())
    assert "quite-another-word" not in told
    assert MASK in told
