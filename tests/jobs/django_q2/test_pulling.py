"""Old consumers: django-q2's own pusher, worker and monitor on our broker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from multiprocessing import Event, Value
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.monitor import monitor
from django_q.pusher import pusher
from django_q.queues import Queue
from django_q.signing import SignedPackage
from django_q.tasks import async_chain, async_task, result
from django_q.worker import worker

from jobs.audit import Actor
from jobs.django_q2 import pulling
from jobs.ledger import Ledger
from jobs.models import Job, JobState, Worker
from jobs.pausing import pause
from tests.jobs import sample_jobs
from tests.jobs.django_q2.conftest import OLD, failure_of, job_of, row_of

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def _quick(q_conf: Callable[..., None]) -> None:
    q_conf(POLL=0, BULK=10, RETRY=60)


def stock_cluster() -> None:
    """One round of what a stock cluster does, in this process."""
    done = Event()
    done.set()
    tasks, results = Queue(), Queue()
    pusher(tasks, done, broker=get_broker())
    tasks.put("STOP")
    worker(tasks, results, Value("f", -1))
    results.put("STOP")
    monitor(results, get_broker())


def test_a_stock_cluster_runs_a_task_and_the_ledger_knows() -> None:
    task_id = async_task(f"{OLD}.multiply", 6, 7, group="sums")

    stock_cluster()

    assert result(task_id) == 42
    job = job_of(task_id)
    assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, 42, 1)
    assert not Worker.objects.filter(stopped_at=None).exists()


def test_a_failed_task_is_a_failed_job(calls: list[Any]) -> None:
    task_id = async_task(f"{OLD}.fail")

    stock_cluster()

    assert not row_of(task_id).success
    assert job_of(task_id).state == JobState.FAILED
    assert "no such luck" in failure_of(task_id).message


def test_a_chain_goes_on_and_stops_at_a_failure(calls: list[Any]) -> None:
    async_chain([(f"{OLD}.note", (1,)), (f"{OLD}.note", (2,))])
    async_chain([f"{OLD}.fail", (f"{OLD}.note", (3,))])

    for _ in range(3):
        stock_cluster()

    assert [call for call in calls if call != "no such luck"] == [((1,), {}), ((2,), {})]
    assert Job.objects.filter(state=JobState.CANCELLED).count() == 1


def test_what_is_not_acknowledged_is_given_out_again_but_not_for_ever(book: Ledger) -> None:
    task_id = async_task(f"{OLD}.note")
    broker = get_broker()

    for number in range(1, 4):
        ((receipt, _),) = broker.dequeue() or []
        assert broker.dequeue() is None
        assert (job_of(task_id).attempts, job_of(task_id).crashes) == (number, number - 1)
        Worker.objects.update(started_at=timezone.now() - dt.timedelta(seconds=61))
        assert pulling.redeliver(book) == 1
        assert not broker.acknowledge(receipt)

    assert job_of(task_id).state == JobState.FAILED
    assert broker.dequeue() is None


def test_jobs_of_new_code_are_not_given_out() -> None:
    new = sample_jobs.add.enqueue(1)

    assert get_broker().dequeue() is None
    assert Job.objects.get(pk=new.id).state == JobState.READY


def test_a_paused_queue_gives_nothing() -> None:
    async_task(f"{OLD}.note")
    pause("default", Actor.of_code("test"))

    assert get_broker().dequeue() is None


def test_tasks_come_in_the_order_of_the_ledger_up_to_the_bulk(q_conf: Callable[..., None]) -> None:
    q_conf(BULK=2)
    ids = [async_task(f"{OLD}.note", number) for number in range(3)]

    taken = [SignedPackage.loads(package) for _, package in get_broker().dequeue() or []]

    assert [task["id"] for task in taken] == ids[:2]
    assert taken[0]["args"] == (0,)


@pytest.mark.parametrize(
    ("given", "passed"), [({}, None), ({"timeout": 0.2}, 1), ({"timeout": -1}, -1)]
)
def test_the_timeout_is_passed_on_as_django_q2_knows_it(
    given: dict[str, Any], passed: int | None
) -> None:
    async_task(f"{OLD}.note", **given)

    ((_, package),) = get_broker().dequeue() or []

    assert SignedPackage.loads(package).get("timeout") == passed


def test_a_task_whose_model_instance_is_gone_fails_and_is_not_given_out() -> None:
    group = Group.objects.create(name="short-lived")
    task_id = async_task(f"{OLD}.rename", group, "x")
    group.delete()

    assert get_broker().dequeue() is None
    assert failure_of(task_id).exception_class == "jobs.exceptions.MissingObject"


def test_a_package_that_cannot_be_opened_fails_its_job() -> None:
    task_id = async_task(f"{OLD}.note")
    ((receipt, _),) = get_broker().dequeue() or []

    assert get_broker().fail(receipt)

    assert failure_of(task_id).message == "The package could not be opened"


@pytest.mark.parametrize("receipt", ["", "1", "a:b:c", "x:1:1"])
def test_a_receipt_that_is_none_changes_nothing(receipt: str) -> None:
    assert not get_broker().acknowledge(receipt)
