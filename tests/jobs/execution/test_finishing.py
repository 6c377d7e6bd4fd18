"""Writing the ends of attempts, also when the answer of the database was lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, OperationalError

from jobs import events
from jobs.execution import finishing, rescue, runner
from jobs.ledger import Ledger
from jobs.models import Attempt, FailedJob, Job, JobState
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = 7


@pytest.fixture
def succeeded() -> Iterator[list[Any]]:
    """The ids of the jobs of which `job_succeeded` told."""
    heard: list[Any] = []

    def receiver(sender: str, **payload: Any) -> None:
        heard.append(payload["job_id"])

    events.job_succeeded.connect(receiver)
    yield heard
    events.job_succeeded.disconnect(receiver)


def test_an_end_whose_answer_was_lost_is_written_once_and_told(
    book: Ledger, succeeded: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    sample_jobs.add.enqueue(1)
    (claimed,) = book.claim(worker_id=WORKER, queues=["default"], limit=1)
    outcome = runner.run(claimed, pool=None)
    book.complete([outcome])  # its answer never came
    assert finishing.finish(book, [outcome]) == [outcome]
    assert succeeded == [claimed.id]
    assert Attempt.objects.count() == 1
    assert "was taken from it" not in caplog.text


def test_a_late_finisher_is_logged_and_told_of_to_nobody(
    book: Ledger, succeeded: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    sample_jobs.add.enqueue(1)
    (claimed,) = book.claim(worker_id=WORKER, queues=["default"], limit=1)
    outcome = runner.run(claimed, pool=None)
    rescue.rescue(book, [WORKER], detail="host gone")
    assert finishing.finish(book, [outcome]) == []
    assert succeeded == []
    assert "was taken from it" in caplog.text
    assert Job.objects.get().state == JobState.READY


def test_of_several_ends_only_the_late_one_is_dropped(book: Ledger, succeeded: list[Any]) -> None:
    sample_jobs.add.enqueue_many([1, 2])
    late, timely = book.claim(worker_id=WORKER, queues=["default"], limit=2)
    outcomes = [runner.run(job, pool=None) for job in (late, timely)]
    book.give_back([late])
    assert finishing.finish(book, outcomes) == outcomes[1:]
    assert succeeded == [timely.id]


def test_of_many_ends_that_are_written_together_only_the_one_that_is_refused_fails(
    book: Ledger,
) -> None:
    sample_jobs.add.enqueue_many(list(range(20)))
    claimed = book.claim(worker_id=WORKER, queues=["default"], limit=20)
    outcomes = [runner.run(job, pool=None) for job in claimed]
    bad = outcomes[13].job.id
    calls: list[int] = []

    def write(some: Any) -> None:
        calls.append(len(some))
        if any(outcome.job.id == bad and outcome.failure is None for outcome in some):
            raise DataError("too big for JSON")
        finishing.finish(book, some)

    written = finishing.finish_each(write, outcomes)
    assert {outcome.job.id for outcome in written} == {job.id for job in claimed}
    assert [job.pk for job in Job.objects.in_state("failed")] == [bad]
    assert Job.objects.in_state("succeeded").count() == 19
    assert Attempt.objects.count() == 20
    assert "cannot be written: too big for JSON" in FailedJob.objects.get().message
    # Halves, not one by one.
    assert len(calls) <= 12


def test_ends_stay_unwritten_where_the_connection_is_lost(book: Ledger) -> None:
    sample_jobs.add.enqueue_many([1, 2])
    claimed = book.claim(worker_id=WORKER, queues=["default"], limit=2)

    def write(some: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.raises(OperationalError):
        finishing.finish_each(write, [runner.run(job, pool=None) for job in claimed])
    assert Job.objects.in_state("running").count() == 2
