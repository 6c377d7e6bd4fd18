"""What becomes of a job: every path from its first attempt to its end, through the runner."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from jobs import events
from jobs.compat import TaskResult
from jobs.models import Attempt, FailedJob, Job, JobLog, JobState
from jobs.testing import frozen_clock
from jobs.transports.sync import run_due
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)


def run(result: TaskResult[Any]) -> Job:
    """Run what is ready, and return the job of this result."""
    run_due()
    return Job.objects.get(pk=result.id)


def outcomes(job: Job) -> list[str]:
    return list(job.attempt_records.order_by("fence").values_list("outcome", flat=True))


def test_a_result_is_kept() -> None:
    job = run(sample_jobs.add.enqueue(2, b=3))
    assert (job.state, job.result, outcomes(job)) == (JobState.SUCCEEDED, 5, ["succeeded"])


def test_a_coroutine_job_runs() -> None:
    assert run(sample_jobs.waits.enqueue(0)).result == "awake"


def test_a_job_fails_at_its_first_exception_unless_it_says_otherwise() -> None:
    job = run(sample_jobs.fails.enqueue("boom"))
    failure = FailedJob.objects.get(job=job)
    assert (job.state, job.attempts, job.exceptions) == (JobState.FAILED, 1, 1)
    assert failure.exception_class == "tests.jobs.sample_jobs.Hopeless"
    assert failure.message == "boom"
    assert "in fails" in failure.traceback
    assert "execution/runner.py" not in failure.traceback


def test_a_retry_follows_the_backoff_list() -> None:
    with frozen_clock() as clock:
        job = run(sample_jobs.flaky.enqueue(3))
        # The first wait is 0, the second 5 seconds.
        assert (job.state, outcomes(job)) == (JobState.SCHEDULED, ["failed", "failed"])
        assert job.due_at == clock.advance(5)
        run_due()
    job.refresh_from_db()
    assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, 3, 3)
    assert not FailedJob.objects.exists()


def test_attempts_are_spent_at_last() -> None:
    job = run(sample_jobs.flaky.using(backoff=0).enqueue(99))
    assert (job.state, job.attempts) == (JobState.FAILED, 3)
    assert FailedJob.objects.get().attempts == 3


@pytest.mark.parametrize(("kind", "attempts"), [("flaky", 5), ("hopeless", 1)])
def test_only_named_exceptions_are_retried(kind: str, attempts: int) -> None:
    assert run(sample_jobs.retries_flaky_only.enqueue(kind)).attempts == attempts


@pytest.mark.parametrize(("message", "attempts"), [("try again", 5), ("stop", 1)])
def test_should_retry_is_asked(message: str, attempts: int) -> None:
    assert run(sample_jobs.asks.enqueue(message)).attempts == attempts


def test_a_discarded_job_is_cancelled_and_no_failed_job() -> None:
    job = run(sample_jobs.discards.enqueue())
    assert (job.state, outcomes(job)) == (JobState.CANCELLED, ["discarded"])
    assert not FailedJob.objects.exists()


def test_releases_spend_attempts_but_no_exceptions() -> None:
    job = run(sample_jobs.releases_and_fails.enqueue(True))
    assert (job.state, job.attempts, job.exceptions) == (JobState.FAILED, 5, 0)
    assert outcomes(job) == ["released"] * 5


def test_max_exceptions_ends_a_job_before_its_attempts() -> None:
    job = run(sample_jobs.releases_and_fails.enqueue(False))
    assert (job.state, job.attempts, job.exceptions) == (JobState.FAILED, 2, 2)


@pytest.mark.parametrize("definition", [sample_jobs.busy, sample_jobs.waits_too_long])
def test_a_timeout_ends_the_attempt(definition: Any) -> None:
    job = run(definition.enqueue())
    assert (job.state, outcomes(job)) == (JobState.FAILED, ["timed_out"])
    assert FailedJob.objects.get().reason == "timed_out"
    assert job.run_time is not None
    assert job.run_time < dt.timedelta(seconds=5)


def test_a_timeout_is_retried_unless_it_is_final() -> None:
    assert run(sample_jobs.busy_and_final.enqueue()).attempts == 1
    assert run(sample_jobs.busy.using(max_attempts=2, backoff=0).enqueue()).attempts == 2


def test_a_call_can_lift_its_timeout() -> None:
    job = run(sample_jobs.waits_too_long.using(timeout=None).enqueue(0.25))
    assert (job.state, job.options) == (JobState.SUCCEEDED, {"timeout": None})


def test_a_job_that_leaves_the_process_is_an_exception_like_others() -> None:
    job = run(sample_jobs.leaves_the_process.enqueue())
    assert FailedJob.objects.get(job=job).exception_class == "builtins.SystemExit"


def test_a_job_can_give_up() -> None:
    job = run(sample_jobs.gives_up.enqueue("enough"))
    failure = FailedJob.objects.get(job=job)
    assert (job.attempts, failure.message) == (1, "enough")
    assert failure.exception_class == "tests.jobs.sample_jobs.Hopeless"


def test_no_attempt_starts_after_retry_until() -> None:
    late = run(sample_jobs.flaky.using(retry_until=dt.timedelta(seconds=3)).enqueue(9))
    # 0 s after the first attempt, 5 s after the second: the third would come too late.
    assert (late.state, late.attempts) == (JobState.FAILED, 2)
    assert FailedJob.objects.get(job=late).reason == "expired"


def test_a_job_that_waited_too_long_does_not_start() -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    job = run(sample_jobs.add.using(retry_until=past).enqueue(1))
    assert (job.state, job.result) == (JobState.FAILED, None)
    assert FailedJob.objects.get().reason == "expired"


def test_a_model_instance_is_fetched_when_the_job_starts() -> None:
    group = Group.objects.create(name="before")
    result = sample_jobs.greets.enqueue(group)
    assert Job.objects.get().arguments["args"] == [{"$model": "auth.group", "pk": str(group.pk)}]
    Group.objects.update(name="after")
    assert run(result).result == "after"


def test_a_missing_model_instance_fails_the_job_or_ends_it_quietly() -> None:
    group = Group.objects.create(name="gone")
    loud, quiet = sample_jobs.greets.enqueue(group), sample_jobs.greets_if_there.enqueue(group)
    group.delete()
    run_due()
    assert Job.objects.get(pk=loud.id).state == JobState.FAILED
    assert "no longer exists" in FailedJob.objects.get().message
    assert Job.objects.get(pk=quiet.id).state == JobState.CANCELLED


def test_a_result_that_json_cannot_hold_fails_the_job() -> None:
    job = run(sample_jobs.returns.enqueue("set"))
    failure = FailedJob.objects.get(job=job)
    assert failure.exception_class == "builtins.TypeError"
    assert failure.message.startswith("The result cannot be stored as JSON")


def test_an_argument_that_no_longer_fits_fails_without_a_retry() -> None:
    result = sample_jobs.flaky.enqueue(1)
    Job.objects.update(arguments={"args": [], "kwargs": {"old_name": 1}})
    job = run(result)
    failure = FailedJob.objects.get()
    assert (job.attempts, failure.exception_class) == (1, "jobs.exceptions.InvalidArguments")
    assert "old_name" in failure.message


def test_an_argument_that_no_longer_fits_a_coroutine_fails_without_a_retry() -> None:
    result = sample_jobs.greets_later.enqueue("Ada")
    Job.objects.update(arguments={"args": [], "kwargs": {"old_name": 1}})
    job = run(result)
    failure = FailedJob.objects.get()
    assert (job.attempts, failure.exception_class) == (1, "jobs.exceptions.InvalidArguments")


def test_an_unknown_definition_fails_in_the_caller_as_no_other_code_could_run_it() -> None:
    sample_jobs.add.enqueue(1)
    Job.objects.update(definition="tests.jobs.sample_jobs.gone")
    run_due()
    assert FailedJob.objects.get().exception_class == "jobs.exceptions.UnknownDefinition"


def test_a_broken_policy_fails_the_job_and_names_both_errors() -> None:
    run(sample_jobs.broken_policy.enqueue())
    failure = FailedJob.objects.get()
    assert "returned 'soon'" in failure.message
    assert "the real one" in failure.traceback


def test_on_failure_is_called_once_at_the_very_end(calls: list[object]) -> None:
    run(sample_jobs.tells.enqueue(name="x"))
    assert calls == [("Hopeless", "x failed", {"name": "x"})]
    assert Attempt.objects.filter(job__definition=sample_jobs.tells.path).count() == 2


def test_progress_and_log_are_kept() -> None:
    job = run(sample_jobs.logs_and_reports.enqueue())
    assert job.progress == {"done": 3, "total": 10, "message": "a third"}
    assert JobLog.objects.get().message == "first line"


def test_whatever_is_logged_is_kept_as_text() -> None:
    job = run(sample_jobs.says.enqueue("log", {"rows": 3}))
    assert (job.state, JobLog.objects.get().message) == (JobState.SUCCEEDED, "{'rows': 3}")


@pytest.mark.parametrize(
    ("what", "value", "level", "field"),
    [
        ("log", "word", "catastrophic", "level"),
        ("progress", "nan", "info", "done"),
        ("release", "inf", "info", "seconds"),
        ("release", "1e12", "info", "seconds"),
    ],
)
def test_what_the_ledger_cannot_hold_is_refused_by_field_value_and_rule(
    what: str, value: str, level: str, field: str
) -> None:
    job = run(sample_jobs.says.enqueue(what, value, level))
    failure = FailedJob.objects.get(job=job)
    assert failure.exception_class == "jobs.exceptions.InvalidOption"
    assert failure.message.startswith(f"{field}: ")


def test_a_message_of_progress_may_hold_any_text() -> None:
    job = run(sample_jobs.says.enqueue("progress", 1))
    assert job.progress == {"done": 1.0, "total": None, "message": "a NUL: \\x00"}


def test_a_coroutine_job_can_report_and_hear_that_it_should_stop() -> None:
    job = run(sample_jobs.reports_from_a_loop.enqueue())
    assert (job.state, job.result, job.progress["done"]) == (JobState.SUCCEEDED, False, 1)


def test_at_most_once_never_runs_again_even_if_a_call_asks(calls: list[object]) -> None:
    with pytest.raises(TypeError, match="max_attempts: 3 must be 1"):
        sample_jobs.once_at_most.using(max_attempts=3)
    assert run(sample_jobs.once_at_most.enqueue()).state == JobState.SUCCEEDED
    assert calls == ["once"]


def test_the_sync_transport_runs_a_job_once_its_transaction_commits(
    settings: Settings, calls: list[object]
) -> None:
    settings.JOBS_TRANSPORT = "sync"
    with transaction.atomic():
        result = sample_jobs.add.enqueue(1)
        assert calls == []
    result.refresh()
    assert (calls, result.return_value) == ([(1, 0)], 1)


def test_every_transition_is_told_once() -> None:
    heard: list[tuple[str, str, int]] = []

    def listen(name: str) -> Any:
        def receiver(sender: str, **payload: Any) -> None:
            assert isinstance(payload["job_id"], UUID)
            assert payload["queue"] == "default"
            heard.append((name, sender.rpartition(".")[2], payload["attempt"]))

        return receiver

    names = ("queued", "started", "succeeded", "retrying", "released", "failed", "cancelled")
    receivers = {name: listen(name) for name in names}
    signals = {name: getattr(events, f"job_{name}") for name in names}
    for name, receiver in receivers.items():
        signals[name].connect(receiver)
    try:
        for result in (sample_jobs.add.enqueue(1), sample_jobs.discards.enqueue()):
            run(result)
        run(sample_jobs.flaky.using(backoff=0).enqueue(2))
        run(sample_jobs.fails.enqueue())
    finally:
        for name, receiver in receivers.items():
            signals[name].disconnect(receiver)
    assert [item for item in heard if item[1] == "flaky"] == [
        ("queued", "flaky", 0),
        ("started", "flaky", 1),
        ("retrying", "flaky", 1),
        ("started", "flaky", 2),
        ("succeeded", "flaky", 2),
    ]
    assert ("failed", "fails", 1) in heard
    assert ("cancelled", "discards", 1) in heard
    assert ("succeeded", "add", 1) in heard


def test_a_receiver_that_raises_changes_nothing() -> None:
    def broken(**payload: Any) -> None:
        raise RuntimeError("receiver")

    events.job_succeeded.connect(broken)
    try:
        assert run(sample_jobs.add.enqueue(1)).state == JobState.SUCCEEDED
    finally:
        events.job_succeeded.disconnect(broken)
