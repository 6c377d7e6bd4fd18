"""A single job is given to a worker that waits, and never lost on the way."""

from __future__ import annotations

import datetime as dt
import os
import select
import signal
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import Error, OperationalError, transaction

from jobs.cluster import journals
from jobs.cluster.identity import Identity
from jobs.cluster.wake import Wake
from jobs.cluster.worker import Mode, Worker
from jobs.conf import Pool
from jobs.ledger import Ledger
from jobs.models import Attempt, Job, Queue
from jobs.transports import doorbell, handover
from jobs.transports.doorbell import Doorbell, Ear, Promise
from tests.jobs import sample_jobs

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = 7


@pytest.fixture(autouse=True)
def bell(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Doorbell:
    """Of worker 7, which serves the queue of the sample jobs."""
    settings.JOBS_JOURNAL_DIR = str(tmp_path)
    settings.JOBS_POOLS = {"default": {"queues": ["default"]}}
    monkeypatch.setattr("jobs.transports.database._announced", {})
    return Doorbell.beside(journals.create(uuid4()), "default", WORKER)


@pytest.fixture
def ear(bell: Doorbell) -> Iterator[Ear]:
    with bell.heard() as ear:
        assert ear is not None
        yield ear


def facts() -> tuple[str, int, int, int | None]:
    job = Job.objects.get()
    return job.state, job.attempts, job.fence, job.worker_id


def dies(signum: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), signum)


def in_a_process_that_dies(work: Any) -> None:
    """Run this in a process of its own, which it ends."""
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_a_worker_that_waits_is_given_what_a_claim_would_give(ear: Ear, book: Ledger) -> None:
    given_id = sample_jobs.add.enqueue(1, b=2).id
    assert facts() == ("running", 1, 1, WORKER)
    assert select.select([ear], [], [], 0)[0]
    ear.close()
    assert not ear.promise_broken
    (job,) = map(handover.received, ear.given)
    (held,) = book.held_by([WORKER])
    assert job.id.hex == given_id
    # Both clocks are those of this host.
    assert abs(job.clock - held.clock) < 10_000_000
    held.clock = job.clock
    assert job == held


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_jobs.add.using(tags=["seen"]).enqueue(1),
        lambda: sample_jobs.add.using(run_after=dt.timedelta(seconds=60)).enqueue(1),
        lambda: sample_jobs.add.enqueue(10**handover.AT_MOST),
        lambda: sample_jobs.add.enqueue_many([1]),
        lambda: sample_jobs.add.using(queue_name="elsewhere").enqueue(1),
    ],
    ids=["tags", "later", "large", "many", "another queue"],
)
def test_what_a_worker_cannot_be_given_waits_in_the_ledger(ear: Ear, call: Any) -> None:
    call()
    ear.close()
    assert facts()[0] in ("ready", "scheduled")
    assert facts()[1:] == (0, 0, None)
    assert (ear.given, ear.promise_broken) == ([], False)


def test_nothing_is_given_before_the_callers_transaction_has_committed(ear: Ear) -> None:
    with transaction.atomic():
        sample_jobs.add.enqueue(1)
        assert not select.select([ear], [], [], 0)[0]
    assert facts() == ("ready", 0, 0, None)
    assert select.select([ear], [], [], 0)[0]


def test_where_nobody_waits_a_job_waits(bell: Doorbell) -> None:
    sample_jobs.add.enqueue(1)
    assert facts() == ("ready", 0, 0, None)


def test_a_job_of_a_paused_queue_is_not_given(ear: Ear) -> None:
    Queue.objects.update_or_create(name="default", defaults={"paused_at": "2026-01-01T00:00Z"})
    sample_jobs.add.enqueue(1)
    ear.close()
    assert facts()[:2] == ("ready", 0)
    assert (ear.given, ear.promise_broken) == ([], False)


def test_a_promise_is_made_to_each_worker_once(bell: Doorbell) -> None:
    other = Doorbell.beside(journals.create(uuid4()), "default", 8)
    with bell.heard(), other.heard():
        with doorbell.promise("default") as first, doorbell.promise("default") as second:
            assert first
            assert second
            assert {first.worker_id, second.worker_id} == {WORKER, 8}
            with doorbell.promise("default") as third:
                assert third is None
            first.call_off()
            second.call_off()
        with doorbell.promise("default") as again:
            assert again
            again.call_off()


def test_who_would_leave_waits_a_moment_for_what_was_promised(ear: Ear) -> None:
    with doorbell.promise("default") as promise:
        assert promise
        later = threading.Timer(doorbell.PATIENCE / 4, promise.keep, [b"job\n"])
        later.start()
        ear.close()
        later.join()
    assert ear.given == [b"job"]


def test_who_lost_patience_is_not_given_the_job_any_more(
    bell: Doorbell, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the database takes its time for the insertion."""
    real = type(book).insert_held
    ears = []

    def slow(self: Ledger, *args: Any) -> Any:
        with bell.heard() as again:
            # The next wait of the same worker, after the one that ended without the job.
            ears.append(again)
            return real(self, *args)

    def insert_held(self: Ledger, *args: Any) -> Any:
        ear_now.close()
        waiting.__exit__(None, None, None)
        return slow(self, *args)

    monkeypatch.setattr(type(book), "insert_held", insert_held)
    waiting = bell.heard()
    ear_now: Any = waiting.__enter__()
    sample_jobs.add.enqueue(1)
    assert ear_now.promise_broken
    assert facts()[:2] == ("ready", 0)
    assert ears[0] is not None
    assert (ears[0].given, ears[0].promise_broken) == ([], False)


@pytest.mark.parametrize("moment", ["insert_held", "keep"])
def test_a_caller_that_dies_before_it_gives_leaves_a_broken_promise(
    ear: Ear, book: Ledger, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    whose = type(book) if moment == "insert_held" else Promise
    with monkeypatch.context() as patch:
        patch.setattr(whose, moment, lambda *args: dies())
        in_a_process_that_dies(lambda: sample_jobs.add.enqueue(1))
    # Somebody rings meanwhile, which says nothing of the promise.
    assert doorbell.ring(["default"], 1) == 1
    ear.close()
    assert (ear.given, ear.promise_broken) == ([], True)
    assert Job.objects.running().count() == (moment == "keep")


def test_a_plain_ring_is_no_promise(ear: Ear) -> None:
    assert doorbell.ring(["default"], 1) == 1
    ear.close()
    assert (ear.given, ear.promise_broken) == ([], False)


def test_a_call_whose_job_cannot_be_given_back_has_not_failed(
    ear: Ear, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_back(*args: Any) -> int:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(Promise, "keep", lambda *args: False)
    monkeypatch.setattr(type(book), "give_back", give_back)
    sample_jobs.add.enqueue(1)
    ear.close()
    assert ear.promise_broken


def test_a_call_whose_insertion_fails_fails(
    ear: Ear, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def insert_held(*args: Any) -> int:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(type(book), "insert_held", insert_held)
    with pytest.raises(Error):
        sample_jobs.add.enqueue(1)
    ear.close()
    assert ear.promise_broken


class Site:
    """A worker in this process, whose waits the test fills."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pool = Pool(name="default", queues=("default",))
        journal = journals.create(uuid4())
        identity = Identity(name="ours", pools=(self.pool,))
        self.worker = Worker(
            identity, self.pool, journals.slot_of(journal), Wake(), journal=journal
        )
        self.monkeypatch = monkeypatch

    def run(self, while_it_waits: Any) -> None:
        """Run it until it is stopped; call this each time it waits, before it listens."""
        idle = self.worker._idle
        real = idle._hear_out

        def hear_out(ear: Ear) -> None:
            while_it_waits()
            real(ear)

        self.monkeypatch.setattr(idle, "_hear_out", hear_out)
        self.monkeypatch.setattr(idle, "_next_wait", lambda: 0.0)
        self.worker.run(Mode.FOR_EVER)
        signal.set_wakeup_fd(-1)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def test_a_worker_runs_what_it_was_given(site: Site, calls: list[object]) -> None:
    def enqueue_once() -> None:
        if calls:
            site.worker.stop()
        else:
            sample_jobs.add.enqueue(1, 2)

    site.run(enqueue_once)
    assert calls == [(1, 2)]
    assert facts() == ("succeeded", 1, 1, site.worker.id)
    assert list(Attempt.objects.values_list("number", "fence", "outcome")) == [(1, 1, "succeeded")]


def test_a_worker_that_is_stopped_gives_back_what_it_was_given(
    site: Site, calls: list[object]
) -> None:
    def enqueue_and_stop() -> None:
        sample_jobs.add.enqueue(1, 2)
        site.worker.stop()

    site.run(enqueue_and_stop)
    assert calls == []
    assert facts()[:2] == ("ready", 0)


def test_a_worker_looks_for_what_it_holds_after_a_broken_promise(
    site: Site, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller died once the job was in the ledger."""
    waits = []

    def enqueue_and_die() -> None:
        waits.append(1)
        if len(waits) == 1:
            with monkeypatch.context() as patch:
                patch.setattr(Promise, "keep", lambda *args: dies())
                in_a_process_that_dies(lambda: sample_jobs.add.enqueue(1, 2))
            assert facts() == ("running", 1, 1, site.worker.id)
        elif calls or len(waits) > 20:
            site.worker.stop()

    site.run(enqueue_and_die)
    assert calls == [(1, 2)]
    assert facts()[:3] == ("succeeded", 1, 2)
