"""Batches: counted as their members end, callbacks exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs import batch, chain
from jobs.cancelling import cancel, clear_queue
from jobs.exceptions import DuplicateJob, InvalidArguments, InvalidWorkflow, WorkflowEnded
from jobs.ledger import Ledger
from jobs.models import Job, Step, Workflow
from jobs.transports.sync import run_due
from jobs.workflows.handles import CODE, WorkflowHandle
from tests.jobs.workflows.flow_jobs import caught, grows, only_once, say, second_time, tell


def told(handle: WorkflowHandle, *words: str) -> list[Any]:
    return [(word, str(handle.id)) for word in words]


def a_batch(*words: str, **options: Any) -> WorkflowHandle:
    return batch(
        [say.s(word) for word in words],
        then=tell.s("then"),
        catch=tell.s("catch"),
        finally_=tell.s("finally"),
        **options,
    ).enqueue()


def test_then_and_finally_run_once_when_all_have_succeeded(ran: list[Any]) -> None:
    handle = a_batch("a", "b", "c", name="letters", tags=["abc"])
    assert handle.state == "running"
    assert handle.progress.as_dict() == {
        "total": 3, "succeeded": 0, "failed": 0, "cancelled": 0, "percent": 0,
    }  # fmt: skip
    run_due()
    assert ran[:3] == ["a", "b", "c"]
    assert sorted(ran[3:]) == told(handle, "finally", "then")
    assert handle.refresh().state == "succeeded"
    assert handle.progress.percent == 100
    assert Workflow.objects.get().tags.get().name == "abc"


def test_a_callback_is_a_job_of_its_own_queue_and_tags(ran: list[Any]) -> None:
    handle = a_batch("a")
    run_due()
    jobs = Job.objects.filter(tags__name=f"workflow:{handle.id}")
    assert {job.queue for job in jobs} == {"low"}
    assert set(jobs[0].tags.values_list("name", flat=True)) == {"told", f"workflow:{handle.id}"}
    assert {job.chain for job in jobs} == {None}


def test_the_members_of_a_plain_batch_have_no_rows_but_their_jobs(ran: list[Any]) -> None:
    handle = a_batch("a", "b")
    assert not Step.objects.exists()
    assert Job.objects.filter(chain=handle.id).count() == 2


def test_the_first_failure_calls_catch_and_cancels_what_waits(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = a_batch("a", "b", "c")
    run_due()
    assert ran[0] == "a"
    assert sorted(ran[1:]) == told(handle, "catch", "finally")
    assert handle.refresh().state == "failed"
    assert (handle.progress.failed, handle.progress.cancelled) == (1, 2)
    assert set(Job.objects.filter(chain=handle.id).values_list("state", flat=True)) == {
        "failed", "cancelled",
    }  # fmt: skip


def test_a_failure_asks_the_members_that_run_to_stop(
    book: Ledger, ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = a_batch("a", "b", "c")
    jobs = list(Job.objects.filter(chain=handle.id).order_by("pk"))
    held = book.claim_job(jobs[1].pk, worker_id=7)
    assert held is not None
    run_due()
    assert handle.refresh().state == "running"
    running = Job.objects.get(pk=held.id)
    assert (running.state, running.cancel_requested) == ("running", True)
    assert book.give_back([held]) == 1
    run_due()
    assert handle.refresh().state == "failed"
    assert handle.progress.cancelled == 2


def test_with_failures_allowed_all_run_and_catch_comes_once(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a", "c"}
    handle = a_batch("a", "b", "c", allow_failures=True)
    run_due()
    assert [word for word in ran if isinstance(word, str)] == ["a", "b", "c"]
    others = [word for word in ran if not isinstance(word, str)]
    assert sorted(others) == told(handle, "catch", "finally", "then")
    assert handle.refresh().state == "succeeded"
    assert (handle.progress.succeeded, handle.progress.failed) == (1, 2)


def test_an_attempt_that_is_repeated_counts_once(ran: list[Any]) -> None:
    handle = batch([second_time.s("a"), second_time.s("b")], then=tell.s("then")).enqueue()
    run_due()
    assert handle.refresh().progress.succeeded == 2
    assert ran[-1] == told(handle, "then")[0]


def test_catch_is_told_which_job_failed(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"a"}
    batch([say.s("a")], catch=caught.s("no")).enqueue()
    run_due()
    assert ran == ["a", ("no", str(Job.objects.get(state="failed").pk))]


def test_an_empty_batch_ends_at_once(ran: list[Any]) -> None:
    handle = a_batch()
    assert handle.state == "succeeded"
    assert handle.progress.percent == 100
    run_due()
    assert sorted(ran) == told(handle, "finally", "then")


def test_a_member_does_not_give_way_to_another_job(ran: list[Any]) -> None:
    only_once.enqueue("a")
    with pytest.raises(DuplicateJob, match="is unique"):
        batch([say.s("b"), only_once.s("a")]).enqueue()
    with pytest.raises(DuplicateJob):
        batch([only_once.s("c"), only_once.s("c")]).enqueue()
    assert Job.objects.count() == 1
    assert not Workflow.objects.exists()
    batch([only_once.s("c"), say.s("b")]).enqueue()
    run_due()
    assert sorted(ran) == ["a", "b", "c"]


def test_a_large_batch_of_one_definition_takes_few_statements(ran: list[Any]) -> None:
    with CaptureQueriesContext(connection) as seen:
        handle = batch([say.s(f"word {number}") for number in range(200)]).enqueue()
    assert len(seen) < 10
    assert handle.progress.total == 200
    run_due()
    assert ran == [f"word {number}" for number in range(200)]
    assert handle.refresh().state == "succeeded"


def test_a_large_batch_inside_waits_for_its_turn(ran: list[Any], broken: set[Any]) -> None:
    handle = chain(say.s("first"), batch([say.s("x")] * 30)).enqueue()
    assert Job.objects.in_state("blocked").count() == 30
    run_due()
    assert ran == ["first", *["x"] * 30]
    assert handle.refresh().state == "succeeded"
    with pytest.raises(InvalidArguments, match="word"):
        batch([say.s("x")] * 30 + [say.s(1)]).enqueue()


def test_nothing_is_enqueued_if_the_transaction_is_rolled_back(ran: list[Any]) -> None:
    with transaction.atomic():
        a_batch("a", "b")
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert not Workflow.objects.exists()


def test_arguments_are_checked_before_anything_is_enqueued(ran: list[Any]) -> None:
    with pytest.raises(InvalidArguments, match="word"):
        batch([say.s("a"), chain(say.s("b"), say.s(3))]).enqueue()
    with pytest.raises(InvalidArguments, match="other"):
        batch([say.s("a")], then=tell.s("then", other=1)).enqueue()
    assert not Job.objects.exists()
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: batch([1]), "member 1: 1 must be the call of a job"),
        (lambda: batch([], then=say), "then: .* must be the call of a job"),
        (lambda: batch([], name="x" * 101), "name: .* at most 100"),
        (lambda: batch([], tags=[""]), "tags: '' must be text"),
    ],
)
def test_what_is_no_batch_is_refused(make: Any, told: str) -> None:
    with pytest.raises(InvalidWorkflow, match=told):
        make()


def test_jobs_are_added_from_inside_while_the_batch_runs(ran: list[Any]) -> None:
    handle = batch([grows.s(2), grows.s(1)], then=tell.s("then")).enqueue()
    run_due()
    assert handle.refresh().progress.total == 5
    assert ran[-1] == told(handle, "then")[0]
    assert ran.count("added 0") == 2


def test_a_job_of_a_chain_inside_adds_to_the_batch_around_it(ran: list[Any]) -> None:
    handle = batch([chain(say.s("a"), grows.s(1))]).enqueue()
    run_due()
    assert ran == ["a", "grew", "added 0"]
    assert handle.refresh().state == "succeeded"
    assert handle.progress.total == 2


def test_groups_can_be_added_too(ran: list[Any]) -> None:
    handle = batch([say.s("a"), chain(say.s("b"))]).enqueue()
    handle.add([chain(say.s("c"), say.s("d")), batch([])])
    run_due()
    assert sorted(ran) == ["a", "b", "c", "d"]
    assert handle.refresh().state == "succeeded"
    assert handle.progress.total == 4


def test_nothing_is_added_to_a_batch_that_has_ended_or_failed(
    ran: list[Any], broken: set[Any], book: Ledger
) -> None:
    ended = a_batch()
    with pytest.raises(WorkflowEnded, match="has succeeded"):
        ended.add([say.s("late")])
    broken |= {"a"}
    failing = a_batch("a", "b")
    held = book.claim_job(Job.objects.get(arguments__args=["b"]).pk, worker_id=7)
    assert held is not None
    run_due()
    with pytest.raises(WorkflowEnded, match="has a failed member"):
        failing.add([say.s("late")])
    with pytest.raises(InvalidWorkflow, match="only a batch"):
        chain(say.s("x")).enqueue().add([say.s("late")])
    assert not Job.objects.filter(arguments__args=["late"]).exists()


def test_a_cancelled_batch_stops_and_calls_finally_alone(ran: list[Any]) -> None:
    handle = a_batch("a", "b")
    report = handle.cancel(reason="a mistake")
    assert (report.workflows, report.cancelled) == (1, 2)
    assert handle.state == "cancelled"
    assert handle.cancel().skipped == 1
    run_due()
    assert ran == told(handle, "finally")


def test_a_second_cancellation_ends_what_a_worker_gave_back_meanwhile(
    book: Ledger, ran: list[Any]
) -> None:
    handle = a_batch("a", "b")
    held = book.claim(worker_id=7, queues=["default"], limit=1)
    report = handle.cancel()
    assert (report.workflows, report.cancelled, report.requested) == (1, 1, 1)
    assert handle.cancel().skipped == 1
    book.give_back(held)
    assert handle.cancel().cancelled == 1
    assert handle.state == "cancelled"


def test_a_member_that_is_cancelled_by_itself_is_counted(ran: list[Any]) -> None:
    handle = a_batch("a", "b")
    report = cancel(Job.objects.filter(arguments__args=["a"]), CODE)
    assert report.cancelled == 1
    assert handle.refresh().progress.cancelled == 1
    run_due()
    assert handle.refresh().state == "cancelled"
    assert ran == ["b", *told(handle, "finally")]


def test_clearing_the_queue_ends_the_batches_in_it(ran: list[Any]) -> None:
    handles = [a_batch("a", "b"), a_batch("c")]
    clear_queue("default", CODE)
    assert [handle.refresh().state for handle in handles] == ["cancelled", "cancelled"]
    run_due()
    assert sorted(ran) == sorted(told(handles[0], "finally") + told(handles[1], "finally"))
