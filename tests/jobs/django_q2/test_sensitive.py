"""Old calls of definitions with sensitive arguments."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Schedule, Task
from django_q.signals import post_execute, pre_execute
from django_q.signing import SignedPackage
from django_q.tasks import async_chain, async_iter, async_task, schedule

from jobs.audit import Actor
from jobs.django_q2 import pulling, resubmission, schedules, task
from jobs.django_q2.admin import ScheduleForm
from jobs.exceptions import InvalidArguments
from jobs.models import FailedJob, Job
from jobs.privacy.masking import MASK, masked
from tests.jobs.django_q2.conftest import job_of, row_of
from tests.jobs.privacy import secret_jobs

pytestmark = pytest.mark.django_db(transaction=True)
CHARGE = secret_jobs.charge.path
WORD = "a-secret-word"


@pytest.fixture
def got() -> list[Any]:
    secret_jobs.calls.clear()
    return secret_jobs.calls


@pytest.fixture
def sent() -> Any:
    """What receivers of django-q2's signals were told."""
    told: list[str] = []

    def receive(sender: Any, **facts: Any) -> None:
        told.append(repr(facts))

    for signal in (pre_execute, post_execute):
        signal.connect(receive)
    yield told
    for signal in (pre_execute, post_execute):
        signal.disconnect(receive)


def kept() -> str:
    """What the ledger and django-q2's table have, pickles opened."""
    tables = (Job, FailedJob, Task)
    return "\n".join(repr(vars(row)) for model in tables for row in model.objects.all())


def test_a_call_runs_with_its_values_and_keeps_none(
    run_jobs: Callable[[], int], got: list[Any], sent: list[str]
) -> None:
    fine = async_task(CHARGE, "well", WORD, card={"number": 4111222233})
    bad = async_task(secret_jobs.charge, "fails", token=WORD)
    call = masked(None, job_of(fine).arguments)["kwargs"]
    assert (call["args"], call["kwargs"]) == (["well", MASK], {"card": MASK})
    run_jobs()
    assert got == [("well", WORD, {"number": 4111222233}), ("fails", WORD, None)]
    assert row_of(fine).success
    assert row_of(fine).result["echo"] == MASK
    assert MASK in row_of(bad).result
    assert len(sent) == 4
    for text in (kept(), *sent):
        assert WORD not in text
        assert "4111222233" not in text


def test_the_error_reporter_is_told_without_the_values(
    run_jobs: Callable[[], int], got: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reporter:
        told: list[BaseException] = []

        def report(self) -> None:
            error = sys.exc_info()[1]
            assert error is not None
            self.told.append(error)

    monkeypatch.setattr(task, "error_reporter", Reporter())
    async_task(CHARGE, "fails", WORD)
    run_jobs()
    (error,) = Reporter.told
    assert type(error) is secret_jobs.Declined
    assert WORD not in "".join(traceback.format_exception(error))
    assert error.__context__ is None
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert "charge" not in frames


def test_the_links_of_a_chain_are_encrypted(run_jobs: Callable[[], int], got: list[Any]) -> None:
    async_chain([(CHARGE, ("well", WORD)), (CHARGE, ("well",), {"token": WORD})])
    assert Job.objects.count() == 2
    assert WORD not in kept()
    run_jobs()
    assert got == [("well", WORD, None)] * 2
    assert WORD not in kept()


def test_a_resubmitted_task_has_its_values_again(
    run_jobs: Callable[[], int], got: list[Any]
) -> None:
    task_id = async_task(CHARGE, "well", WORD)
    run_jobs()
    for with_job in (True, False):
        if not with_job:
            Job.objects.all().delete()
        resubmission.resubmit([Task.objects.get(pk=task_id)], Actor.of_code("test"))
        run_jobs()
    assert got == [("well", WORD, None)] * 3
    assert WORD not in kept()


def test_arguments_that_do_not_fit_are_refused_without_telling_them() -> None:
    with pytest.raises(InvalidArguments) as caught:
        async_task(CHARGE, "well", {"not": WORD})
    assert WORD not in str(caught.value)
    assert not Job.objects.exists()


def test_async_iter_is_refused_and_leaves_nothing_in_the_cache(
    clean_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_q.tasks.uuid", lambda: ("a name", "the-group"))
    place = f"{get_broker().list_key}:the-group:args"
    async_iter("tests.jobs.privacy.secret_jobs.plain_function", [("fine",)])
    assert cache.get(place) is not None
    with pytest.raises(InvalidArguments, match="async_iter would keep them readable"):
        async_iter(CHARGE, [("well", WORD)])
    assert cache.get(place) is None


def test_a_schedule_of_django_q2_is_refused(run_jobs: Callable[[], int]) -> None:
    form = ScheduleForm({"func": CHARGE, "schedule_type": Schedule.DAILY, "repeats": -1})
    assert "would keep readable" in str(form.errors["func"])
    made = schedule(CHARGE, "well", WORD, schedule_type=Schedule.ONCE, next_run=timezone.now())
    schedules.run_once()
    assert not Job.objects.exists()
    failure = Task.objects.get(success=False)
    assert "would keep readable" in failure.result
    assert WORD not in failure.result
    made.delete()


def test_workers_of_django_q2_do_not_get_such_a_call() -> None:
    async_task(CHARGE, "well", WORD)
    assert pulling.take("default", 5) == []
    assert "only a cluster of jobs may run the call" in FailedJob.objects.get().message
    async_task("tests.jobs.privacy.secret_jobs.plain_function", "fine")
    ((_, package),) = pulling.take("default", 5)
    assert SignedPackage.loads(package)["args"] == ("fine",)
