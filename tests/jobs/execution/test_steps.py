"""Long work goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import steps as steps_of_current_job
from jobs.audit import Actor
from jobs.conf import Pool
from jobs.execution import finishing, runner
from jobs.execution import steps as steps_module
from jobs.failures import redrive
from jobs.ledger import Ledger
from jobs.models import FailedJob, Job
from jobs.transports.sync import run_due
from tests.jobs import stepping_jobs
from tests.jobs.privacy.test_sealing import new_key
from tests.jobs.stepping_jobs import breaks, done, stops

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_done() -> Iterator[None]:
    yield
    for kept in (done, breaks, stops):
        kept.clear()
    stepping_jobs.stopping = False


def run(definition: Any, *args: Any) -> Job:
    result = definition.enqueue(*args)
    run_due()
    return Job.objects.get(pk=result.id)


def run_until_its_worker_stops(book: Ledger) -> None:
    """One attempt on a worker that stops in the middle of it."""
    (claimed,) = book.claim(worker_id=1, queues=("default",), limit=1)
    outcome = runner.run(
        claimed, pool=Pool(name="default"), should_stop=lambda: stepping_jobs.stopping
    )
    finishing.finish(book, [outcome])
    stepping_jobs.stopping = False


def test_what_is_done_is_not_done_again_after_an_exception() -> None:
    breaks.update({"b", "publish"})
    job = run(stepping_jobs.builds, ["a", "b", "c"])
    assert (job.state, job.attempts) == ("succeeded", 3)
    assert done == ["prepare", "a", "b", "c", "publish"]
    # Also what a step returned is what it was.
    assert job.result == [{"did": "prepare"}, {"did": "publish"}]
    assert job.checkpoint == [
        {"name": "prepare", "done": True, "result": {"did": "prepare"}},
        {"name": "build", "done": True, "cursor": 3, "count": 3},
        {"name": "publish", "done": True, "result": {"did": "publish"}},
    ]
    assert job.progress["done"] == 3


def test_a_deploy_interrupts_between_two_items_and_spends_no_attempt(book: Ledger) -> None:
    stops.update({"prepare", "b"})
    stepping_jobs.builds.enqueue(["a", "b", "c"])
    run_until_its_worker_stops(book)
    assert done == ["prepare"]
    run_until_its_worker_stops(book)
    assert done == ["prepare", "a", "b"]
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("ready", 0)
    run_due()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 1)
    assert done == ["prepare", "a", "b", "c", "publish"]
    assert list(job.attempt_records.order_by("fence").values_list("outcome", flat=True)) == [
        "interrupted",
        "interrupted",
        "succeeded",
    ]


def test_a_cancelled_job_ends_at_its_next_step(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.execution.context.REPORT_EVERY", 0.0)
    real = stepping_jobs.do

    def and_cancel(what: Any) -> Any:
        if what == "b":
            Job.objects.update(cancel_requested=True)
        return real(what)

    monkeypatch.setattr(stepping_jobs, "do", and_cancel)
    assert run(stepping_jobs.builds, ["a", "b", "c"]).state == "cancelled"
    assert done == ["prepare", "a", "b"]


@pytest.mark.parametrize("by", ["pk", "name"])
def test_rows_are_gone_through_in_pages_from_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(steps_module, "PAGE", 2)
    for name in "abcde":
        Group.objects.create(name=name)
    Group.objects.create(name="out")
    breaks.update({"c", "e"})
    assert run(stepping_jobs.visits, by).state == "succeeded"
    assert done == list("abcde")


def test_a_function_is_asked_for_what_follows() -> None:
    breaks.update({3, 5})
    assert run(stepping_jobs.counts, 6).state == "succeeded"
    assert done == [1, 2, 3, 4, 5, 6]


def test_a_loop_of_ones_own_keeps_where_it_is() -> None:
    breaks.update({"b", "c"})
    assert run(stepping_jobs.pages).state == "succeeded"
    assert done == ["a", "b", "c"]


def test_a_retry_goes_on_where_the_failed_job_stopped() -> None:
    breaks.add("b")
    failed = run(stepping_jobs.builds.using(max_attempts=1), ["a", "b", "c"])
    assert failed.state == "failed"
    redrive.retry(FailedJob.objects.all(), Actor.of_code("test"))
    run_due()
    again = Job.objects.get(retry_of=failed)
    assert again.state == "succeeded"
    assert done == ["prepare", "a", "b", "c", "publish"]


def test_a_retry_with_other_arguments_begins_anew() -> None:
    breaks.add("b")
    failed = run(stepping_jobs.builds.using(max_attempts=1), ["a", "b"])
    redrive.retry(FailedJob.objects.all(), Actor.of_code("test"))
    Job.objects.filter(retry_of=failed).update(arguments={"args": [["b"]], "kwargs": {}})
    run_due()
    assert done == ["prepare", "a", "prepare", "b", "publish"]


def test_an_attempt_whose_job_was_taken_over_ends_at_its_next_step() -> None:
    run(stepping_jobs.is_taken_over)
    assert done == ["late"]
    job = Job.objects.get()
    assert (job.state, job.checkpoint) == ("running", None)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("twice", "'same': is the name of an earlier step of this job"),
        ("name", "'': must be text of 1 to 100 characters"),
        ("items", "'set': must be a query set, a sequence or a function"),
        ("by", "must be a function that tells the cursor of an item"),
        ("place", "'pk': is for query sets and functions; a sequence has places"),
        ("large", "must be 65536 at most; keep ids, not data"),
        ("json", "cannot be stored as JSON"),
    ],
)
def test_misuse_is_told(how: str, told: str) -> None:
    assert run(stepping_jobs.misuses, how).state == "failed"
    assert told in FailedJob.objects.get().message


def test_steps_exist_inside_a_job_only() -> None:
    with pytest.raises(RuntimeError, match="inside a running job"):
        steps_of_current_job()


@pytest.mark.parametrize("with_it", [True, False])
def test_nothing_sensitive_is_kept(with_it: bool, settings: Any) -> None:
    settings.JOBS_ENCRYPTION_KEYS = [new_key()]
    job = run(stepping_jobs.tells, "hush-hush", with_it)
    assert job.state == ("failed" if with_it else "succeeded")
    assert "hush" not in str(job.checkpoint)
    assert "hush" not in str(list(FailedJob.objects.values()))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    items=st.lists(st.text("abcdef", min_size=1, max_size=2), max_size=6, unique=True),
    data=st.data(),
)
def test_each_item_is_done_once_wherever_it_is_interrupted(
    book: Ledger, items: list[str], data: st.DataObject
) -> None:
    everything = ["prepare", *items, "publish"]
    done.clear()
    breaks.update(data.draw(st.sets(st.sampled_from(everything), max_size=2)))
    stops.update(data.draw(st.sets(st.sampled_from(everything))))
    result = stepping_jobs.builds.enqueue(items)
    job = Job.objects.get(pk=result.id)
    while job.state == "ready":
        run_until_its_worker_stops(book)
        job.refresh_from_db()
    assert job.state == "succeeded"
    assert done == everything
