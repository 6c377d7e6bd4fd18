"""Who may do what: every operation, on every surface, for every role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.audit import Actor
from jobs.failures import operations
from jobs.models import (
    AuditEntry,
    BulkOperation,
    Cluster,
    FailedJob,
    Job,
    JobSchedule,
    JobState,
    Limit,
    LimitKey,
    LimitSlot,
    Queue,
    Step,
    Workflow,
)
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import ClusterFactory, FailedJobFactory, JobFactory

NOUNS = (
    "job", "failedjob", "jobschedule", "queue", "cluster", "worker", "auditentry", "bulkoperation",
    "limit", "limitslot", "workflow",
)  # fmt: skip
VIEWER = tuple(f"view_{noun}" for noun in NOUNS)
DOES = (
    "dispatch_job", "cancel_job", "clear_queue", "retry_failedjob", "forget_failedjob",
    "flush_failedjob", "restore_failedjob", "stop_bulkoperation", "run_jobschedule",
    "pause_jobschedule", "pause_queue", "restart_cluster",
    "change_jobschedule", "change_queue", "change_limit", "release_limit",
    "approve_step", "cancel_workflow", "retry_workflow", "signal_step",
)  # fmt: skip
ROLES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "nobody": lambda needed: (),
    "who may do it but not look": lambda needed: (needed,),
    "a viewer": lambda needed: VIEWER,
    "who may do all but this": lambda needed: (*VIEWER, *(does for does in DOES if does != needed)),
    "who may do just this": lambda needed: (*VIEWER, needed),
}


@dataclass(frozen=True)
class Surface:
    """One place where an operation is offered. `shown_on` is the page that has its button."""

    permission: str
    address: str
    shown_on: str
    button: str
    data: tuple[tuple[str, str], ...] = ()
    get_confirms: bool = True


def row(noun: str, pk: Any, verb: str, permission: str, label: str) -> Surface:
    return Surface(
        permission,
        reverse(f"admin:jobs_{noun}_{verb}", args=[pk]),
        reverse(f"admin:jobs_{noun}_change", args=[pk]),
        f'/{verb}/">{label}</a>|/{verb}/" class="jobs-destructive">{label}</a>',
        (("confirmed", "yes"),),
    )


def selected(noun: str, pk: Any, action: str, permission: str) -> Surface:
    address = reverse(f"admin:jobs_{noun}_changelist")
    data = (("action", action), (ACTION_CHECKBOX_NAME, str(pk)), ("confirmed", "yes"))
    button = f'<option value="{action}">'
    return Surface(permission, address, address, button, data, get_confirms=False)


def matching(verb: str, permission: str, noun: str = "failedjob") -> Surface:
    address = reverse(f"admin:jobs_{noun}_{verb}_matching")
    shown_on = reverse(f"admin:jobs_{noun}_changelist")
    data = (("confirmed", "yes"), ("shown_at", timezone.now().isoformat()))
    return Surface(permission, address, shown_on, f"/{verb}-matching/", data)


def failed() -> FailedJob:
    return FailedJobFactory()


def forgotten() -> FailedJob:
    return FailedJobFactory(forgotten_at=timezone.now())


def operation(state: str = "waiting") -> BulkOperation:
    failed()
    made = operations.start({"all": True}, Actor.of_code("a test"), words="all failed jobs")
    BulkOperation.objects.update(state=state)
    # Only what is done from here on is of interest.
    AuditEntry.objects.update(action="begun before the test")
    return made


def schedule(**values: Any) -> JobSchedule:
    return JobSchedule.objects.create(
        name="nightly", definition="tests.jobs.sample_jobs.add", cron="0 3 * * *",
        arguments={"args": [1], "kwargs": {}}, **values,
    )  # fmt: skip


def dispatch() -> Surface:
    return Surface(
        "dispatch_job",
        reverse("admin:jobs_job_dispatch") + "?definition=tests.jobs.sample_jobs.add",
        reverse("admin:jobs_job_changelist"),
        reverse("admin:jobs_job_dispatch"),
        (("argument-a", "1"), ("job_id", "0190a000-0000-7000-8000-000000000001")),
    )


def paused_queue() -> str:
    return Queue.objects.create(name="ai", paused_at=timezone.now()).name


def a_job() -> Any:
    return JobFactory().pk


def limit() -> Limit:
    return Limit.objects.create(
        name="gpu", kind="concurrency", amount=2, changed_at=timezone.now(),
        declared={"kind": "concurrency", "amount": 1, "period": None, "burst": None},
    )  # fmt: skip


def place() -> LimitSlot:
    key = LimitKey.objects.create(limit=limit(), key="")
    return LimitSlot.objects.create(limit_key=key, job_id=a_job(), fence=1, taken_at=timezone.now())


def a_workflow(**values: Any) -> Workflow:
    flow = Workflow(kind="batch", created_at=timezone.now(), total=1, **values)
    flow.root_id = flow.pk
    flow.save()
    return flow


def failed_workflow() -> Workflow:
    flow = a_workflow(state="failed", failed=1, finished_at=timezone.now())
    Job.objects.filter(pk=failed().job_id).update(chain=flow.pk)
    return flow


def decision(verb: str, label: str) -> Surface:
    flow = a_workflow()
    step = Step.objects.create(
        workflow=flow, name="ok", position=0, kind="approval", state="active"
    )
    address = reverse(f"admin:jobs_step_{verb}", args=[step.pk])
    page = reverse("admin:jobs_workflow_change", args=[flow.pk])
    return Surface("approve_step", address, page, f"{label} ok</a>", (("confirmed", "yes"),))


def signal() -> Surface:
    flow = a_workflow()
    step = Step.objects.create(
        workflow=flow, name="paid", position=0, kind="signal", state="active"
    )
    address = reverse("admin:jobs_step_signal", args=[step.pk])
    page = reverse("admin:jobs_workflow_change", args=[flow.pk])
    label = "Send the signal paid</a>"
    return Surface("signal_step", address, page, label, (("confirmed", "yes"),))


def decision_of_selected(verb: str) -> Surface:
    decision(verb, "")
    return selected("step", Step.objects.get().pk, f"{verb}_selected", "approve_step")


SURFACES: dict[str, Callable[[], Surface]] = {
    "dispatch": dispatch,
    "cancel a job": lambda: row("job", a_job(), "cancel", "cancel_job", "Cancel"),
    "cancel selected": lambda: selected("job", a_job(), "cancel_selected", "cancel_job"),
    "retry a job": lambda: row("job", failed().job_id, "retry", "retry_failedjob", "Retry"),
    "retry a failed job": lambda: row(
        "failedjob", failed().pk, "retry", "retry_failedjob", "Retry"
    ),
    "retry selected": lambda: selected(
        "failedjob", failed().pk, "retry_selected", "retry_failedjob"
    ),
    "retry all that match": lambda: (failed(), matching("retry", "retry_failedjob"))[1],
    "forget a failed job": lambda: row(
        "failedjob", failed().pk, "forget", "forget_failedjob", "Forget"
    ),
    "forget selected": lambda: selected(
        "failedjob", failed().pk, "forget_selected", "forget_failedjob"
    ),
    "flush all that match": lambda: (failed(), matching("flush", "flush_failedjob"))[1],
    "restore a failed job": lambda: row(
        "forgottenfailedjob", forgotten().pk, "restore", "restore_failedjob", "Restore"
    ),
    "restore selected": lambda: selected(
        "forgottenfailedjob", forgotten().pk, "restore_selected", "restore_failedjob"
    ),
    "restore all that match": lambda: (
        forgotten(),
        matching("restore", "restore_failedjob", "forgottenfailedjob"),
    )[1],
    "stop an operation": lambda: row(
        "bulkoperation", operation().pk, "stop", "stop_bulkoperation", "Stop"
    ),
    "resume an operation": lambda: row(
        "bulkoperation", operation("stopped").pk, "resume", "retry_failedjob", "Resume"
    ),
    "run a schedule": lambda: row(
        "jobschedule", schedule().pk, "run", "run_jobschedule", "Run now"
    ),
    "run selected": lambda: selected(
        "jobschedule", schedule().pk, "run_selected", "run_jobschedule"
    ),
    "pause a schedule": lambda: row(
        "jobschedule", schedule().pk, "pause", "pause_jobschedule", "Pause"
    ),
    "pause selected schedules": lambda: selected(
        "jobschedule", schedule().pk, "pause_selected", "pause_jobschedule"
    ),
    "resume a schedule": lambda: row(
        "jobschedule", schedule(enabled=False).pk, "resume", "pause_jobschedule", "Resume"
    ),
    "resume selected schedules": lambda: selected(
        "jobschedule", schedule(enabled=False).pk, "resume_selected", "pause_jobschedule"
    ),
    "pause a queue": lambda: row("queue", "ai", "pause", "pause_queue", "Pause"),
    "resume a queue": lambda: row("queue", paused_queue(), "resume", "pause_queue", "Resume"),
    "clear a queue": lambda: (a_job(), row("queue", "default", "clear", "clear_queue", "Clear"))[1],
    "let a limit follow the code": lambda: row(
        "limit", limit().pk, "follow", "change_limit", "Follow the code"
    ),
    "release a place": lambda: row("limitslot", place().pk, "release", "release_limit", "Release"),
    "release selected places": lambda: selected(
        "limitslot", place().pk, "release_selected", "release_limit"
    ),
    "cancel a workflow": lambda: row(
        "workflow", a_workflow().pk, "cancel", "cancel_workflow", "Cancel"
    ),
    "cancel selected workflows": lambda: selected(
        "workflow", a_workflow().pk, "cancel_selected", "cancel_workflow"
    ),
    "retry a workflow": lambda: row(
        "workflow", failed_workflow().pk, "retry", "retry_workflow", "Retry failures"
    ),
    "retry selected workflows": lambda: selected(
        "workflow", failed_workflow().pk, "retry_selected", "retry_workflow"
    ),
    "approve a step": lambda: decision("approve", "Approve"),
    "reject a step": lambda: decision("reject", "Reject"),
    "send a signal": signal,
    "approve selected steps": lambda: decision_of_selected("approve"),
    "reject selected steps": lambda: decision_of_selected("reject"),
    "restart a cluster": lambda: row(
        "cluster", ClusterFactory().pk, "restart", "restart_cluster", "Restart"
    ),
    "restart selected": lambda: selected(
        "cluster", ClusterFactory().pk, "restart_selected", "restart_cluster"
    ),
}


def everything() -> list[Any]:
    """All that an operation could change."""
    tables = (
        Job, FailedJob, JobSchedule, Queue, Cluster, AuditEntry, BulkOperation, Limit, LimitSlot,
        Workflow, Step,
    )  # fmt: skip
    return [list(table._base_manager.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", SURFACES)
def test_only_who_has_its_permission_is_offered_and_allowed_an_operation(
    browser_of: BrowserOf, role: str, name: str
) -> None:
    surface = SURFACES[name]()
    browser = browser_of(*ROLES[role](surface.permission))
    allowed = role == "who may do just this"
    before = everything()

    page = browser.get(surface.shown_on)
    offered = page.status_code == 200 and any(
        button in page.text for button in surface.button.split("|")
    )
    asked = browser.get(surface.address)
    assert offered == allowed
    if surface.get_confirms:
        assert asked.status_code == (200 if allowed else 403)
    assert everything() == before, "looking has changed something"

    done = browser.post(surface.address, dict(surface.data))

    if allowed:
        assert done.status_code == 302
        assert everything() != before
        assert AuditEntry.objects.exclude(action="begun before the test").count() == 1
    else:
        assert everything() == before
        assert done.status_code == 403


@pytest.mark.parametrize("name", SURFACES)
def test_a_post_that_was_not_confirmed_shows_what_would_happen_and_changes_nothing(
    boss: Client, name: str
) -> None:
    surface = SURFACES[name]()
    before = everything()
    data = {key: value for key, value in surface.data if key != "confirmed"}
    if name == "dispatch":
        data.pop("argument-a")

    asked = boss.post(surface.address, data)

    assert asked.status_code == 200
    assert everything() == before


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_rows_of_the_engine_cannot_be_edited_by_a_viewer(
    browser_of: BrowserOf, noun: str, page: str
) -> None:
    rows = {
        "job": a_job,
        "failedjob": lambda: failed().pk,
        "jobschedule": lambda: schedule().pk,
        "queue": paused_queue,
        "cluster": lambda: ClusterFactory().pk,
        "limit": lambda: limit().pk,
        "limitslot": lambda: place().pk,
        "workflow": lambda: a_workflow().pk,
        "worker": lambda: (
            __import__("tests.jobs.factories", fromlist=["WorkerFactory"]).WorkerFactory().pk
        ),
        "auditentry": lambda: (
            AuditEntry.objects.create(
                actor_name="ada", surface="command", action="x", target="y"
            ).pk
        ),
        "bulkoperation": lambda: operation().pk,
    }
    pk = rows[noun]()
    before = everything()
    arguments = [] if page == "add" else [pk]

    done = browser_of(*VIEWER).post(
        reverse(f"admin:jobs_{noun}_{page}", args=arguments), {"post": "yes", "_save": "Save"}
    )

    assert done.status_code == 403
    assert everything() == before


def test_select_across_does_not_widen_an_action_beyond_the_ticked_rows(
    browser_of: BrowserOf,
) -> None:
    """Otherwise «forget selected» would be a flush for who may not flush."""
    ticked = failed()
    failed()
    browser = browser_of("view_failedjob", "forget_failedjob")

    browser.post(
        reverse("admin:jobs_failedjob_changelist"),
        {
            "action": "forget_selected",
            ACTION_CHECKBOX_NAME: str(ticked.pk),
            "select_across": "1",
            "confirmed": "yes",
        },
    )

    assert FailedJob.objects.count() == 1
    assert not FailedJob.objects.filter(pk=ticked.pk).exists()


def test_a_running_job_is_asked_to_stop_and_not_ended(boss: Client) -> None:
    job = JobFactory(state=JobState.RUNNING)

    boss.post(reverse("admin:jobs_job_cancel", args=[job.pk]), {"confirmed": "yes"})

    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (JobState.RUNNING, True)
