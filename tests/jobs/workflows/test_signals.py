"""Steps that wait until somebody says that something has happened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs import workflow
from jobs.audit import Actor
from jobs.exceptions import InvalidOption, UnknownWorkflow, WorkflowEnded
from jobs.models import AuditEntry, Step
from jobs.transports.sync import run_due
from jobs.workflows import operating
from jobs.workflows.handles import CODE, WorkflowHandle
from tests.jobs.workflows.flow_jobs import keep, say, tell
from tests.jobs.workflows.test_surfaces import command


def order() -> WorkflowHandle:
    return (
        workflow("order", then=tell.s("then"))
        .step("first", say.s("a"))
        .signal("paid", after=["first"])
        .step("send", keep.s("sent"), after=["paid", "first"], pass_results=True)
        .enqueue()
    )


def state_of(step: str) -> str:
    return Step.objects.get(name=step).state


def test_a_step_waits_for_its_signal_and_passes_on_what_came_with_it(ran: list[Any]) -> None:
    handle = order()
    run_due()
    assert (ran, state_of("paid")) == (["a"], "active")
    handle.signal("paid", "50 EUR", Actor.of_code("bank"), "transfer 7")
    run_due()
    assert ran == ["a", ("50 EUR", "A", "sent"), ("then", str(handle.id))]
    assert handle.refresh().state == "succeeded"
    step = Step.objects.get(name="paid")
    assert (step.state, step.payload, step.decided_by) == ("succeeded", "50 EUR", "bank")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.reason) == ("signal", "bank", "transfer 7")


def test_a_signal_that_comes_early_is_kept_for_its_step(ran: list[Any]) -> None:
    handle = order()
    handle.signal("paid", {"amount": 50})
    assert state_of("paid") == "waiting"
    run_due()
    assert ran[1] == ({"amount": 50}, "A", "sent")
    assert handle.refresh().state == "succeeded"


def test_the_first_of_all_steps_may_wait_for_a_signal(ran: list[Any]) -> None:
    handle = workflow().signal("go").step("a", say.s("a"), after=["go"]).enqueue()
    run_due()
    assert ran == []
    handle.signal("go")
    run_due()
    assert ran == ["a"]


def test_a_nested_workflow_returns_the_payload_by_its_step(ran: list[Any]) -> None:
    inner = workflow().signal("x")
    handle = (
        workflow()
        .step("inner", inner)
        .step("after", keep.s(), after=["inner"], pass_results=True)
        .enqueue()
    )
    nested = Step.objects.get(name="x").workflow_id
    operating.signal(nested, "x", "value", CODE)
    run_due()
    assert ran == [({"x": "value"},)]
    assert handle.refresh().state == "succeeded"


def test_a_second_signal_and_one_too_late_are_refused(ran: list[Any]) -> None:
    handle = order()
    handle.signal("paid", 1)
    with pytest.raises(WorkflowEnded, match="got its signal already"):
        handle.signal("paid", 2)
    run_due()
    with pytest.raises(WorkflowEnded, match="is succeeded: no signal reaches it"):
        handle.signal("paid", 3)
    assert Step.objects.get(name="paid").payload == 1
    cancelled = order()
    cancelled.cancel(CODE)
    with pytest.raises(WorkflowEnded, match="is cancelled: no signal reaches it"):
        cancelled.signal("paid")
    assert cancelled.refresh().state == "cancelled"


def test_what_no_signal_can_be_is_refused_and_changes_nothing(ran: list[Any]) -> None:
    handle = order()
    with pytest.raises(UnknownWorkflow, match="no step 'first' to be signalled; it has 'paid'"):
        handle.signal("first")
    with pytest.raises(InvalidOption, match="payload"):
        handle.signal("paid", object())
    assert not AuditEntry.objects.exists()
    assert Step.objects.get(name="paid").decided_at is None


def test_a_signal_is_sent_by_the_command(ran: list[Any]) -> None:
    handle = order()
    assert "kept until the step begins" in command(
        "signal", str(handle.id), "paid", "--payload", '{"amount": 5}'
    )
    assert Step.objects.get(name="paid").payload == {"amount": 5}
    run_due()
    shown = json.loads(command("show", str(handle.id), "--json"))
    assert shown["steps"][1]["payload"] == {"amount": 5}


def test_a_signal_is_sent_in_the_admin(boss: Client, ran: list[Any]) -> None:
    handle = order()
    run_due()
    page = boss.get(reverse("admin:jobs_workflow_change", args=[handle.id])).text
    address = reverse("admin:jobs_step_signal", args=[Step.objects.get(name="paid").pk])
    assert address in page
    wrong = boss.post(address, {"confirmed": "yes", "payload": "{"})
    assert "Enter a valid JSON" in wrong.text
    assert state_of("paid") == "active"
    boss.post(address, {"confirmed": "yes", "payload": '"cash"', "reason": "at the desk"})
    run_due()
    assert ran[1] == ("cash", "A", "sent")
    page = boss.get(reverse("admin:jobs_workflow_change", args=[handle.id])).text
    assert "Signal by boss" in page
    assert "cash" in page
    again = boss.post(address, {"confirmed": "yes"}, follow=True)
    assert "It got its signal already." in again.text
    approve = reverse("admin:jobs_step_approve", args=[Step.objects.get(name="paid").pk])
    refused = boss.post(approve, {"confirmed": "yes"}, follow=True)
    assert "It waits for a signal, not for an approval." in refused.text
