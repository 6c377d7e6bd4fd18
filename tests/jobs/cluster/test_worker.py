"""A worker in the test's own process: what it does around its jobs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import (
    DataError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from jobs import events
from jobs.cluster.identity import Identity
from jobs.cluster.session import LedgerSession, TooMuchForTheDatabase, thread_connection
from jobs.cluster.slot import Slot
from jobs.cluster.user_connections import UserConnections
from jobs.cluster.wake import Wake
from jobs.cluster.worker import Mode, Worker
from jobs.conf import Pool
from jobs.ledger import Ledger
from jobs.models import Attempt, AuditEntry, FailedJob, Job
from jobs.models import Worker as WorkerRow
from jobs.transports.database import DatabaseTransport
from tests.jobs import sample_jobs
from tests.support.worksite import jobs as worksite_jobs


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Worker]:
    pool = Pool(name="default")
    yield Worker(Identity(name="ours", pools=(pool,)), pool, Slot(), Wake())
    signal.set_wakeup_fd(-1)


def test_a_claim_whose_answer_was_lost_is_given_back_and_run(
    worker: Worker, book: Ledger, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_jobs.add.enqueue(1, 2)
    real, answers = type(book).claim, []

    def claim(self: Ledger, **which: Any) -> Any:
        claimed = real(self, **which)
        answers.append(claimed)
        if len(answers) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return claimed

    monkeypatch.setattr(type(book), "claim", claim)
    worker.run(Mode.UNTIL_EMPTY)
    assert calls == [(1, 2)]
    job = Job.objects.get()
    assert (job.state, job.attempts, job.fence) == ("succeeded", 1, 2)


def test_an_end_whose_answer_was_lost_is_written_once(
    worker: Worker, book: Ledger, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_jobs.add.enqueue(1, 2)
    real, answers = type(book).complete, []

    def complete(self: Ledger, outcomes: Any) -> Any:
        answers.append(real(self, outcomes))
        if len(answers) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return answers[-1]

    monkeypatch.setattr(type(book), "complete", complete)
    worker.run(Mode.UNTIL_EMPTY)
    assert len(answers) == 2
    assert calls == [(1, 2)]
    assert Attempt.objects.count() == 1
    assert Job.objects.get().result == 3


def test_an_end_that_the_ledger_refuses_fails_the_job_and_not_the_worker(
    worker: Worker, book: Ledger, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_jobs.add.using(max_attempts=5).enqueue(1, 2)
    sample_jobs.add.enqueue(3, 4)
    real = type(book).complete

    def complete(self: Ledger, outcomes: Any) -> Any:
        if outcomes[0].result == 3:
            raise DataError("too big for JSON")
        return real(self, outcomes)

    monkeypatch.setattr(type(book), "complete", complete)
    worker.run(Mode.UNTIL_EMPTY)
    assert calls == [(1, 2), (3, 4)]
    assert sorted(Job.objects.values_list("state", "attempts")) == [("failed", 1), ("succeeded", 1)]
    failure = FailedJob.objects.get()
    assert failure.exception_class == "django.db.utils.DataError"
    assert "ended (succeeded), but that cannot be written: too big for JSON" in failure.message


def test_what_exceeds_a_limit_of_the_database_is_not_tried_for_ever(
    transactional_db: None,
) -> None:
    def work(book: Ledger) -> None:
        cause = Exception("string too long to represent as jsonb string")
        cause.sqlstate = "54000"  # type: ignore[attr-defined]
        raise OperationalError("too long") from cause

    session = LedgerSession(thread_connection, pause=lambda seconds: pytest.fail("tried again"))
    with pytest.raises(TooMuchForTheDatabase, match="too long"):
        session.call(work)


@pytest.mark.postgresql
def test_progress_from_inside_a_transaction_is_seen_at_once_and_locks_nothing(
    worker: Worker,
) -> None:
    """A locked row could not be rescued from a host that went silent without ending its session."""
    sample_jobs.reports_in_a_transaction.enqueue()
    worker.run(Mode.UNTIL_EMPTY)
    job = Job.objects.get()
    assert (job.state, job.result) == ("succeeded", {"done": 1, "total": 2, "message": ""})


def test_a_worker_that_is_stopped_gives_back_what_it_has_claimed(
    worker: Worker, book: Ledger, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_jobs.add.enqueue(1, 2)
    real = type(book).claim

    def claim(self: Ledger, **which: Any) -> Any:
        claimed = real(self, **which)
        worker.stop()
        return claimed

    monkeypatch.setattr(type(book), "claim", claim)
    assert worker.run() == "stopped on request"
    assert calls == []
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("ready", 0)
    assert WorkerRow.objects.get().exit == "stopped on request"


def test_others_are_woken_for_what_a_worker_gives_back(
    worker: Worker, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have looked while this one had claimed all, and would sleep until their next look."""
    real, woken = type(book).claim, []

    def claim(self: Ledger, **which: Any) -> Any:
        claimed = real(self, **which)
        worker.stop()
        return claimed

    sample_jobs.add.enqueue(1, 2)
    monkeypatch.setattr(type(book), "claim", claim)
    monkeypatch.setattr(DatabaseTransport, "wake", lambda self, queues: woken.extend(queues))
    worker.run()
    assert woken == ["default"]


def test_a_job_that_was_cancelled_before_its_worker_gave_it_back_is_not_run(
    worker: Worker, book: Ledger, calls: list[object]
) -> None:
    """It is asked to stop, like any that is claimed; but then it was never started."""
    sample_jobs.add.enqueue(1, 2)
    (claimed,) = book.claim(worker_id=7, queues=["default"], limit=1)
    Job.objects.update(cancel_requested=True)
    book.give_back([claimed])
    heard: list[str] = []

    def hear(**payload: Any) -> None:
        heard.append(payload["detail"])

    events.job_cancelled.connect(hear)
    worker.run(Mode.UNTIL_EMPTY)
    events.job_cancelled.disconnect(hear)
    assert calls == []
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("cancelled", 0)
    assert Attempt.objects.get().outcome == "cancelled"
    assert heard == ["cancelled before it was started"]


def test_a_worker_that_leaves_after_a_relief_looks_for_what_that_left_behind(
    worker: Worker, book: Ledger
) -> None:
    """The one who relieved it may have died before it gave back what it took away."""
    sample_jobs.add.enqueue_many([1, 2])

    def relieved(**payload: Any) -> None:
        worker.stop()
        worker._holding.was_relieved = True
        book.claim(worker_id=worker.id, queues=["default"], limit=1)

    events.job_started.connect(relieved)
    worker.run()
    events.job_started.disconnect(relieved)
    assert sorted(Job.objects.values_list("state", "attempts")) == [("ready", 0), ("succeeded", 1)]


def test_a_claim_that_is_committed_after_its_connection_was_lost_is_found_too(
    worker: Worker, book: Ledger, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be at the statement still when its client is already back."""
    sample_jobs.add.enqueue(1, 2)
    real, tries = type(book).claim, count(1)
    monkeypatch.setattr("jobs.cluster.worker.SETTLED", 0.05)

    def claim(self: Ledger, **which: Any) -> Any:
        number = next(tries)
        if number == 1:
            raise OperationalError("server closed the connection unexpectedly")
        claimed = real(self, **which)
        if calls or number > 20:
            worker.stop()
        return [] if number == 2 else claimed

    monkeypatch.setattr(type(book), "claim", claim)
    worker.run()
    assert calls == [(1, 2)]
    assert Job.objects.get().attempts == 1


def test_a_claim_whose_answer_was_lost_is_given_back_by_a_worker_that_leaves(
    worker: Worker, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_jobs.once_at_most.enqueue()
    real = type(book).claim

    def claim(self: Ledger, **which: Any) -> Any:
        real(self, **which)
        worker.stop()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(type(book), "claim", claim)
    assert worker.run() == "stopped on request"
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("ready", 0)


@contextmanager
def stopping_at_the_start_of_a_job(worker: Worker) -> Iterator[None]:
    def stop(**payload: Any) -> None:
        worker.stop()

    events.job_started.connect(stop)
    try:
        yield
    finally:
        events.job_started.disconnect(stop)


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_job_that_releases_itself_as_its_worker_stops_spends_no_attempt(
    worker: Worker, attempts: int
) -> None:
    """Nor does one that is killed when the grace is over: heeding `should_stop()` costs nothing."""
    sample_jobs.says.using(max_attempts=attempts).enqueue("release", 0)
    with stopping_at_the_start_of_a_job(worker):
        worker.run()
    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert (job.state, job.attempts) == ("ready", 0)
    assert attempt.outcome == "interrupted"
    assert attempt.detail == "released for 0 s as its worker stops"


def test_a_job_that_must_not_run_twice_is_failed_by_a_release_as_its_worker_stops(
    worker: Worker,
) -> None:
    sample_jobs.says.using(on_crash="fail").enqueue("release", 0)
    with stopping_at_the_start_of_a_job(worker):
        worker.run()
    assert Job.objects.get().state == "failed"


def test_a_session_makes_a_new_connection_until_the_database_answers(
    transactional_db: None,
) -> None:
    pauses: list[float] = []
    answers = iter([OperationalError("away"), OperationalError("away"), 7])

    def work(book: Ledger) -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    session = LedgerSession(thread_connection, pause=pauses.append)
    assert session.call(work) == 7
    assert len(pauses) == 2
    answers = iter([OperationalError("away")])
    with pytest.raises(OperationalError):
        session.call(work, give_up=lambda: True)


def test_a_transaction_that_a_job_left_open_is_rolled_back(transactional_db: None) -> None:
    around = UserConnections()
    worksite_jobs.leave_transaction_open.call("forgotten")
    assert connection.in_atomic_block
    around.after_job()
    assert not connections["default"].in_atomic_block
    assert not AuditEntry.objects.exists()


def test_a_connection_is_kept_from_job_to_job_but_not_a_broken_one(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = UserConnections()
    connection.ensure_connection()
    kept = connection.connection
    around.after_job()
    around.before_job()
    assert connection.connection is kept
    monkeypatch.setattr(type(connections["default"]), "is_usable", lambda self: False)
    around._checked -= 10
    around.before_job()
    assert connection.connection is None


def test_a_connection_that_broke_after_the_last_job_is_closed_before_the_next(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = UserConnections()
    connection.ensure_connection()
    around.after_job()
    # As when workers could not be woken over it.
    connection.errors_occurred = True
    monkeypatch.setattr(type(connections["default"]), "is_usable", lambda self: False)
    around.before_job()
    assert connection.connection is None


@pytest.mark.postgresql
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_caller_whose_jobs_are_committed_hears_nothing_of_a_failed_call(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def announce(*args: object) -> None:
        raise kind("the connection is closed")

    monkeypatch.setattr("jobs.transports.database.announce", announce)
    monkeypatch.setattr("jobs.transports.database._announced", {})
    sample_jobs.add.enqueue(1)
    assert Job.objects.get().state == "ready"


def test_a_transaction_in_good_order_is_none_of_its_business(transactional_db: None) -> None:
    around = UserConnections()
    with transaction.atomic():
        AuditEntry.objects.create(actor_name="a", surface="python", action="b", target="c")
    around.after_job()
    assert AuditEntry.objects.count() == 1
