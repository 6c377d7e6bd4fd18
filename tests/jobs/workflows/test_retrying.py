"""Retried members take their places again, and callbacks still come once."""

from __future__ import annotations

from typing import Any

from jobs import batch, chain, workflow
from jobs.cancelling import cancel
from jobs.failures import redrive
from jobs.models import FailedJob, Job, Step, Workflow
from jobs.transports.sync import run_due
from jobs.workflows.handles import CODE, WorkflowHandle
from tests.jobs.workflows.flow_jobs import add, joined, say, tell


def calls(ran: list[Any]) -> list[str]:
    return [item[0] for item in ran if isinstance(item, tuple)]


def words(ran: list[Any]) -> list[str]:
    return [item for item in ran if isinstance(item, str)]


def mend(handle: WorkflowHandle, broken: set[Any], ran: list[Any]) -> None:
    broken.clear()
    ran.clear()
    assert handle.retry_failures().refused == {}


ALL = {"then": tell.s("then"), "catch": tell.s("catch"), "finally_": tell.s("finally")}


def test_a_batch_that_is_mended_calls_then_but_finally_no_second_time(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"b"}
    handle = batch([say.s(word) for word in "abcd"], **ALL).enqueue()
    run_due()
    assert sorted(calls(ran)) == ["catch", "finally"]
    mend(handle, broken, ran)
    assert (handle.state, handle.progress.failed, handle.progress.cancelled) == ("running", 0, 0)
    run_due()
    assert sorted(words(ran)) == ["b", "c", "d"]
    assert calls(ran) == ["then"]
    assert handle.refresh().state == "succeeded"
    assert handle.progress.as_dict() == {
        "total": 4, "succeeded": 4, "failed": 0, "cancelled": 0, "percent": 100,
    }  # fmt: skip


def test_a_retry_that_fails_again_calls_nobody_again(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"a"}
    handle = batch([say.s("a")], **ALL).enqueue()
    run_due()
    ran.clear()
    handle.retry_failures()
    run_due()
    assert ran == ["a"]
    assert handle.refresh().state == "failed"
    mend(handle, broken, ran)
    run_due()
    assert calls(ran) == ["then"]
    assert handle.refresh().state == "succeeded"


def test_a_failed_member_is_retried_while_the_batch_still_runs(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = batch(
        [say.s("a"), say.using(queue_name="elsewhere").s("b")], allow_failures=True, **ALL
    ).enqueue()
    run_due()
    assert handle.refresh().progress.failed == 1
    mend(handle, broken, ran)
    run_due()
    assert (handle.refresh().state, handle.progress.succeeded) == ("running", 1)
    assert handle.progress.failed == 0


def test_the_rest_of_a_chain_is_made_anew(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"b"}
    handle = chain(say.s("a"), say.s("b"), joined.s("c"), pass_results=False, **ALL).enqueue()
    run_due()
    old = Job.objects.get(state="cancelled")
    mend(handle, broken, ran)
    run_due()
    assert ran == ["b", ("c",), ("then", str(handle.id))]
    assert handle.refresh().state == "succeeded"
    anew = Job.objects.get(retry_of=old)
    assert Step.objects.get(position=2).job_id == anew.pk
    assert (anew.state, anew.chain) == ("succeeded", handle.id)


def test_results_are_passed_on_after_a_retry_once(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"B"}
    members = chain(say.s("b"), say.s(), joined.s("c"), pass_results=True)
    handle = members.enqueue()
    run_due()
    assert handle.refresh().state == "failed"
    mend(handle, broken, ran)
    run_due()
    assert ran == ["B", ("B", "c")]


def test_what_is_around_a_failure_runs_again(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"b"}
    inner = batch([chain(say.s("a"), say.s("b"), say.s("c")), chain(say.s("x"), say.s("y"))])
    handle = chain(inner, batch([say.s("d")], then=tell.s("last")), **ALL).enqueue()
    run_due()
    assert handle.refresh().state == "failed"
    assert set(Workflow.objects.values_list("state", flat=True)) <= {
        "failed", "cancelled", "succeeded",
    }  # fmt: skip
    mend(handle, broken, ran)
    assert handle.state == "running"
    run_due()
    assert handle.refresh().state == "succeeded"
    assert sorted(calls(ran)) == ["last", "then"]
    assert words(ran)[-1] == "d"
    for flow in Workflow.objects.all():
        assert (flow.succeeded, flow.failed, flow.cancelled) == (flow.total, 0, 0)


def test_only_what_needs_the_retried_step_comes_back(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"a", "b"}
    graph = (
        workflow("two failures", **ALL)
        .step("a", say.s("a"))
        .step("b", say.s("b"))
        .step("after a", say.s("c"), after=["a"])
        .step("after both", say.s("d"), after=["a", "b"])
    )
    handle = graph.enqueue()
    run_due()
    assert (handle.refresh().progress.failed, handle.progress.cancelled) == (2, 2)
    broken.clear()
    first, second = FailedJob.objects.order_by("pk")
    redrive.retry([first.pk], CODE)
    run_due()
    assert (handle.refresh().state, handle.progress.cancelled) == ("failed", 1)
    redrive.retry([second.pk], CODE)
    run_due()
    assert handle.refresh().state == "succeeded"
    assert calls(ran).count("then") == 1
    assert calls(ran).count("finally") == 1


def test_a_member_of_a_cancelled_workflow_is_retried_by_itself(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = batch(
        [say.s("a"), say.using(queue_name="elsewhere").s("b")], allow_failures=True
    ).enqueue()
    run_due()
    handle.cancel()
    assert handle.state == "cancelled"
    mend(handle, broken, ran)
    run_due()
    assert ran == ["a"]
    assert (handle.refresh().state, handle.progress.failed) == ("cancelled", 1)
    assert Job.objects.get(retry_of__isnull=False).chain is None


def test_a_batch_inside_that_allows_failures_is_mended_without_those_after_it(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    inner = batch([say.s("a"), say.s("b")], allow_failures=True)
    handle = chain(inner, say.s("c"), **ALL).enqueue()
    run_due()
    assert handle.refresh().state == "succeeded"
    mend(handle, broken, ran)
    run_due()
    assert ran == ["a"]
    assert (handle.refresh().state, handle.progress.succeeded) == ("succeeded", 2)
    nested = Workflow.objects.get(nested=True)
    assert (nested.state, nested.succeeded, nested.failed) == ("succeeded", 2, 0)


def test_a_job_that_ran_once_keeps_what_was_passed_to_it(ran: list[Any], broken: set[Any]) -> None:
    graph = (
        workflow("sum")
        .step("one", add.s(1, 1))
        .step("two", add.s(2, 2))
        .step("sum", joined.s("end"), after=["two", "one"], pass_results=True)
    )
    graph.enqueue()
    run_due()
    assert ran[-1] == (4, 2, "end")


def test_a_batch_that_has_succeeded_with_failures_calls_then_no_second_time(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = batch([say.s("a"), say.s("b")], allow_failures=True, **ALL).enqueue()
    run_due()
    assert sorted(calls(ran)) == ["catch", "finally", "then"]
    mend(handle, broken, ran)
    run_due()
    assert ran == ["a"]
    assert (handle.refresh().state, handle.progress.succeeded) == ("succeeded", 2)


def test_a_mended_part_does_not_meet_a_need_a_second_time(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"a"}
    graph = (
        workflow("two needs")
        .step("inner", batch([say.s("a")], allow_failures=True))
        .approval("ok")
        .step("end", say.s("end"), after=["inner", "ok"])
    )
    handle = graph.enqueue()
    run_due()
    mend(handle, broken, ran)
    run_due()
    assert ran == ["a"]
    handle.approve("ok")
    run_due()
    assert ran == ["a", "end"]
    assert handle.refresh().state == "succeeded"


def test_results_that_were_passed_on_before_a_cancellation_are_not_passed_on_again(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"c"}
    links = chain(add.using(priority=50).s(1, 1), add.s(10), pass_results=True)
    handle = batch([say.s("c"), links]).enqueue()
    run_due()
    assert ran == [(1, 1), "c"]
    assert handle.refresh().state == "failed"
    mend(handle, broken, ran)
    run_due()
    assert sorted(ran, key=str) == [(2, 10), "c"]
    assert handle.refresh().state == "succeeded"


def test_a_step_that_somebody_cancelled_by_itself_stays_so(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"a"}
    handle = workflow("w").step("a", say.s("a")).step("x", say.s("x")).enqueue()
    cancel(Job.objects.filter(arguments__args=["x"]), CODE)
    run_due()
    mend(handle, broken, ran)
    run_due()
    assert ran == ["a"]
    assert (handle.refresh().state, handle.progress.cancelled) == ("cancelled", 1)
