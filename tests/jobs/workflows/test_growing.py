"""Chains and graphs that grow while they run."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from jobs import batch, chain, workflow
from jobs.exceptions import InvalidArguments, InvalidWorkflow, WorkflowEnded
from jobs.ledger import Ledger
from jobs.models import Job, Step, Workflow
from jobs.transports.sync import run_due
from jobs.workflows.handles import CODE, WorkflowHandle
from tests.jobs.workflows.flow_jobs import (
    add,
    appends,
    broken,
    fans_out,
    joined,
    keep,
    prepends,
    say,
    tell,
)


def states(handle: WorkflowHandle) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in handle.steps()]


def test_a_link_appends_others_for_which_the_end_waits(ran: list[Any]) -> None:
    handle = chain(appends.s("x", "y"), say.s("a"), then=tell.s("then")).enqueue()
    run_due()
    assert ran == ["appends", "a", "x", "y", ("then", str(handle.id))]
    handle.refresh()
    assert (handle.state, handle.progress.total, handle.progress.percent) == ("succeeded", 4, 100)


def test_a_link_prepends_others_before_the_next(ran: list[Any]) -> None:
    handle = chain(say.s("a"), prepends.s("x", "y"), say.s("b"), say.s("c")).enqueue()
    run_due()
    assert ran == ["a", "prepends", "x", "y", "b", "c"]
    assert [name.partition(" ")[2] for name, _ in states(handle)] == [
        "say", "prepends", "say", "say", "say", "say",
    ]  # fmt: skip


@pytest.mark.parametrize("grows", [appends, prepends])
def test_the_last_link_adds_what_follows_it(ran: list[Any], grows: Any) -> None:
    chain(say.s("a"), grows.s("x")).enqueue()
    run_due()
    assert ran[-1] == "x"


def test_results_are_passed_on_through_what_was_prepended(ran: list[Any]) -> None:
    handle = chain(add.s(1), add.s(10), pass_results=True).enqueue()
    with transaction.atomic():
        handle.append(add.s(100))
    run_due()
    assert ran == [(1, 0), (1, 10), (11, 100)]
    ran.clear()
    handle = chain(say.s("a"), joined.s("b"), joined.s("c"), pass_results=True).enqueue()
    first = Job.objects.get(pk=handle.steps()[0].job)
    WorkflowHandle(Workflow.objects.get(pk=handle.id), first.pk).prepend(joined.s("x"))
    run_due()
    assert ran == ["a", ("A", "x"), ("A x", "b"), ("A x b", "c")]


def test_groups_are_added_to_a_chain_as_well(ran: list[Any]) -> None:
    handle = chain(say.s("a"), name="outer").enqueue()
    handle.append(batch([say.s("b"), say.s("c")]), chain(say.s("d"), say.s("e")))
    run_due()
    assert ran[0] == "a"
    assert sorted(ran[1:3]) == ["b", "c"]
    assert ran[3:] == ["d", "e"]
    assert handle.refresh().state == "succeeded"


def test_a_chain_inside_of_another_grows_too(ran: list[Any]) -> None:
    handle = chain(say.s("a"), chain(appends.s("x"), say.s("b")), say.s("c")).enqueue()
    run_due()
    assert ran == ["a", "appends", "b", "x", "c"]
    assert handle.refresh().state == "succeeded"


def test_what_was_added_is_cancelled_with_the_rest_and_retried_with_it(ran: list[Any]) -> None:
    broken.add("a")
    handle = chain(appends.s("x"), say.s("a")).enqueue()
    run_due()
    assert handle.refresh().state == "failed"
    assert [state for _, state in states(handle)] == ["succeeded", "failed", "cancelled"]
    broken.clear()
    handle.retry_failures()
    run_due()
    assert handle.refresh().state == "succeeded"
    assert ran == ["appends", "a", "a", "x"]


def test_a_step_fans_out_over_what_it_has_found(ran: list[Any]) -> None:
    handle = (
        workflow(then=tell.s("then"))
        .step("find", fans_out.s(["a", "b", "c"], ["collect"]))
        .step("collect", joined.s(), after=["find"], pass_results=False)
        .step("publish", say.s("published"), after=["collect"])
        .enqueue()
    )
    run_due()
    assert sorted(ran[:3]) == ["a", "b", "c"]
    assert ran[3:] == [(), "published", ("then", str(handle.id))]
    assert handle.refresh().progress.total == 6


def test_the_held_back_step_gets_the_results_of_the_new_ones(ran: list[Any]) -> None:
    handle = (
        workflow()
        .step("find", say.s("find"))
        .step("collect", joined.s(), after=["find"], pass_results=True)
        .enqueue()
    )
    handle.extend(
        workflow().step("one", say.s("one"), after=["find"]).step("two", say.s("two")),
        before=["collect"],
    )
    run_due()
    assert ran[-1] == ("FIND", "ONE", "TWO")


def test_steps_after_those_that_have_succeeded_start_at_once(ran: list[Any], book: Ledger) -> None:
    handle = workflow().step("first", say.s("a")).approval("boss", after=["first"]).enqueue()
    run_due()
    handle.extend(
        workflow()
        .step("last", joined.s("end"), after=["second", "first"], pass_results=True)
        .step("second", joined.s("2"), after=["first"], pass_results=True)
    )
    run_due()
    assert ran == ["a", ("A", "2"), ("A 2", "A", "end")]
    assert dict(states(handle))["boss"] == "active"


def test_an_approval_and_a_nested_graph_can_be_added(ran: list[Any]) -> None:
    handle = workflow().step("first", say.s("a")).approval("boss", after=["first"]).enqueue()
    run_due()
    inner = workflow().step("deep", say.s("deep"))
    handle.extend(workflow().step("inner", inner).approval("second boss", after=["inner"]))
    run_due()
    assert ran == ["a", "deep"]
    handle.approve("second boss")
    handle.approve("boss")
    assert handle.refresh().state == "succeeded"


def test_a_job_that_fails_after_it_has_grown_its_workflow_cancels_what_comes_after(
    ran: list[Any],
) -> None:
    handle = workflow().step("find", fans_out.s(["a"], [], fails=True)).enqueue()
    run_due()
    assert ran == []
    assert handle.refresh().state == "failed"
    assert dict(states(handle)) == {"find": "failed", "say a": "cancelled"}


def graph_to_extend() -> WorkflowHandle:
    """One step has succeeded, one is active, one waits."""
    handle = (
        workflow()
        .step("done", say.s("done"))
        .approval("active", after=["done"])
        .step("waits", say.s("late"), after=["active"])
        .enqueue()
    )
    run_due()
    return handle


@pytest.mark.parametrize(
    ("grow", "told"),
    [
        (lambda flow: flow.extend(workflow()), "must be a workflow"),
        (lambda flow: flow.extend(chain(say.s("a"))), "must be a workflow"),
        (
            lambda flow: flow.extend(workflow().step("done", say.s("a"))),
            "step 'done': there is a step of this name already",
        ),
        (
            lambda flow: flow.extend(workflow().step("x", say.s("a"), after=["nowhere"])),
            "step 'x': after: no step 'nowhere'",
        ),
        (
            lambda flow: flow.extend(workflow().step("x", say.s("a")), before=["active"]),
            "before: the step 'active' does not wait, it is active",
        ),
        (
            lambda flow: flow.extend(workflow().step("x", say.s("a")), before=["nowhere"]),
            "before: no step 'nowhere'",
        ),
        (
            lambda flow: flow.extend(workflow().step("x", say.s("a")), before="waits"),
            "before: 'waits' must be a list of names",
        ),
        (
            lambda flow: flow.extend(
                workflow().step("x", say.s("a"), after=["waits"]), before=["waits"]
            ),
            "the steps 'x', 'waits' wait for each other",
        ),
        (lambda flow: flow.append(say.s("a")), "append: this is a workflow, not a chain"),
        (lambda flow: flow.prepend(say.s("a")), "only a job of the chain can"),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(
    ran: list[Any], grow: Any, told: str
) -> None:
    handle = graph_to_extend()
    before = (Job.objects.count(), list(Step.objects.order_by("pk").values()))
    with pytest.raises(InvalidWorkflow, match=told):
        grow(handle)
    assert (Job.objects.count(), list(Step.objects.order_by("pk").values())) == before
    assert handle.refresh().progress.total == 3


def test_wrong_arguments_are_refused_and_change_nothing(ran: list[Any]) -> None:
    handle = chain(say.s("a")).enqueue()
    with pytest.raises(InvalidArguments):
        handle.append(say.s("b"), say.s(5))
    assert handle.refresh().progress.total == 1
    with pytest.raises(InvalidWorkflow, match="must have at least one link"):
        handle.append()
    with pytest.raises(InvalidWorkflow, match="no link of the chain"):
        WorkflowHandle(Workflow.objects.get(), handle.id).prepend(say.s("b"))


def test_a_workflow_that_has_ended_or_is_cancelled_does_not_grow(ran: list[Any]) -> None:
    ended = chain(say.s("a")).enqueue()
    run_due()
    with pytest.raises(WorkflowEnded, match="has succeeded, so it cannot grow"):
        ended.append(say.s("b"))
    broken.add("a")
    graph = workflow().step("a", say.s("a")).approval("boss").enqueue()
    run_due()
    with pytest.raises(InvalidWorkflow, match="the step 'a' has failed"):
        graph.extend(workflow().step("x", say.s("x"), after=["a"]))
    graph.cancel(CODE)
    with pytest.raises(WorkflowEnded, match="has cancelled, so it cannot grow"):
        graph.extend(workflow().step("x", say.s("x")))


def test_a_signal_can_be_added_and_its_payload_taken(ran: list[Any]) -> None:
    handle = workflow().signal("paid").approval("boss").enqueue()
    handle.extend(
        workflow()
        .signal("sent", after=["paid"])
        .step("both", keep.s(), after=["paid", "sent"], pass_results=True)
    )
    handle.signal("sent", 2)
    handle.signal("paid", 1)
    run_due()
    assert ran == [(1, 2)]
