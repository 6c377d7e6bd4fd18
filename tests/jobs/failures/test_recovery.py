"""Recovery: failed jobs that run again by the rule of their definition, up to its cap."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import pytest
from django.utils import timezone

from jobs import Recover, job, registry
from jobs.audit import Actor
from jobs.exceptions import InvalidDefinition, JobLost
from jobs.execution import runner
from jobs.execution.recover import REASONS, recovery_of
from jobs.failures import recovery
from jobs.failures.flushing import forget
from jobs.failures.redrive import retry
from jobs.ledger.records import outcome_of, record_of
from jobs.models import FailedJob, FailureReason, Job
from jobs.transports import sync
from tests.jobs import sample_jobs
from tests.jobs.factories import FailedJobFactory

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")
HOUR = dt.timedelta(hours=1)


def later(hours: float = 2) -> dt.datetime:
    return timezone.now() + dt.timedelta(hours=hours)


def fail(definition: Any, *args: Any) -> FailedJob:
    """Run a job of it, which fails, and return the failed job."""
    definition.enqueue(*args)
    sync.run_due()
    return FailedJob.objects.latest("pk")


@pytest.mark.django_db(transaction=True)
def test_a_failed_job_runs_again_after_the_time_of_its_rule_and_not_before() -> None:
    failed = fail(sample_jobs.recovers)

    assert failed.recover_at == failed.failed_at + HOUR
    assert not recovery.run_once()
    report = recovery.run_once(later())

    assert (report.recovered, report.dropped, report.postponed) == (1, 0, 0)
    failed.refresh_from_db()
    new = Job.objects.get(retry_of=failed.job_id)
    assert failed.retried_as_id == new.pk
    assert new.options == {"recoveries": 1}
    assert not recovery.run_once(later())


@pytest.mark.django_db(transaction=True)
def test_a_line_of_retries_is_recovered_so_often_and_no_more() -> None:
    fail(sample_jobs.recovers)

    for _ in range(5):
        recovery.run_once(later())
        sync.run_due()

    line = FailedJob.objects.order_by("pk")
    assert list(line.values_list("recoveries", flat=True)) == [0, 1, 2]
    last = line.last()
    assert last is not None
    assert last.recover_at is None
    assert last.retried_at is None


@pytest.mark.django_db(transaction=True)
def test_a_retry_by_an_operator_does_not_reset_the_count() -> None:
    fail(sample_jobs.recovers)
    recovery.run_once(later())
    sync.run_due()

    retry(FailedJob.objects.all(), OPERATOR)
    sync.run_due()

    last = FailedJob.objects.latest("pk")
    assert last.recoveries == 1
    assert Job.objects.get(pk=last.job_id).options == {"recoveries": 1}


@pytest.mark.django_db(transaction=True)
def test_a_failed_job_without_a_rule_is_never_touched() -> None:
    failed = fail(sample_jobs.fails)

    assert failed.recover_at is None
    assert not recovery.run_once(later(24 * 300))
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_only_the_exceptions_that_the_rule_names_are_recovered() -> None:
    assert fail(sample_jobs.recovers_flaky, "flaky").recover_at is not None
    assert fail(sample_jobs.recovers_flaky, "hopeless").recover_at is None


@pytest.mark.django_db(transaction=True)
def test_what_was_retried_or_forgotten_meanwhile_is_not_recovered() -> None:
    retried = fail(sample_jobs.recovers)
    retry([retried.pk], OPERATOR)
    forgotten = fail(sample_jobs.recovers)
    FailedJob.objects.exclude(pk__in=[retried.pk, forgotten.pk]).delete()
    forget([forgotten.pk], OPERATOR)
    before = Job.objects.count()

    assert not recovery.run_once(later())
    assert Job.objects.count() == before


@pytest.mark.parametrize("reason", ["quarantined", "expired"])
def test_what_killed_its_workers_or_is_past_its_time_is_left_alone(reason: str) -> None:
    assert recovery_of(sample_jobs.recovers, {}, reason, JobLost).after is None
    assert recovery_of(sample_jobs.recovers, {}, "lost", JobLost).after == 3600


def test_a_call_that_is_at_most_once_is_never_recovered() -> None:
    options = {"delivery": "at_most_once"}

    assert recovery_of(sample_jobs.recovers, options, "exception", ValueError).after is None


def test_a_definition_that_is_unknown_here_is_left_to_another_leader(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed = FailedJobFactory(definition="shop.tasks.gone", recover_at=timezone.now())

    report = recovery.run_once(later(0.1))

    assert report.postponed == 1
    failed.refresh_from_db()
    assert failed.recover_at > later(0.1)


def test_a_rule_that_is_gone_and_arguments_that_no_longer_fit_leave_it_to_an_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = FailedJobFactory(recover_at=timezone.now())
    unfit = FailedJobFactory(
        definition=sample_jobs.recovers.path,
        arguments={"args": [1, 2, 3], "kwargs": {}},
        recover_at=timezone.now(),
    )

    with caplog.at_level(logging.WARNING, logger="jobs.failures"):
        report = recovery.run_once(later())

    assert (report.recovered, report.dropped) == (0, 2)
    assert "too many positional arguments" in caplog.text
    for failed in (gone, unfit):
        failed.refresh_from_db()
        assert (failed.recover_at, failed.retried_at) == (None, None)


def test_many_are_recovered_in_several_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "BATCH", 2)
    for _ in range(5):
        FailedJobFactory(
            definition=sample_jobs.recovers.path,
            arguments={"args": [], "kwargs": {}},
            recover_at=timezone.now(),
        )

    assert [recovery.run_once(later()).recovered for _ in range(4)] == [2, 2, 1, 0]


def test_a_journal_keeps_what_the_rule_has_decided(book: Any) -> None:
    sample_jobs.recovers.enqueue()
    (claimed,) = book.claim(worker_id=1, queues=["default"], limit=1)
    outcome = runner.run(claimed, pool=None)
    assert outcome.failure is not None
    assert outcome.failure.recover_after == 3600

    text = record_of(outcome, str)
    again = outcome_of(json.loads(text), claimed, text)

    assert again.failure == outcome.failure


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after": 0}, "after: 0"),
        ({"after": -1}, "after: -1"),
        ({"after": True}, "after: True"),
        ({"after": "1h"}, "after: '1h'"),
        ({"after": float("nan")}, "after: nan"),
        ({"after": 1e12}, "after: 1000000000000"),
        ({"after": dt.timedelta(days=366)}, "after:"),
        ({"after": 60, "at_most": 0}, "at_most: 0"),
        ({"after": 60, "at_most": 101}, "at_most: 101"),
        ({"after": 60, "at_most": True}, "at_most: True"),
        ({"after": 60, "reasons": ("tired",)}, "reasons: 'tired'"),
        ({"after": 60, "reasons": ()}, "reasons:"),
        ({"after": 60, "exceptions": ("ValueError",)}, "exceptions: 'ValueError'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"recover: {message}"):
        Recover(**options)


def test_a_rule_does_not_go_with_at_most_once_and_belongs_to_the_declaration() -> None:
    rule = Recover(after=60)

    with pytest.raises(InvalidDefinition, match="at_most_once"):
        job(delivery="at_most_once", recover=rule)(_nothing)
    with pytest.raises(InvalidDefinition, match="must be a Recover"):
        job(recover=60)(_nothing)
    with pytest.raises(InvalidDefinition, match="where the job is declared"):
        sample_jobs.add.using(recover=rule)
    assert sample_jobs.recovers.using(delivery="at_most_once").delivery == "at_most_once"


def test_a_rule_may_name_a_single_reason_and_a_single_exception() -> None:
    rule = Recover(after=dt.timedelta(hours=1), reasons=("lost",), exceptions=(OSError,))

    assert rule.applies("lost", ConnectionError, 0)
    assert not rule.applies("lost", ValueError, 0)
    assert not rule.applies("exception", OSError, 0)
    assert not rule.applies("lost", OSError, 3)


def test_the_reasons_are_those_of_failed_jobs() -> None:
    assert set(REASONS) == set(FailureReason.values)


def _nothing() -> None:
    pass


@pytest.fixture(autouse=True)
def _forget_what_was_refused() -> Any:
    yield
    registry._definitions.pop(f"{__name__}._nothing", None)
