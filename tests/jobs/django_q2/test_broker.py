"""What django-q2 asks of a broker beside enqueueing."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable

import pytest
from django_q.brokers import get_broker
from django_q.tasks import async_task, queue_size

from jobs.django_q2.broker import LedgerBroker
from jobs.ledger import Ledger
from jobs.models import AuditEntry, Job, JobState
from tests.jobs import sample_jobs
from tests.jobs.django_q2.conftest import OLD, job_of
from tests.support.processes import site_environment


@pytest.fixture
def broker(transactional_db: None) -> LedgerBroker:
    found = get_broker()
    assert isinstance(found, LedgerBroker)
    return found


def test_it_tells_the_size_of_the_queue_and_of_what_runs(
    broker: LedgerBroker, book: Ledger
) -> None:
    for number in range(3):
        async_task(f"{OLD}.note", number)
    async_task(f"{OLD}.note", cluster="low")
    book.claim(worker_id=1, queues=["default"], limit=1)

    assert broker.queue_size() == queue_size() == 2
    assert broker.lock_size() == 1
    assert get_broker("low").queue_size() == 1


def test_purging_cancels_what_old_code_enqueued_there_and_says_so(broker: LedgerBroker) -> None:
    first, second = async_task(f"{OLD}.note", 1), async_task(f"{OLD}.note", 2)
    elsewhere = async_task(f"{OLD}.note", cluster="low")
    new_code = sample_jobs.add.enqueue(1)

    assert broker.purge_queue() == 2

    assert job_of(first).state == job_of(second).state == JobState.CANCELLED
    assert job_of(elsewhere).state == JobState.READY
    assert Job.objects.get(pk=new_code.id).state == JobState.READY
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.count) == ("django-q2 broker", 2)


def test_deleting_a_task_cancels_its_waiting_job(broker: LedgerBroker) -> None:
    by_task, by_job, other = (async_task(f"{OLD}.note", number) for number in range(3))

    assert broker.delete(by_task)
    assert broker.delete(str(job_of(by_job).pk))
    assert not broker.delete("nothing of the kind")

    states = [job_of(task_id).state for task_id in (by_task, by_job, other)]
    assert states == [JobState.CANCELLED, JobState.CANCELLED, JobState.READY]


def test_it_answers_and_says_what_it_is(broker: LedgerBroker) -> None:
    assert broker.ping() is True
    assert broker.info() in ("Ledger on PostgreSQL", "Ledger on SQLite")


def test_it_survives_being_sent_to_another_process(broker: LedgerBroker) -> None:
    copy = pickle.loads(pickle.dumps(get_broker("low")))

    assert copy.list_key == "low"
    assert copy.queue_size() == 0


def test_a_priority_of_new_code_does_not_hide_old_calls(
    broker: LedgerBroker, run_jobs: Callable[[], int]
) -> None:
    ids = [async_task(f"{OLD}.multiply", number) for number in range(3)]
    sample_jobs.add.using(priority=50).enqueue(1)

    assert run_jobs() == 4
    assert all(job_of(task_id).state == JobState.SUCCEEDED for task_id in ids)


def test_making_one_needs_no_database() -> None:
    script = (
        "import django; django.setup()\n"
        "from django_q.brokers import get_broker\n"
        "print(type(get_broker('high')).__name__)"
    )
    environment = site_environment("postgres://nobody@127.0.0.1:1/nowhere")
    environment["DJANGO_SETTINGS_MODULE"] = "jobsite.settings"

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "LedgerBroker", done.stderr
