"""What becomes of the jobs of dead workers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.utils import timezone

from jobs.compat import FRAMEWORK
from jobs.execution import rescue
from jobs.ledger import Ledger
from jobs.ledger.outcome import ClaimedJob
from jobs.models import Attempt, FailedJob, Job, JobState
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = 7


def claim(book: Ledger) -> list[ClaimedJob]:
    return book.claim(worker_id=WORKER, queues=["default"], limit=10)


def test_a_lost_job_runs_again_even_after_its_last_attempt(book: Ledger) -> None:
    sample_jobs.add.enqueue(1)
    claim(book)
    report = rescue.rescue(book, [WORKER], detail="signal 9")
    assert (report.requeued, report.failed) == (1, 0)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.detail) == ("lost", "signal 9")
    (again,) = claim(book)
    assert (again.attempts, again.crashes) == (2, 1)


def test_a_poison_job_is_quarantined(book: Ledger) -> None:
    sample_jobs.add.using(max_crashes=2).enqueue(1)
    for _ in range(2):
        claim(book)
        rescue.rescue(book, [WORKER], detail="signal 11")
    assert Job.objects.get().state == JobState.FAILED
    assert FailedJob.objects.get().reason == "quarantined"


def test_an_at_most_once_job_is_not_run_again(book: Ledger) -> None:
    sample_jobs.once_at_most.enqueue()
    claim(book)
    rescue.rescue(book, [WORKER], detail="host gone")
    assert FailedJob.objects.get().reason == "lost"
    assert claim(book) == []


def test_an_interrupted_job_runs_again_at_no_cost(book: Ledger) -> None:
    sample_jobs.add.enqueue(1)
    claim(book)
    rescue.rescue(book, [WORKER], detail="shutdown", interrupted=True)
    job = Job.objects.get()
    assert (job.state, job.attempts, job.crashes) == (JobState.READY, 0, 0)
    assert Attempt.objects.get().outcome == "interrupted"


def test_an_interrupted_at_most_once_job_fails(book: Ledger) -> None:
    sample_jobs.once_at_most.enqueue()
    claim(book)
    rescue.rescue(book, [WORKER], detail="shutdown", interrupted=True)
    assert Job.objects.get().state == JobState.FAILED


@pytest.mark.parametrize(("final", "state"), [(False, "scheduled"), (True, "failed")])
def test_a_kill_past_the_hard_timeout_is_a_timeout(book: Ledger, final: bool, state: str) -> None:
    sample_jobs.add.using(max_attempts=2, backoff=60, fail_on_timeout=final).enqueue(1)
    claim(book)
    rescue.rescue(book, [WORKER], detail="killed after 1 s", timed_out=True)
    assert (Job.objects.get().state, Attempt.objects.get().outcome) == (state, "timed_out")


def test_a_kill_past_the_hard_timeout_heeds_the_whole_policy(book: Ledger) -> None:
    """As the soft timeout does: it is chance which of the two ends an attempt."""
    sample_jobs.retries_flaky_only.enqueue("flaky")
    sample_jobs.waits_by_its_error.using(timeout=0.5).enqueue()
    claim(book)
    rescue.rescue(book, [WORKER], detail="timed out", timed_out=True)
    states = dict(Job.objects.values_list("definition", "state"))
    assert states == {
        sample_jobs.retries_flaky_only.path: "failed",
        sample_jobs.waits_by_its_error.path: "scheduled",
    }


def test_the_framework_is_told_of_a_lost_job_with_its_error(
    book: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    sample_jobs.add.using(on_crash="fail").enqueue(1)
    claim(book)
    rescue.rescue(book, [WORKER], detail="signal 9")
    (record,) = [one for one in caplog.records if one.name == FRAMEWORK and "FAILED" in one.message]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "The worker that ran the job ended: signal 9"


def test_a_policy_that_raises_keeps_no_job_from_its_rescue(book: Ledger) -> None:
    sample_jobs.has_a_broken_backoff.enqueue()
    sample_jobs.add.using(max_attempts=2, backoff=0).enqueue(1)
    claim(book)
    rescue.rescue(book, [WORKER], detail="timed out", timed_out=True)
    assert Job.objects.get(definition=sample_jobs.add.path).state == JobState.READY
    failure = FailedJob.objects.get()
    assert (failure.definition, failure.reason) == (
        sample_jobs.has_a_broken_backoff.path,
        "timed_out",
    )
    assert failure.exception_class == "jobs.exceptions.JobTimeout"
    assert "its policy raised builtins.KeyError: 1" in failure.message


def test_a_module_that_cannot_be_imported_keeps_no_job_from_its_rescue(
    book: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken_jobs.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    sample_jobs.add.enqueue(1)
    Job.objects.update(definition="broken_jobs.work")
    claim(book)
    rescue.rescue(book, [WORKER], detail="signal 9")
    assert Job.objects.get().state == JobState.READY
    assert "broken_jobs.work: its module cannot be imported" in caplog.text


def test_a_crash_past_retry_until_fails_the_job(book: Ledger) -> None:
    sample_jobs.add.using(retry_until=dt.timedelta(hours=1)).enqueue(1)
    claim(book)
    Job.objects.update(retry_until=timezone.now() - dt.timedelta(seconds=1))
    rescue.rescue(book, [WORKER], detail="signal 9")
    assert FailedJob.objects.get().reason == "expired"


def test_a_rescue_can_be_repeated(book: Ledger) -> None:
    sample_jobs.add.enqueue(1)
    claim(book)
    assert rescue.rescue(book, [WORKER], detail="signal 9").total == 1
    assert rescue.rescue(book, [WORKER], detail="signal 9").total == 0
    assert Attempt.objects.count() == 1


def test_a_rescue_leaves_the_jobs_of_others_alone(book: Ledger) -> None:
    sample_jobs.add.enqueue(1)
    claim(book)
    assert rescue.rescue(book, [WORKER + 1], detail="signal 9").total == 0
    assert Job.objects.get().state == JobState.RUNNING


def test_on_failure_is_called_for_a_lost_job_too(book: Ledger, calls: list[object]) -> None:
    from jobs.transports.sync import run_due

    sample_jobs.tells.using(on_crash="fail").enqueue(name="y")
    claim(book)
    rescue.rescue(book, [WORKER], detail="signal 9")
    run_due()
    assert calls == [("JobLost", "The worker that ran the job ended: signal 9", {"name": "y"})]
