"""What was done once is not done again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from jobs import Idempotent
from jobs.exceptions import InvalidDefinition
from jobs.ledger import Ledger, retention
from jobs.models import Attempt, IdempotencyMark, Job
from jobs.transports.sync import run_due
from tests.jobs.idempotency import idempotent_jobs

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ran(transactional_db: None) -> Iterator[list[Any]]:
    idempotent_jobs.ran.clear()
    yield idempotent_jobs.ran
    idempotent_jobs.ran.clear()


def test_a_second_job_ends_with_the_result_of_the_first(ran: list[Any]) -> None:
    first = idempotent_jobs.handles.enqueue("e1")
    idempotent_jobs.handles.enqueue("e1")
    idempotent_jobs.handles.enqueue("e2")
    run_due()
    assert ran == ["e1", "e2"]
    results = list(Job.objects.order_by("pk").values_list("state", "result"))
    assert results == [("succeeded", f"handled {event}") for event in ("e1", "e1", "e2")]
    skipped = Attempt.objects.exclude(detail="").get()
    assert first.id in skipped.detail.replace("-", "")
    assert skipped.detail.startswith("skipped: it is done by job")


def test_what_another_job_is_at_is_left_to_it(ran: list[Any], book: Ledger) -> None:
    idempotent_jobs.handles.enqueue("e1")
    idempotent_jobs.handles.enqueue("e1")
    (first,) = book.claim(worker_id=7, queues=["default"], limit=1)
    run_due()
    IdempotencyMark.objects.update(job_id=first.id, fence=first.fence, done_at=None)
    ran.clear()
    idempotent_jobs.handles.enqueue("e1")
    run_due()
    assert ran == []
    assert "being done" in Attempt.objects.order_by("finished_at").last().detail  # type: ignore[union-attr]


def test_what_has_failed_is_tried_again(ran: list[Any]) -> None:
    idempotent_jobs.handles_at_the_second_try.enqueue("e1")
    run_due()
    assert ran == [1, 2]
    assert Job.objects.get().state == "succeeded"
    assert IdempotencyMark.objects.get().done_at is not None


def test_what_a_dead_worker_was_at_is_done_by_another(ran: list[Any]) -> None:
    idempotent_jobs.handles.enqueue("e1")
    run_due()
    IdempotencyMark.objects.update(done_at=None)
    ran.clear()
    idempotent_jobs.handles.enqueue("e1")
    run_due()
    assert ran == ["e1"]


def test_the_work_and_its_mark_are_one_transaction(ran: list[Any]) -> None:
    idempotent_jobs.makes_group.enqueue("writers")
    run_due()
    assert list(Group.objects.values_list("name", flat=True)) == ["writers 2"]
    assert IdempotencyMark.objects.get().done_at is not None


def test_after_its_time_it_may_be_done_again(ran: list[Any]) -> None:
    idempotent_jobs.handles.enqueue("e1")
    run_due()
    IdempotencyMark.objects.update(expires_at=timezone.now() - HOUR)
    idempotent_jobs.handles.enqueue("e1")
    run_due()
    assert ran == ["e1", "e1"]


def test_marks_whose_time_is_over_are_removed(ran: list[Any]) -> None:
    for event in ("e1", "e2"):
        idempotent_jobs.handles.enqueue(event)
    run_due()
    mark = IdempotencyMark.objects.get(label__endswith="e1")
    IdempotencyMark.objects.filter(pk=mark.pk).update(expires_at=timezone.now() - HOUR)
    assert retention.run_once().idempotency_marks == 1
    assert IdempotencyMark.objects.count() == 1


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="must be a callable"):
        Idempotent("event")  # type: ignore[arg-type]
    with pytest.raises(InvalidDefinition, match="keep: -1 must be a positive"):
        Idempotent(str, keep=-1)
