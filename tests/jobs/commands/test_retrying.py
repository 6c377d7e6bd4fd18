"""queue_retry, queue_failed, queue_forget and queue_flush."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from jobs.models import AttemptOutcome, AuditEntry, FailedJob, Job
from jobs.models.attempt import Attempt
from jobs.transports import sync
from tests.jobs.factories import FailedJobFactory, JobFactory, ago, many_failed_jobs
from tests.jobs.sample_jobs import fails

pytestmark = pytest.mark.django_db
Run = Callable[..., Any]


def test_a_failed_job_is_retried_by_its_own_id_or_by_that_of_its_job(run: Run) -> None:
    one, two = FailedJobFactory(), FailedJobFactory()

    ran = run("queue_retry", str(one.pk), str(two.job_id), "--json", "--reason", "fixed")

    assert ran.code == 0
    assert ran.json["retried"] == 2
    assert FailedJob.objects.unretried().count() == 0
    entry = AuditEntry.objects.get()
    assert (entry.surface, entry.action, entry.reason) == ("command", "retry", "fixed")
    assert str(one.pk) in entry.target


def test_all_or_those_that_match_are_retried(run: Run) -> None:
    many_failed_jobs(3, queue="low", failed_at=ago(days=3))
    many_failed_jobs(2, queue="low")
    many_failed_jobs(4, queue="high")

    assert run("queue_retry", "--queue", "low", "--since", "1d", "--json").json["retried"] == 2
    assert run("queue_retry", "--definition", "tests.jobs.sample_jobs.add").code == 0
    assert FailedJob.objects.unretried().count() == 0
    assert run("queue_retry", "--all").code == 1


def test_a_dry_run_counts_and_changes_nothing(run: Run) -> None:
    failed = FailedJobFactory()

    assert run("queue_retry", "--all", "--dry-run", "--json").json["would_retry"] == 1
    assert run("queue_forget", str(failed.pk), "--dry-run").code == 0
    assert run("queue_flush", "--dry-run", "--json").json["would_flush"] == 1

    assert FailedJob.objects.unretried().count() == 1
    assert not AuditEntry.objects.exists()


def test_what_is_retried_must_be_said_and_only_once(run: Run) -> None:
    failed = FailedJobFactory()

    assert run("queue_retry").code == 2
    assert run("queue_retry", "--all", "--queue", "default").code == 2
    assert run("queue_retry", str(failed.pk), "--all").code == 2
    assert FailedJob.objects.unretried().count() == 1


@pytest.mark.parametrize("command", ["queue_retry", "queue_forget", "queue_failed"])
def test_an_id_that_is_none_is_refused_by_name(run: Run, command: str) -> None:
    ran = run(command, "17")

    assert ran.code != 0
    assert "'17' is not an id" in ran.error


@pytest.mark.parametrize("command", ["queue_retry", "queue_forget"])
def test_one_unknown_id_among_good_ones_changes_nothing(run: Run, command: str) -> None:
    failed, unknown = FailedJobFactory(), str(uuid4())
    fine = JobFactory(state="succeeded")

    ran = run(command, str(failed.pk), unknown, str(fine.pk))

    assert ran.code == 2
    assert f"There is no failed job {unknown}." in ran.error
    assert f"Job {fine.pk} is succeeded" in ran.error
    assert FailedJob.objects.unretried().count() == 1


@pytest.mark.parametrize("command", ["queue_retry", "queue_flush", "queue_failed"])
def test_an_unknown_queue_or_definition_is_refused_with_the_nearest_name(
    run: Run, command: str
) -> None:
    ran = run(command, "--queue", "hihg")
    assert (ran.code, "Did you mean 'high'" in ran.error) == (2, True)

    ran = run(command, "--definition", "flaky")
    assert (ran.code, "Did you mean 'tests.jobs.sample_jobs.flaky'" in ran.error) == (2, True)


def test_a_refused_definition_is_told_by_name_and_shown_in_the_exit_code(run: Run) -> None:
    FailedJobFactory(definition="shop.tasks.gone")
    FailedJobFactory()

    ran = run("queue_retry", "--all")

    assert ran.code == 1
    assert "Retried 1 failed job" in ran.out
    assert "'shop.tasks.gone'" in ran.out


def test_failed_jobs_are_listed_newest_first(run: Run) -> None:
    old = FailedJobFactory(failed_at=ago(hours=2), message="old news")
    new = FailedJobFactory()

    listed = run("queue_failed", "--json").json

    assert [row["id"] for row in listed["failed"]] == [str(new.pk), str(old.pk)]
    assert listed["more"] is False
    assert "old news" in run("queue_failed").out
    assert run("queue_failed", "--limit", "1", "--json").json["more"] is True


@pytest.mark.django_db(transaction=True)
def test_one_failed_job_is_shown_with_its_attempts_retries_and_the_frames_of_the_site(
    run: Run,
) -> None:
    fails.enqueue("out of stock")
    sync.run_due()
    failed = FailedJob.objects.get()
    run("queue_retry", str(failed.pk))

    shown = run("queue_failed", str(failed.pk))
    data = run("queue_failed", str(failed.job_id), "--json").json

    assert shown.code == 0
    assert "Hopeless: out of stock" in shown.out
    marked = [line for line in shown.out.splitlines() if line.startswith(">")]
    assert any("sample_jobs.py" in line for line in marked)
    assert not any("runner.py" in line for line in marked)
    new = Job.objects.get(retry_of=failed.job_id)
    assert [link["id"] for link in data["lineage"]] == [str(failed.job_id), str(new.pk)]
    assert data["arguments"] == {"args": ["out of stock"], "kwargs": {}}
    (attempt,) = Attempt.objects.all()
    assert attempt.outcome == AttemptOutcome.FAILED
    assert [one["outcome"] for one in data["attempt_records"]] == ["failed"]


def test_forgetting_asks_and_without_an_answer_does_nothing(run: Run) -> None:
    failed = FailedJobFactory()

    ran = run("queue_forget", str(failed.pk))

    assert ran.code == 2
    assert "Forget 1 failed job?" in ran.error
    assert "--yes" in ran.error
    assert FailedJob.objects.exists()


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("", 1), ("no", 1)])
def test_a_flush_does_what_the_answer_says(
    run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    FailedJobFactory()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda *prompt: answer)

    ran = run("queue_flush")

    assert "Flush 1 failed job (all failed jobs; the oldest of" in ran.error
    assert ran.code == left
    assert FailedJob.objects.count() == left


def test_a_flush_takes_only_what_matches(run: Run) -> None:
    many_failed_jobs(3, failed_at=ago(days=10))
    many_failed_jobs(2, failed_at=ago(days=1))

    ran = run("queue_flush", "--older-than", "7d", "--yes", "--json")

    assert ran.json == {"flushed": 3}
    assert FailedJob.objects.count() == 2
    assert run("queue_flush", "--older-than", "7d", "--no-input").code == 1


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "-3h", "2999-01-01"])
def test_a_moment_that_cannot_be_is_refused(run: Run, when: str) -> None:
    FailedJobFactory()

    ran = run("queue_flush", f"--older-than={when}", "--yes")

    assert ran.code != 0
    assert repr(when) in ran.error
    assert FailedJob.objects.exists()
