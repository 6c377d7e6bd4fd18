"""Every reason why a job does not run is created, and read in the admin and by the command."""

from __future__ import annotations

import datetime as dt
import html
import io
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import (
    ConcurrencyLimit,
    RateLimited,
    ThrottlesExceptions,
    chain,
    job,
    pausing,
    tag_pausing,
    workflow,
)
from jobs.audit import Actor
from jobs.exceptions import UnknownQueue
from jobs.execution import admission
from jobs.explaining import Reason, explain_job, explain_queue
from jobs.ledger import Ledger
from jobs.models import Cluster, Job, Worker
from jobs.registry import get
from tests.jobs.admin.conftest import BrowserOf, boss, browser_of
from tests.jobs.factories import ClusterFactory, JobFactory, WorkerFactory, ago

__all__ = ["boss", "browser_of"]

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor.of_code("a test")
HOUR = dt.timedelta(hours=1)


@job(tags=["crm"])
def plain(number: int) -> int:
    return number


@job(middleware=[ConcurrencyLimit(amount=1, name="explained gpu")])
def renders(number: int) -> None: ...


@job(middleware=[RateLimited("explained rate", "1/h")])
def asks(number: int) -> None: ...


class Down(Exception):
    """Of a service."""


@job(middleware=[ThrottlesExceptions("explained crm", 1, 600, when=Down)])
def pushes(number: int) -> None:
    raise Down


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> None:
    settings.JOBS_TRANSPORT = "database"
    settings.JOBS_POOLS = {"default": {"queues": ["default", "low"]}}
    admission._rows.clear()


@pytest.fixture
def workers() -> list[Worker]:
    """A live cluster with two workers, both free."""
    cluster = ClusterFactory.create(queues=["default", "low"])
    return [WorkerFactory.create(cluster=cluster) for _ in range(2)]


def enqueued(definition: Any = plain, **options: Any) -> Job:
    made = definition.using(**options).enqueue(1) if options else definition.enqueue(1)
    return Job.objects.get(pk=made.id)


def claimed(book: Ledger, worker: Worker) -> Job:
    """The next job, claimed, and admitted or not."""
    (found,) = book.claim(worker_id=worker.pk, queues=["default"], limit=1)
    book.admit(found, admission.wants(get(found.definition), found))
    return Job.objects.get(pk=found.id)


def reason_of(job: Job) -> Reason:
    job.refresh_from_db()
    return explain_job(job)


def told(*arguments: str) -> tuple[str, int]:
    """What the command prints, and its exit code."""
    out = io.StringIO()
    try:
        call_command("queue_explain", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


Make = Callable[[Ledger, list[Worker]], Job]


def due_later(book: Ledger, workers: list[Worker]) -> Job:
    return enqueued(run_after=timezone.now() + HOUR)


def overdue(book: Ledger, workers: list[Worker]) -> Job:
    late = due_later(book, workers)
    Job.objects.filter(pk=late.pk).update(due_at=timezone.now() - HOUR)
    return late


def queue_paused(book: Ledger, workers: list[Worker]) -> Job:
    waiting = enqueued()
    pausing.pause("default", OPERATOR, timezone.now() + HOUR, "the provider is down")
    return waiting


def tag_paused(book: Ledger, workers: list[Worker]) -> Job:
    waiting = enqueued()
    tag_pausing.pause("crm", OPERATOR, reason="the crm is down")
    return waiting


def put_aside(book: Ledger, workers: list[Worker]) -> Job:
    waiting = tag_paused(book, workers)
    book.claim(worker_id=workers[0].pk, queues=["default"], limit=1)
    return waiting


def no_cluster(book: Ledger, workers: list[Worker]) -> Job:
    cluster = workers[0].cluster
    assert cluster is not None
    cluster.heartbeat_at = ago(minutes=3)
    cluster.save()
    return enqueued()


def queue_unserved(book: Ledger, workers: list[Worker]) -> Job:
    return enqueued(queue_name="nowhere")


def no_worker(book: Ledger, workers: list[Worker]) -> Job:
    Worker.objects.all().delete()
    return enqueued()


def workers_busy(book: Ledger, workers: list[Worker]) -> Job:
    for worker in workers:
        JobFactory.create(state="running", worker=worker, started_at=ago(minutes=9), fence=1)
    return enqueued()


def definition_unknown(book: Ledger, workers: list[Worker]) -> Job:
    waiting = enqueued()
    Worker.objects.update(unknown_definitions=[waiting.definition])
    return waiting


def next_in_turn(book: Ledger, workers: list[Worker]) -> Job:
    enqueued()
    return enqueued()


def limit_held(book: Ledger, workers: list[Worker]) -> Job:
    enqueued(renders)
    claimed(book, workers[0])
    enqueued(renders)
    return claimed(book, workers[1])


def rate_limited(book: Ledger, workers: list[Worker]) -> Job:
    enqueued(asks)
    claimed(book, workers[0])
    enqueued(asks)
    return claimed(book, workers[1])


def breaker_open(book: Ledger, workers: list[Worker]) -> Job:
    enqueued(pushes)
    claimed(book, workers[0])
    book.report("explained crm", "", failed=True)
    enqueued(pushes)
    return claimed(book, workers[1])


def after_steps(book: Ledger, workers: list[Worker]) -> Job:
    chain(plain.s(1), plain.s(2)).enqueue()
    return Job.objects.get(state="blocked")


def waits_for_signal(book: Ledger, workers: list[Worker]) -> Job:
    flow = workflow("orders").signal("paid").step("ship", plain.s(1), after=["paid"])
    flow.enqueue()
    return Job.objects.get(state="blocked")


def waits_for_approval(book: Ledger, workers: list[Worker]) -> Job:
    flow = (
        workflow("orders").approval("boss agrees").step("ship", plain.s(1), after=["boss agrees"])
    )
    flow.enqueue()
    return Job.objects.get(state="blocked")


def running(book: Ledger, workers: list[Worker]) -> Job:
    enqueued()
    return claimed(book, workers[0])


def cancelling(book: Ledger, workers: list[Worker]) -> Job:
    running_job = running(book, workers)
    Job.objects.filter(pk=running_job.pk).update(cancel_requested=True)
    return running_job


def worker_silent(book: Ledger, workers: list[Worker]) -> Job:
    running_job = running(book, workers)
    cluster = workers[0].cluster
    assert cluster is not None
    cluster.heartbeat_at = ago(minutes=3)
    cluster.save()
    return running_job


def failed(book: Ledger, workers: list[Worker]) -> Job:
    return JobFactory.create(state="failed")


def succeeded(book: Ledger, workers: list[Worker]) -> Job:
    return JobFactory.create(state="succeeded")


REASONS: list[tuple[Make, str, str, bool]] = [
    (due_later, "due_later",
        "is the time for it to start", True),
    (overdue, "overdue",
        "nobody has made it ready", False),
    (queue_paused, "queue_paused",
        "The queue default is paused .* until .*: the provider is down", False),
    (tag_paused, "tag_paused",
        "Its tag crm is paused, until it is resumed: the crm is down", False),
    (put_aside, "tag_paused",
        "Its tag crm is paused", False),
    (no_cluster, "no_cluster",
        "No cluster is alive.* was last heard of 3 min", False),
    (queue_unserved, "queue_unserved",
        "No live cluster serves the queue nowhere; they serve default, low", False),
    (no_worker, "no_worker",
        "No worker that serves default is up", False),
    (workers_busy, "workers_busy",
        "All 2 workers of default are busy; the longest runs add for 9 min", False),
    (definition_unknown, "definition_unknown",
        "No worker of default knows the definition", False),
    (next_in_turn, "next",
        "is free: it starts at any moment. 1 job stands before it", True),
    (limit_held, "limit_held",
        "The limit explained gpu allows 1 at once, held by ", True),
    (rate_limited, "rate_limited",
        "The limit explained rate allows 1 in any hour, and that is used up", True),
    (breaker_open, "breaker_open",
        "The breaker explained crm is open", False),
    (after_steps, "after_steps",
        "It comes after '1 plain' of its chain", True),
    (waits_for_signal, "signal",
        "It waits for the signal 'paid'", False),
    (waits_for_approval, "approval",
        "It waits for the approval 'boss agrees'", False),
    (running, "running",
        "It runs, for .* in process", True),
    (cancelling, "cancelling",
        "and was asked to stop", True),
    (worker_silent, "worker_silent",
        "is silent. If it stays so the job is rescued", False),
    (failed, "failed",
        "It has failed", False),
    (succeeded, "succeeded",
        "It has succeeded", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "code", "says", "in_order"), REASONS, ids=[row[0].__name__ for row in REASONS]
)
def test_a_reason_is_told_by_code_in_the_admin_and_by_the_command(
    make: Make,
    code: str,
    says: str,
    in_order: bool,
    book: Ledger,
    workers: list[Worker],
    boss: Client,
) -> None:
    waiting = make(book, workers)
    reason = reason_of(waiting)
    assert reason.code == code
    assert re.search(says, reason.text), reason.text
    assert reason.is_in_order is in_order
    shown, end = told(str(waiting.pk))
    assert steady(reason.text) in steady(shown)
    assert end == (0 if in_order else 1)
    if waiting.is_finished:
        return
    page = boss.get(reverse("admin:jobs_job_change", args=[waiting.pk])).text
    assert steady(html.escape(reason.text)) in steady(page)
    for remedy in reason.remedies:
        assert reverse(f"admin:{remedy.page}", args=remedy.arguments) in page


def steady(text: str) -> str:
    """Without what a moment changes."""
    return re.sub(r"\d+ ms|\d+\.\d s", "a moment", text)


def test_a_remedy_is_offered_to_who_may_take_it(
    book: Ledger, workers: list[Worker], browser_of: BrowserOf
) -> None:
    waiting = queue_paused(book, workers)
    page = reverse("admin:jobs_job_change", args=[waiting.pk])
    resume = reverse("admin:jobs_queue_resume", args=["default"])
    assert resume in browser_of("view_job", "pause_queue", "view_queue").get(page).text
    viewer = browser_of("view_job").get(page).text
    assert "is paused" in viewer
    assert resume not in viewer


class TestAQueue:
    def test_a_worker_without_a_cluster_serves_it_too(self, book: Ledger) -> None:
        """One of `queue_work`."""
        WorkerFactory.create(cluster=None)
        enqueued()
        assert explain_queue("default").code == "moves"

    def test_a_cluster_that_stops_takes_nothing_any_more(
        self, book: Ledger, workers: list[Worker]
    ) -> None:
        Cluster.objects.update(status="stopping")
        enqueued()
        assert explain_queue("default").code == "no_cluster"

    def test_one_that_moves_says_so(self, book: Ledger, workers: list[Worker]) -> None:
        assert explain_queue("default").code == "nothing_ready"
        enqueued()
        reason = explain_queue("default")
        assert (reason.code, reason.is_in_order) == ("moves", True)
        assert (
            reason.text == "1 job ready on default, and 2 workers free: they start at any moment."
        )

    @pytest.mark.parametrize("make", [queue_paused, no_cluster, no_worker, workers_busy])
    def test_what_holds_it_back_is_told_by_command_and_page(
        self, make: Make, book: Ledger, workers: list[Worker], boss: Client
    ) -> None:
        make(book, workers)
        reason = explain_queue("default")
        assert reason.code == make.__name__
        shown, end = told("--queue", "default")
        assert reason.text in shown
        assert end == 1
        page = boss.get(reverse("admin:jobs_queue_change", args=["default"])).text
        assert html.escape(reason.text) in page

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(UnknownQueue):
            explain_queue("nowhere")


class TestTheCommand:
    def test_it_tells_the_command_that_mends_it(self, book: Ledger, workers: list[Worker]) -> None:
        waiting = queue_paused(book, workers)
        assert "manage.py queue_resume default" in told(str(waiting.pk))[0]

    def test_it_tells_json(self, book: Ledger, workers: list[Worker]) -> None:
        reason = json.loads(told(str(due_later(book, workers).pk), "--json")[0])["reason"]
        assert (reason["code"], reason["is_in_order"]) == ("due_later", True)

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [([], 2), (["--queue", "nowhere"], 2), ([str(UUID(int=7))], 1)],
    )
    def test_what_cannot_be_explained_is_refused(self, arguments: list[str], code: int) -> None:
        with pytest.raises(CommandError) as end:
            call_command("queue_explain", *arguments)
        assert end.value.returncode == code
