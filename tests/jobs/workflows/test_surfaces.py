"""Workflows in the admin and by the command, and when they are removed."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import batch, chain, workflow
from jobs.ledger import retention
from jobs.models import AuditEntry, Job, Step, StepNeed, Workflow, WorkflowTag
from jobs.transports.sync import run_due
from tests.jobs.workflows.flow_jobs import say, tell


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queue_workflows", *arguments, stdout=out)
    return out.getvalue()


def page_of(client: Client, pk: Any) -> str:
    page = client.get(reverse("admin:jobs_workflow_change", args=[pk]))
    assert page.status_code == 200
    return page.text


def test_the_list_shows_the_outermost_with_their_progress(
    boss: Client, broken: set[Any], ran: list[Any]
) -> None:
    broken |= {"b"}
    handle = batch(
        [say.s("a"), chain(say.s("b"), name="inside")], name="letters", tags=["abc"]
    ).enqueue()
    run_due()
    other = chain(say.s("c"), name="other").enqueue()
    address = reverse("admin:jobs_workflow_changelist")
    page = boss.get(address).text
    assert "letters" in page
    assert "inside" not in page
    assert "1 failed" in page
    for query, found in (
        ({"q": "letters"}, handle),
        ({"q": "abc"}, handle),
        ({"q": str(other.id)}, other),
        ({"state": "running"}, other),
        ({"name": "letters"}, handle),
        ({"tag": "abc"}, handle),
    ):
        text = boss.get(address, query).text
        assert [one for one in (handle, other) if f"/workflow/{one.id}/" in text] == [found], query


def test_the_page_shows_steps_needs_jobs_and_what_is_around(boss: Client) -> None:
    graph = (
        workflow("release", then=tell.s("then"))
        .step("build", say.s("a"))
        .step("test", batch([say.s("t")], name="tests"), after=["build"])
        .approval("ok", after=["test"])
        .timer("pause", dt.timedelta(hours=1), after=["ok"])
    )
    handle = graph.enqueue()
    run_due()
    text = page_of(boss, handle.id)
    nested = Workflow.objects.get(nested=True)
    job = Job.objects.get(arguments__args=["t"])
    step = Step.objects.get(name="ok")
    for shown in (
        "build",
        "Timer",
        str(nested.pk),
        reverse("admin:jobs_step_approve", args=[step.pk]),
    ):
        assert shown in text
    inner = page_of(boss, nested.pk)
    assert str(job.pk) in inner
    assert reverse("admin:jobs_workflow_change", args=[handle.id]) in inner
    assert "which decides" in inner
    assert "tests" in boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text


def test_a_step_is_approved_and_rejected_in_the_admin(boss: Client, ran: list[Any]) -> None:
    graph = workflow("w").approval("yes").approval("no")
    handle = graph.step("a", say.s("a"), after=["yes"]).enqueue()
    for name, verb in (("yes", "approve"), ("no", "reject")):
        step = Step.objects.get(name=name)
        address = reverse(f"admin:jobs_step_{verb}", args=[step.pk])
        assert boss.get(address).status_code == 200
        done = boss.post(address, {"confirmed": "yes", "reason": "so"})
        assert done.url == reverse("admin:jobs_workflow_change", args=[handle.id])  # type: ignore[attr-defined]
        again = boss.post(address, {"confirmed": "yes"}, follow=True)
        assert f"The step is {'succeeded' if name == 'yes' else 'failed'}." in again.text
    run_due()
    assert ran == ["a"]
    assert handle.refresh().state == "failed"
    assert set(AuditEntry.objects.values_list("action", "actor_name", "reason")) == {
        ("approve", "boss", "so"), ("reject", "boss", "so"),
    }  # fmt: skip
    listed = boss.get(reverse("admin:jobs_step_changelist")).text
    assert "Approvals" in listed
    moved = boss.get(reverse("admin:jobs_step_change", args=[Step.objects.get(name="no").pk]))
    assert moved.status_code == 302


def test_a_workflow_is_cancelled_and_retried_in_the_admin(
    boss: Client, broken: set[Any], ran: list[Any]
) -> None:
    broken |= {"a"}
    handle = batch([say.s("a")]).enqueue()
    run_due()
    broken.clear()
    boss.post(reverse("admin:jobs_workflow_retry", args=[handle.id]), {"confirmed": "yes"})
    assert handle.refresh().state == "running"
    done = boss.post(
        reverse("admin:jobs_workflow_cancel", args=[handle.id]), {"confirmed": "yes"}, follow=True
    )
    assert "with 1 job that waited" in done.text
    assert handle.refresh().state == "cancelled"


def test_the_command_lists_and_shows(ran: list[Any]) -> None:
    handle = batch([say.s("a"), say.s("b")], name="letters", tags=["abc"]).enqueue()
    chain(say.s("c")).enqueue()
    run_due()
    assert "letters" in command()
    (only,) = json.loads(command("list", "--tag", "abc", "--state", "succeeded", "--json"))[
        "workflows"
    ]
    assert (only["id"], only["progress"]["percent"]) == (str(handle.id), 100)
    told = json.loads(command("show", str(handle.id), "--json"))
    assert [job["state"] for job in told["jobs"]] == ["succeeded", "succeeded"]
    assert "100% of 2 members" in command("show", str(handle.id))


def test_the_command_operates(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"a"}
    graph = workflow("w").step("a", say.s("a")).approval("ok").approval("no")
    handle = graph.enqueue()
    name = str(handle.id)
    run_due()
    broken.clear()
    assert "Would retry" in command("retry", name, "--dry-run")
    assert "Retried 1 failed job" in command("retry", name)
    assert "is succeeded" in command("approve", name, "ok", "--reason", "fine")
    assert json.loads(command("reject", name, "no", "--json"))["state"] == "failed"
    assert "Cancelled 1 workflow, with 1 job that waited" in command("cancel", name)
    assert handle.refresh().state == "cancelled"
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["retry", "approve", "reject", "cancel workflow"]


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("show",), "say the ID", 2),
        (("approve", "ID"), "say the STEP", 2),
        (("cancel", "ID", "a"), "takes no STEP", 2),
        (("approve", "ID", "b"), "no step 'b' to be approved", 2),
        (("list", "ID"), "list takes no ID", 2),
        (("show", "0190a000-0000-7000-8000-000000000001"), "There is no workflow", 2),
        (("retry", "ID"), "None has failed", 1),
    ],
)
def test_the_command_refuses(
    ran: list[Any], arguments: tuple[str, ...], told: str, code: int
) -> None:
    handle = chain(say.s("a")).enqueue()
    with pytest.raises(CommandError, match=told) as caught:
        command(*[str(handle.id) if word == "ID" else word for word in arguments])
    assert caught.value.returncode == code


def test_a_workflow_is_removed_as_a_whole_when_its_time_is_over(ran: list[Any]) -> None:
    ended = chain(batch([say.s("a")], tags=["x"]), say.s("b")).enqueue()
    run_due()
    going = chain(batch([]), workflow("w").approval("ok")).enqueue()
    Workflow.objects.filter(finished_at__isnull=False).update(
        finished_at=timezone.now() - dt.timedelta(days=31)
    )
    assert retention.preview().workflows == 2
    assert retention.run_once().workflows == 2
    assert set(Workflow.objects.values_list("root", flat=True)) == {going.id}
    assert not WorkflowTag.objects.exists()
    assert Step.objects.count() == 3
    assert StepNeed.objects.count() == 1
    assert Job.objects.filter(chain__isnull=False).count() == 2
    assert ended.id != going.id
