"""Writing the ends of attempts, also when the answer of the database was lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs import events
from jobs.execution import finishing, rescue, runner
from jobs.ledger import Ledger
from jobs.models import Attempt, Job, JobState
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
