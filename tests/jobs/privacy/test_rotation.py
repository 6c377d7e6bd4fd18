"""A new key: what the old one encrypted is encrypted anew, while the site runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from jobs.audit import Actor
from jobs.exceptions import EncryptionUnavailable
from jobs.ledger import Ledger
from jobs.models import AuditEntry, FailedJob, Job, JobSchedule
from jobs.privacy import rotation
from jobs.privacy.encryption import seal
from jobs.privacy.masking import masked
from jobs.privacy.sealing import opened
from jobs.transports.sync import run_due
from tests.jobs.commands.conftest import Ran
from tests.jobs.factories import JobFactory
from tests.jobs.privacy import secret_jobs
from tests.jobs.privacy.test_sealing import new_key

pytestmark = pytest.mark.django_db(transaction=True)
ACTOR = Actor.of_code("test")


@pytest.fixture
def rows(book: Ledger) -> None:
    """A job in every state, a failed one and a schedule, with arguments of the first key."""
    secret_jobs.charge.enqueue("give up", "token of the failed")
    secret_jobs.charge.enqueue("well", "token of the finished")
    run_due()
    secret_jobs.charge.enqueue("well", "token of the running")
    book.claim(worker_id=7, queues=["default"], limit=1)
    secret_jobs.charge.enqueue_many([("well", "token of the ready")] * 3)
    later = secret_jobs.charge.using(run_after=dt.timedelta(hours=1))
    later.enqueue("well", "token of the scheduled")
    JobSchedule.objects.create(
        name="x", definition=secret_jobs.charge.path, cron="0 3 * * *",
        arguments={"args": ["well"], "kwargs": {"token": "token of the schedule"}},
    )  # fmt: skip
    JobFactory()


def everything() -> list[Any]:
    found: list[Any] = []
    for model in (Job, FailedJob, JobSchedule):
        found += model.objects.order_by("pk").values_list("arguments", flat=True)
    return found


def test_the_old_key_is_needed_no_more(
    rows: None, settings: Settings, run: Callable[..., Ran], calls: list[Any]
) -> None:
    before = [opened(arguments) for arguments in everything()]
    ciphertexts = everything()
    old, new = settings.JOBS_ENCRYPTION_KEYS, new_key()
    settings.JOBS_ENCRYPTION_KEYS = [new, *old]
    tried = run("queue_rotate_keys", "--dry-run", "--finished", "--json").json
    assert everything() == ciphertexts
    assert not AuditEntry.objects.exists()
    ran = run("queue_rotate_keys", "--finished", "--json", "--reason", "yearly")
    assert ran.json["rotated"] == tried["rotated"]
    assert ran.json == {
        "dry_run": False,
        "rotated": {
            "looked_at": 9, "jobs": 7, "failed_jobs": 1, "schedules": 1, "unreadable": 0,
            "unreadable_rows": [],
        },
    }  # fmt: skip
    settings.JOBS_ENCRYPTION_KEYS = [new]
    assert [opened(arguments) for arguments in everything()] == before
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.reason) == ("rotate_keys", 9, "yearly")
    calls.clear()
    run_due()
    assert calls == [("well", "token of the ready", None)] * 3


def test_jobs_that_have_ended_are_left_unless_asked_for(
    rows: None, settings: Settings, run: Callable[..., Ran]
) -> None:
    settings.JOBS_ENCRYPTION_KEYS = [new_key(), *settings.JOBS_ENCRYPTION_KEYS]
    ran = run("queue_rotate_keys")
    assert "9 rows" not in ran.out
    assert ran.out.splitlines()[-1] == (
        "Encrypted anew the arguments of 5 jobs, 1 failed job and 1 schedule."
    )
    assert "looked at" in ran.out
    again = run("queue_rotate_keys", "--json").json["rotated"]
    assert (again["jobs"], again["failed_jobs"], again["schedules"]) == (0, 0, 0)


def test_what_no_key_decrypts_is_told_and_left(
    rows: None, settings: Settings, run: Callable[..., Ran]
) -> None:
    before = everything()
    settings.JOBS_ENCRYPTION_KEYS = [new_key()]
    ran = run("queue_rotate_keys")
    assert ran.code == 1
    failed = FailedJob.objects.get()
    assert "No key decrypts the arguments of 7 rows: " in ran.error
    assert f"failed job {failed.pk}" in ran.error
    assert everything() == before
    assert not AuditEntry.objects.exists()


def test_what_was_stored_plainly_is_encrypted_and_old_calls_too(run: Callable[..., Ran]) -> None:
    plain = {"args": ["well", "plain secret"], "kwargs": {}}
    row = JobFactory(definition=secret_jobs.charge.path, arguments=plain)
    nested = {"args": [], "kwargs": {"func": "f", "args": [seal("inner")], "kwargs": {}}}
    old_call = JobFactory(definition="jobs.django_q2.task.run_task", arguments=nested)
    assert run("queue_rotate_keys", "--json").json["rotated"]["jobs"] == 1
    row.refresh_from_db()
    assert masked(None, row.arguments) != plain
    assert opened(row.arguments) == plain
    old_call.refresh_from_db()
    assert old_call.arguments == nested


def test_it_goes_on_in_batches_and_tells_after_each(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_jobs.charge.enqueue_many([("well", f"token {number}") for number in range(5)])
    settings.JOBS_ENCRYPTION_KEYS = [new_key(), *settings.JOBS_ENCRYPTION_KEYS]
    told: list[int] = []
    pages = rotation.pages
    monkeypatch.setattr(rotation, "pages", lambda rows: pages(rows, size=2))
    rotation.rotate(ACTOR, on_batch=lambda report: told.append(report.jobs))
    assert told == [2, 4, 5]
    assert AuditEntry.objects.get().count == 5


def test_without_a_key_it_refuses(settings: Settings, run: Callable[..., Ran]) -> None:
    settings.JOBS_ENCRYPTION_KEYS = []
    with pytest.raises(EncryptionUnavailable):
        rotation.rotate(ACTOR)
    assert run("queue_rotate_keys").code == 2


@pytest.mark.postgresql
def test_a_row_that_a_worker_holds_is_waited_for(settings: Settings) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    secret_jobs.charge.enqueue_many([("well", "token one"), ("well", "token two")])
    held = Job.objects.order_by("pk").first()
    assert held is not None
    settings.JOBS_ENCRYPTION_KEYS = [new_key(), *settings.JOBS_ENCRYPTION_KEYS]

    def rotate() -> rotation.RotationReport:
        try:
            return rotation.rotate(ACTOR)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=held.pk)
            running = elsewhere.submit(rotate)
            with pytest.raises(TimeoutError):
                running.result(0.5)
        assert running.result(20).jobs == 2
