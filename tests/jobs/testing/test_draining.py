"""Draining: the test's ledger is run empty in this process, in the order of a worker."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from jobs import pausing
from jobs.audit import Actor
from jobs.events import job_succeeded
from jobs.exceptions import RetriesExpired, UnknownQueue
from jobs.models import Attempt, FailedJob, Job, JobState
from jobs.testing import Drained, adrain, drain, fake_jobs, frozen_clock
from jobs.testing import draining as draining_module
from tests.jobs.testing import kit_jobs
from tests.jobs.testing.kit_jobs import Broken, note

HOUR = dt.timedelta(hours=1)

both_cases = pytest.mark.parametrize(
    "case",
    [
        pytest.param("TestCase", marks=pytest.mark.django_db),
        pytest.param("TransactionTestCase", marks=pytest.mark.django_db(transaction=True)),
    ],
)
"""Inside a transaction that never commits, and in autocommit."""


def state_of(result: Any) -> str:
    return Job.objects.get(pk=result.id).state


@both_cases
@pytest.mark.usefixtures("ran")
class TestWhatRuns:
    def test_all_that_is_ready_in_the_order_of_a_claim(self, case: str, ran: list[Any]) -> None:
        note.enqueue("third")
        note.using(priority=-1).enqueue("last")
        note.using(priority=9).enqueue("first")
        note.using(priority=9, deadline=HOUR).enqueue("before the first")
        drained = drain()
        assert ran == ["before the first", "first", "third", "last"]
        assert (len(drained), drained.succeeded, drained.failed) == (4, 4, 0)
        assert [attempt.value for attempt in drained] == ran
        assert not Job.objects.unfinished().exists()
        assert Attempt.objects.count() == 4

    def test_what_a_job_enqueues_runs_too(self, case: str, ran: list[Any]) -> None:
        kit_jobs.enqueues.enqueue("a", "b")
        drained = drain()
        assert ran == ["a", "b"]
        assert len(drained.of(kit_jobs.enqueues)) == 1
        assert [attempt.value for attempt in drained.of(note)] == ["a", "b"]

    def test_what_it_enqueues_on_commit_runs_too(self, case: str, ran: list[Any]) -> None:
        kit_jobs.enqueues_on_commit.enqueue("a")
        kit_jobs.enqueues_on_commit.enqueue("b", fail=True)
        drain(raise_errors=False)
        assert ran == ["a"]

    def test_one_queue_or_several(self, case: str, ran: list[Any]) -> None:
        note.enqueue("default")
        for queue in ("reports", "mail"):
            note.using(queue_name=queue).enqueue(queue)
        drain("mail")
        assert ran == ["mail"]
        drain(["reports", "mail"])
        assert ran == ["mail", "reports"]

    def test_a_queue_that_is_not_there_is_refused(self, case: str) -> None:
        with pytest.raises(UnknownQueue, match="defautl"):
            drain("defautl")

    def test_a_queue_that_is_paused_gives_nothing(self, case: str, ran: list[Any]) -> None:
        note.enqueue("a")
        pausing.pause("default", Actor.of_code("a test"))
        assert len(drain(with_scheduled=True)) == 0

    def test_no_more_than_the_limit(self, case: str, ran: list[Any]) -> None:
        note.enqueue_many(["a", "b", "c"])
        assert len(drain(limit=2)) == 2
        assert Job.objects.ready().count() == 1

    def test_jobs_that_enqueue_each_other_for_ever_end_in_an_error(
        self, case: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(draining_module, "ENDLESS", 5)
        kit_jobs.enqueues_itself.enqueue()
        with pytest.raises(AssertionError, match=r"ran 5 attempts, and .*enqueues_itself is to"):
            drain()
        assert len(drain(limit=7)) == 7

    def test_nothing_is_nothing(self, case: str) -> None:
        drained = drain()
        assert (len(drained), str(drained)) == (0, "")

    def test_each_end_is_counted_once(self, case: str, ran: list[Any]) -> None:
        note.enqueue("a")
        kit_jobs.fails.using(max_attempts=2, backoff=0).enqueue()
        kit_jobs.releases.enqueue(0)
        kit_jobs.discards.enqueue()
        drained = drain(raise_errors=False)
        counts = (drained.retried, drained.failed, drained.released, drained.discarded)
        assert counts == (1, 2, 1, 1)
        # The job that calls on_failure is one too.
        assert drained.succeeded == 2
        assert ran == ["a", "no"]
        assert "kit_jobs.discards was discarded: Broken: never mind\n" in str(drained)

    def test_the_ledger_has_all_of_it(self, case: str) -> None:
        result = kit_jobs.reports.enqueue()
        heard = []

        def receiver(**payload: Any) -> None:
            heard.append(payload["job_id"])

        job_succeeded.connect(receiver)
        try:
            (done,) = drain()
        finally:
            job_succeeded.disconnect(receiver)
        job = Job.objects.get(pk=result.id)
        assert job.progress == {"done": 2, "total": 2, "message": "done"}
        assert [line.message for line in job.log_lines.all()] == ["half way"]
        assert [report.done for report in done.progress] == [1, 2]
        assert heard == [job.id]

    def test_a_coroutine_job_runs_in_the_tests_data(self, case: str) -> None:
        Group.objects.create(name="here")
        kit_jobs.counts.enqueue("here")
        (done,) = drain()
        done.assert_succeeded(1)
        assert Job.objects.get().progress["done"] == 1

    def test_what_is_faked_is_not_run(self, case: str, ran: list[Any]) -> None:
        kit_jobs.enqueues.enqueue("a")
        with fake_jobs() as jobs:
            drain()
        jobs.assert_pushed(note, args=["a"])
        assert not ran

    @override_settings(JOBS_TRANSPORT="sync")
    def test_on_the_transport_sync_jobs_of_jobs_have_their_turn_too(
        self, case: str, ran: list[Any]
    ) -> None:
        # Only for the first one not to run as soon as it is enqueued.
        with transaction.atomic():
            kit_jobs.enqueues.enqueue("a")
            drained = drain()
        assert [attempt.definition for attempt in drained] == [kit_jobs.enqueues.path, note.path]


@both_cases
class TestErrors:
    def test_an_exception_comes_out_once_it_is_in_the_ledger(self, case: str) -> None:
        failing = kit_jobs.fails.enqueue()
        waiting = note.enqueue("a")
        with pytest.raises(Broken, match="no") as raised:
            drain()
        assert (
            f"In {kit_jobs.fails.path}, job {Job.objects.get(pk=failing.id).pk}"
            in (raised.value.__notes__[0])
        )
        assert FailedJob.objects.get().message == "no"
        assert (state_of(failing), state_of(waiting)) == (JobState.FAILED, JobState.READY)

    def test_one_that_is_tried_again_at_once_does_not(self, case: str) -> None:
        kit_jobs.fails_at_first.enqueue()
        drained = drain()
        assert (drained.retried, drained.succeeded) == (1, 1)

    def test_one_whose_retry_is_left_waiting_does(self, case: str) -> None:
        kit_jobs.fails_until.enqueue(2)
        with pytest.raises(Broken, match="attempt 1"):
            drain()
        with frozen_clock() as clock:
            clock.advance(60)
            assert drain().succeeded == 1

    def test_a_discarded_job_raises_nothing(self, case: str) -> None:
        kit_jobs.discards.enqueue()
        assert drain().discarded == 1

    def test_a_release_too_many_does(self, case: str) -> None:
        kit_jobs.releases.enqueue(0)
        with pytest.raises(RetriesExpired, match="spent"):
            drain()

    @pytest.mark.parametrize("by_hand", [False, True])
    def test_what_breaks_the_transaction_ends_the_job_and_not_the_test(
        self, case: str, by_hand: bool
    ) -> None:
        kept = Group.objects.create(name="of the test")
        failing = kit_jobs.breaks_the_transaction.enqueue(by_hand)
        with pytest.raises(DatabaseError):
            drain()
        assert state_of(failing) == JobState.FAILED
        assert Group.objects.filter(pk=kept.pk).exists()
        assert not connection.needs_rollback


@both_cases
@pytest.mark.usefixtures("ran")
class TestWithTheClockMovedOn:
    def test_retries_run_at_their_times(self, case: str, ran: list[Any]) -> None:
        start = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
        with frozen_clock(start) as clock:
            result = kit_jobs.fails_until.enqueue(3)
            drained = drain(with_scheduled=True)
            assert clock.now() == start + dt.timedelta(minutes=3)
        assert (drained.retried, drained.succeeded, ran) == (2, 1, [1, 2, 3])
        job = Job.objects.get(pk=result.id)
        assert (job.enqueued_at, job.finished_at) == (start, start + dt.timedelta(minutes=3))

    def test_delayed_jobs_run_in_the_order_of_their_times(self, case: str, ran: list[Any]) -> None:
        note.using(run_after=2 * HOUR).enqueue("last")
        note.using(run_after=HOUR).enqueue("second")
        note.enqueue("first")
        drain(with_scheduled=True)
        assert ran == ["first", "second", "last"]

    def test_without_it_they_wait(self, case: str, ran: list[Any]) -> None:
        note.using(run_after=HOUR).enqueue("later")
        assert len(drain()) == 0
        assert Job.objects.get().state == JobState.SCHEDULED

    def test_only_the_asked_queues_move_the_clock(self, case: str, ran: list[Any]) -> None:
        note.using(run_after=HOUR).enqueue("default")
        note.using(run_after=2 * HOUR, queue_name="mail").enqueue("mail")
        with frozen_clock() as clock:
            start = clock.now()
            drain("default", with_scheduled=True)
            assert HOUR - dt.timedelta(minutes=1) < clock.now() - start <= HOUR
        assert ran == ["default"]

    def test_a_failure_for_good_comes_out(self, case: str) -> None:
        kit_jobs.fails_until.enqueue(9)
        with pytest.raises(Broken, match="attempt 3"):
            drain(with_scheduled=True)

    def test_a_job_past_its_retry_until_does_not_run(self, case: str, ran: list[Any]) -> None:
        note.using(run_after=HOUR, retry_until=HOUR / 2).enqueue("late")
        with pytest.raises(RetriesExpired):
            drain(with_scheduled=True)
        assert not ran


@pytest.mark.django_db
def test_ctrl_c_ends_the_test_and_gives_the_job_back() -> None:
    result = kit_jobs.is_interrupted.enqueue()
    with pytest.raises(KeyboardInterrupt):
        drain()
    assert state_of(result) == JobState.READY


def test_where_an_event_loop_runs_it_says_what_to_await() -> None:
    async def check() -> Drained:
        return drain()

    with pytest.raises(RuntimeError, match=r"await adrain\(\)"):
        async_to_sync(check)()


class InATestCase(TestCase):
    async def test_from_a_coroutine(self) -> None:
        await note.aenqueue("a")
        assert (await adrain(limit=5)).succeeded == 1

    def test_nobody_is_told_of_what_a_broken_job_has_enqueued(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            kit_jobs.breaks_the_transaction.enqueue()
            assert drain(raise_errors=False).failed == 1
        # That of the test's own enqueueing.
        assert len(callbacks) == 1
        assert not Job.objects.filter(definition=note.path).exists()

    def test_the_callbacks_of_the_test_itself_are_left_to_it(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            transaction.on_commit(lambda: None)
            kit_jobs.enqueues_on_commit.enqueue("a")
            assert drain().succeeded == 2
        # The test's own, and that of its enqueueing.
        assert len(callbacks) == 2


class InATransactionTestCase(TransactionTestCase):
    async def test_from_a_coroutine(self) -> None:
        await note.aenqueue("a")
        assert (await adrain()).succeeded == 1
