"""Workflows of named steps: needs, timers, approvals, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from jobs import batch, workflow
from jobs.audit import Actor
from jobs.exceptions import InvalidOption, InvalidWorkflow, UnknownWorkflow, WorkflowEnded
from jobs.models import AuditEntry, Job, Step, Workflow
from jobs.transports.sync import run_due
from jobs.workflows import operating
from jobs.workflows.handles import CODE
from tests.jobs.workflows.flow_jobs import say, tell

BOSS = Actor.of_code("boss")


def states(handle: Any) -> dict[str, str]:
    return dict(Step.objects.filter(workflow=handle.id).values_list("name", "state"))


def test_a_step_starts_once_all_that_it_needs_have_succeeded(ran: list[Any]) -> None:
    graph = (
        workflow("diamond")
        .step("last", say.s("d"), after=["left", "right"])
        .step("left", say.s("b"), after=["first"])
        .step("right", say.s("c"), after=["first"])
        .step("first", say.s("a"))
    )
    handle = graph.enqueue()
    run_due()
    assert ran[0] == "a"
    assert sorted(ran[1:3]) == ["b", "c"]
    assert ran[3:] == ["d"]
    assert handle.refresh().state == "succeeded"


def test_a_failure_cancels_what_comes_after_it_and_nothing_else(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"b"}
    graph = (
        workflow("half", catch=tell.s("catch"), finally_=tell.s("finally"), then=tell.s("then"))
        .step("a", say.s("a"))
        .step("b", say.s("b"))
        .step("after b", batch([say.s("x")]), after=["b"])
        .step("after that", say.s("y"), after=["after b", "a"])
        .step("after a", say.s("c"), after=["a"])
    )
    handle = graph.enqueue()
    run_due()
    assert states(handle) == {
        "a": "succeeded", "b": "failed", "after b": "cancelled", "after that": "cancelled",
        "after a": "succeeded",
    }  # fmt: skip
    assert sorted(item[0] for item in ran if isinstance(item, tuple)) == ["catch", "finally"]
    assert handle.refresh().state == "failed"


def test_an_approval_waits_for_a_person(ran: list[Any]) -> None:
    graph = (
        workflow("release")
        .step("build", say.s("build"))
        .approval("ok", after=["build"])
        .step("ship", say.s("ship"), after=["ok"])
    )
    handle = graph.enqueue()
    with pytest.raises(WorkflowEnded, match="'ok' is waiting"):
        handle.approve("ok", BOSS)
    run_due()
    assert ran == ["build"]
    handle.approve("ok", BOSS, "looks good")
    run_due()
    assert ran == ["build", "ship"]
    assert handle.refresh().state == "succeeded"
    step = Step.objects.get(name="ok")
    assert (step.decided_by, step.decided_at is None) == ("boss", False)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.reason) == ("approve", "boss", "looks good")
    with pytest.raises(WorkflowEnded, match="succeeded"):
        handle.reject("ok", BOSS)


def test_a_rejected_step_has_failed(ran: list[Any]) -> None:
    graph = workflow("release", catch=tell.s("catch")).approval("ok")
    handle = graph.step("ship", say.s("ship"), after=["ok"]).enqueue()
    handle.reject("ok", BOSS)
    run_due()
    assert ran == [("catch", str(handle.id))]
    assert handle.state == "failed"
    assert states(handle) == {"ok": "failed", "ship": "cancelled"}


def test_only_an_approval_can_be_decided(ran: list[Any]) -> None:
    handle = workflow("w").step("a", say.s("a")).approval("ok").enqueue()
    with pytest.raises(UnknownWorkflow, match="no step 'a' to be approved; it has 'ok'"):
        handle.approve("a")
    with pytest.raises(UnknownWorkflow, match="no workflow"):
        operating.decide(Job.objects.get().pk, "ok", CODE, approved=True)


def test_a_timer_holds_back_what_comes_after_it(ran: list[Any]) -> None:
    graph = (
        workflow("slow")
        .timer("pause", dt.timedelta(hours=1))
        .step("a", say.s("a"), after=["pause"])
        .timer("again", dt.timedelta(hours=2), after=["a"])
        .step("b", say.s("b"), after=["again"])
    )
    handle = graph.enqueue()
    run_due()
    assert ran == []
    for word, hours in (("a", 1), ("b", 2)):
        (timer,) = Job.objects.filter(state="scheduled")
        assert timer.due_at is not None
        wait = timer.due_at - Workflow.objects.get().created_at
        assert dt.timedelta(hours=hours) <= wait < dt.timedelta(hours=hours, minutes=1)
        Job.objects.filter(pk=timer.pk).update(due_at=Workflow.objects.get().created_at)
        run_due()
        assert ran[-1] == word
    assert handle.refresh().state == "succeeded"


def test_a_workflow_that_waits_for_a_person_can_be_cancelled(ran: list[Any]) -> None:
    graph = (
        workflow("w", finally_=tell.s("finally"))
        .approval("ok")
        .timer("pause", dt.timedelta(hours=1))
        .step("a", batch([say.s("a"), batch([])]), after=["ok", "pause"])
    )
    handle = graph.enqueue()
    report = handle.cancel(BOSS, "no longer needed")
    assert report.cancelled == 2
    assert handle.state == "cancelled"
    assert set(states(handle).values()) == {"cancelled"}
    assert set(Workflow.objects.values_list("state", flat=True)) == {"cancelled"}
    run_due()
    assert ran == [("finally", str(handle.id))]
    assert AuditEntry.objects.get().action == "cancel workflow"


def test_a_workflow_inside_of_another_is_not_cancelled_by_itself(ran: list[Any]) -> None:
    workflow("w").step("a", batch([say.s("a")])).enqueue()
    nested = Workflow.objects.get(nested=True)
    with pytest.raises(InvalidOption, match="is part of the workflow"):
        operating.cancel([nested.pk], CODE)
    assert Job.objects.get().state == "ready"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: workflow("w").enqueue(), "'w': must have at least one step"),
        (lambda: workflow().step("a", say.s("a"), after=["b"]).enqueue(), "'a': after: no step"),
        (
            lambda: (
                workflow()
                .step("a", say.s("a"), after=["b"])
                .step("b", say.s("b"), after=["a"])
                .step("c", say.s("c"))
                .enqueue()
            ),
            "the steps 'a', 'b' wait for each other",
        ),
        (lambda: workflow().approval("a", after=["a"]).enqueue(), "the steps 'a' wait"),
        (lambda: workflow().approval("a").approval("a"), "'a': there is a step of this name"),
        (lambda: workflow().approval(""), "step: must have a name"),
        (lambda: workflow().approval("a", after="b"), "after: 'b' must be a list"),
        (lambda: workflow().timer("t", dt.timedelta(0)), "'t': delay: .* above 0"),
        (lambda: workflow().step("a", 3), "step 'a': 3 must be the call of a job"),
        (lambda: workflow().step("a", batch([]), pass_results=True), "only a job can take"),
    ],
)
def test_what_is_no_workflow_is_refused(make: Any, told: str, ran: list[Any]) -> None:
    with pytest.raises(InvalidWorkflow, match=told):
        make()
    assert not Workflow.objects.exists()
