"""Faked jobs: what is recorded in place of the ledger, and what assertions say of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django_q.tasks import async_chain, async_task

from jobs.audit import Actor
from jobs.exceptions import InvalidArguments, InvalidOption, UnknownDefinition
from jobs.failures.redrive import retry
from jobs.models import FailedJob, Job
from jobs.scheduling import running
from jobs.testing import FakeJobs, drain, fake_jobs
from tests.jobs.scheduling.making import make_schedule
from tests.jobs.testing import kit_jobs
from tests.jobs.testing.kit_jobs import note, old_function, rename, shouts, webhook

HOUR = dt.timedelta(hours=1)
NOTE = "tests.jobs.testing.kit_jobs.note"


def refusal(assertion: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """What an assertion says that does not hold."""
    with pytest.raises(AssertionError) as refused:
        assertion(*args, **kwargs)
    return str(refused.value)


class TestWhatIsRecorded:
    """Without a database, as nothing is asked of one."""

    @pytest.mark.parametrize(
        "push",
        [
            pytest.param(lambda: note.enqueue("a"), id="enqueue"),
            pytest.param(lambda: note.enqueue(what="a"), id="by name"),
            pytest.param(lambda: async_to_sync(note.aenqueue)("a"), id="aenqueue"),
            pytest.param(lambda: note.enqueue_many(["a"]), id="enqueue_many"),
            pytest.param(lambda: note.enqueue_many([{"what": "a"}]), id="enqueue_many by name"),
            pytest.param(lambda: note.using(max_attempts=2).enqueue("a"), id="using"),
        ],
    )
    def test_a_call_counts_however_it_is_made(
        self, push: Callable[[], object], fake_jobs: FakeJobs
    ) -> None:
        push()
        (found,) = fake_jobs.assert_pushed(note, times=1, args=["a"])
        assert found.arguments == {"what": "a", "times": 1}
        assert (found.definition, found.queue, found.schedule_id) == (NOTE, "default", None)

    def test_each_call_of_many_is_one(self, fake_jobs: FakeJobs) -> None:
        ids = note.enqueue_many([(word,) for word in "abc"])
        assert [job.id for job in fake_jobs.pushed(note)] == ids
        assert [job.arguments["what"] for job in fake_jobs.pushed()] == ["a", "b", "c"]

    def test_many_with_tags_of_their_own_have_them(self, fake_jobs: FakeJobs) -> None:
        webhook.enqueue_many([1, 2])
        fake_jobs.assert_pushed(webhook, times=1, tags=["webhook:2"])
        fake_jobs.assert_pushed(webhook, times=2, tags=["webhook"])

    def test_a_task_of_the_framework_is_recorded(self, fake_jobs: FakeJobs) -> None:
        result = shouts.enqueue("a")
        (found,) = fake_jobs.assert_pushed(shouts, kwargs={"word": "a"})
        assert found.id.hex == result.id

    def test_an_option_of_the_call_is_recorded(self, fake_jobs: FakeJobs) -> None:
        note.using(max_attempts=7, queue_name="mail", priority=-3).enqueue("a")
        (found,) = fake_jobs.assert_pushed(note, queue="mail", priority=-3)
        assert found.options == {"max_attempts": 7}

    def test_a_call_of_async_task_is_that_of_its_function(self, fake_jobs: FakeJobs) -> None:
        async_task(old_function, 3, word="x", group="g")
        path = "tests.jobs.testing.kit_jobs.old_function"
        for named in (old_function, path):
            (found,) = fake_jobs.assert_pushed(named, args=[3, "x"], tags=["group:g"])
        assert (found.definition, found.arguments) == (path, {"number": 3, "word": "x"})
        fake_jobs.assert_not_pushed(old_function, args=[4])
        fake_jobs.assert_not_pushed(note)

    def test_each_link_of_an_old_chain_is_one(self, fake_jobs: FakeJobs) -> None:
        async_chain([(old_function, (1,)), (old_function, (2,))])
        assert [job.arguments["number"] for job in fake_jobs.pushed(old_function)] == [1, 2]

    def test_what_enqueue_refuses_is_refused(self, fake_jobs: FakeJobs) -> None:
        with pytest.raises(InvalidArguments):
            note.enqueue(wat="a")
        with pytest.raises(InvalidArguments):
            note.enqueue_many(["a", 7])
        with pytest.raises(InvalidArguments):
            async_task(old_function, dt.date(2026, 1, 1))
        with pytest.raises(InvalidOption):
            async_task(old_function, 1, timeout="soon")
        fake_jobs.assert_nothing_pushed()

    def test_only_some_definitions_can_be_faked(self, db: None) -> None:
        with fake_jobs(only=[note]) as jobs:
            note.enqueue("a")
            webhook.enqueue(1)
        jobs.assert_pushed(note)
        jobs.assert_nothing_else_pushed()
        assert Job.objects.get().definition == webhook.path

    def test_some_definitions_can_be_left_out(self, db: None) -> None:
        with fake_jobs(except_=[note]) as jobs:
            note.enqueue("a")
            webhook.enqueue(1)
        jobs.assert_pushed(webhook)
        jobs.assert_not_pushed(note)
        assert Job.objects.get().definition == NOTE

    def test_to_fake_only_some_and_all_but_some_is_refused(self) -> None:
        with pytest.raises(ValueError, match="exclude each other"):
            fake_jobs(only=[note], except_=[webhook])

    def test_an_inner_fake_leaves_the_others_to_the_outer_one(self, fake_jobs: FakeJobs) -> None:
        with FakeJobs(only=[note]) as inner:
            note.enqueue("a")
            webhook.enqueue(1)
        note.enqueue("b")
        assert [job.definition for job in inner.pushed()] == [NOTE]
        assert [job.definition for job in fake_jobs.pushed()] == [webhook.path, NOTE]

    def test_what_is_enqueued_afterwards_goes_into_the_ledger(self, db: None) -> None:
        with fake_jobs() as jobs:
            note.enqueue("a")
        note.enqueue("b")
        note.enqueue_many(["c"])
        assert len(jobs.pushed()) == 1
        assert Job.objects.count() == 2

    def test_a_schedule_that_is_run_now_is_recorded(self, db: None, fake_jobs: FakeJobs) -> None:
        schedule = make_schedule(definition=NOTE, arguments={"kwargs": {"what": "a"}}, queue="low")
        job_id = running.run_now(schedule, Actor.of_code("a test"))
        (found,) = fake_jobs.assert_pushed_on("low", note, kwargs={"what": "a"})
        assert (found.id, found.schedule_id) == (job_id, schedule.pk)
        assert not Job.objects.exists()

    def test_a_retry_of_a_failed_job_is_a_row_as_always(self, db: None) -> None:
        kit_jobs.fails.enqueue()
        drain(raise_errors=False)
        with fake_jobs() as jobs:
            report = retry(FailedJob.objects.all(), Actor.of_code("a test"))
        assert report.retried == 1
        assert FailedJob.objects.get().retried_as_id == report.job_ids[0]
        jobs.assert_nothing_pushed()

    def test_the_decorator_gives_the_test_its_fake(self) -> None:
        seen = []

        @fake_jobs(only=[note])
        def check(self: object, jobs: FakeJobs, *, word: str) -> None:
            note.enqueue(word)
            seen.extend(jobs.pushed(note))

        check(None, word="a")
        check(None, word="b")
        assert [job.arguments["what"] for job in seen] == ["a", "b"]

    def test_the_decorator_takes_coroutines(self) -> None:
        @fake_jobs()
        async def check(jobs: FakeJobs) -> list[str]:
            await note.aenqueue("a")
            return [job.definition for job in jobs.pushed()]

        assert async_to_sync(check)() == [NOTE]

    def test_the_decorator_refuses_a_class(self) -> None:
        with pytest.raises(TypeError, match="setUp"):
            fake_jobs()(TestCase)


class TestAssertions:
    def test_a_job_that_was_not_pushed_at_all(self, fake_jobs: FakeJobs) -> None:
        assert refusal(fake_jobs.assert_pushed, note) == (
            f"Expected {NOTE} to be pushed, but it was not.\nNothing was pushed."
        )

    def test_a_refusal_says_what_was_pushed_instead_and_in_what_it_differs(
        self, fake_jobs: FakeJobs
    ) -> None:
        note.using(priority=5).enqueue("a")
        webhook.enqueue(7)
        said = refusal(
            fake_jobs.assert_pushed,
            note,
            args=["b"],
            queue="mail",
            priority=1,
            tags=["new"],
            run_after=HOUR,
            where=lambda job: False,
        )
        assert said == (
            f"Expected {NOTE} with what='b', times=1; queue mail; priority 1; run_after 1:00:00; "
            "tag new; where() holds to be pushed, but it was not.\n"
            "Pushed:\n"
            f"  {NOTE}('a') on queue 'default', priority 5\n"
            "    but what is 'a', not 'b'\n"
            "    but queue is 'default', not 'mail'\n"
            "    but priority is 5, not 1\n"
            "    but run_after is at once, not 1:00:00\n"
            "    but there is no tag 'new'\n"
            "    but where() does not hold\n"
            "  tests.jobs.testing.kit_jobs.webhook(7) on queue 'webhooks', priority 20, "
            "tags webhook, webhook:7"
        )

    @pytest.mark.parametrize(
        ("asked", "holds"),
        [
            ({"queue": "webhooks"}, True),
            ({"queue": "default"}, False),
            ({"priority": 20}, True),
            ({"priority": 0}, False),
            ({"args": [7]}, True),
            ({"kwargs": {"event": 7}}, True),
            ({"kwargs": {"event": 7, "dry": False}}, True),
            ({"kwargs": {"event": 7, "dry": True}}, False),
            ({"args": [8]}, False),
            ({"tags": ["webhook:7"]}, True),
            ({"tags": ["webhook:8"]}, False),
            ({"where": lambda job: job.arguments["event"] == 7}, True),
            ({"where": lambda job: job.arguments["event"] == 8}, False),
            ({"run_after": HOUR}, True),
            ({"run_after": 2 * HOUR}, False),
            ({"run_after": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, False),
            ({"times": 1}, True),
            ({"times": 0}, False),
            ({"times": 2}, False),
        ],
    )
    def test_each_thing_that_can_be_asked(
        self, asked: dict[str, Any], holds: bool, fake_jobs: FakeJobs
    ) -> None:
        webhook.using(run_after=HOUR).enqueue(7)
        if holds:
            assert len(fake_jobs.assert_pushed(webhook, **asked)) == 1
        else:
            refusal(fake_jobs.assert_pushed, webhook, **asked)
        if "times" not in asked:
            if holds:
                assert "it was, once" in refusal(fake_jobs.assert_not_pushed, webhook, **asked)
            else:
                fake_jobs.assert_not_pushed(webhook, **asked)

    def test_a_moment_is_compared_exactly(self, fake_jobs: FakeJobs) -> None:
        moment = dt.datetime(2040, 1, 1, 12, tzinfo=dt.UTC)
        note.using(run_after=moment).enqueue("a")
        fake_jobs.assert_pushed(note, run_after=moment)
        refusal(fake_jobs.assert_pushed, note, run_after=moment + dt.timedelta(microseconds=1))

    def test_model_instances_are_compared_by_their_key(self, db: None, fake_jobs: FakeJobs) -> None:
        ann, ben = (Group.objects.create(name=name) for name in ("ann", "ben"))
        rename.enqueue(group=ann)
        (found,) = fake_jobs.assert_pushed(rename, args=[ann])
        assert found.arguments == {"group": ann, "name": "renamed"}
        said = refusal(fake_jobs.assert_pushed, rename, args=[ben])
        assert f"rename(group=<auth.group {ann.pk}>)" in said

    def test_the_count_is_told(self, fake_jobs: FakeJobs) -> None:
        note.enqueue_many(["a", "b", "c"])
        said = refusal(fake_jobs.assert_pushed, note, times=2)
        assert "to be pushed twice, but it was pushed 3 times.\nPushed:\n" in said
        said = refusal(fake_jobs.assert_pushed, webhook, times=1)
        assert "webhook to be pushed once, but it was not.\nPushed:\n" in said
        fake_jobs.assert_pushed(note, times=3)
        fake_jobs.assert_pushed(webhook, times=0)

    def test_on_a_queue(self, fake_jobs: FakeJobs) -> None:
        webhook.enqueue(7)
        fake_jobs.assert_pushed_on("webhooks", webhook)
        assert "queue is 'webhooks', not 'mail'" in refusal(
            fake_jobs.assert_pushed_on, "mail", webhook
        )

    def test_nothing_pushed(self, fake_jobs: FakeJobs) -> None:
        fake_jobs.assert_nothing_pushed()
        note.enqueue("a")
        assert refusal(fake_jobs.assert_nothing_pushed) == (
            f"Expected no job to be pushed.\nPushed:\n  {NOTE}('a') on queue 'default'"
        )

    def test_nothing_else_pushed(self, fake_jobs: FakeJobs) -> None:
        note.enqueue("a")
        note.enqueue("b")
        fake_jobs.assert_pushed(note, args=["a"])
        assert refusal(fake_jobs.assert_nothing_else_pushed) == (
            "Expected no other job to be pushed than was asserted.\n"
            f"Pushed:\n  {NOTE}('b') on queue 'default'"
        )
        fake_jobs.assert_pushed(note, args=["b"])
        fake_jobs.assert_nothing_else_pushed()

    def test_a_slip_of_the_pen_holds_no_assertion(self, fake_jobs: FakeJobs) -> None:
        with pytest.raises(UnknownDefinition):
            fake_jobs.assert_not_pushed("tests.jobs.testing.kit_jobs.not_there")
        with pytest.raises(InvalidArguments, match="wat"):
            fake_jobs.assert_not_pushed(note, kwargs={"what": "a", "wat": 1})
        with pytest.raises(InvalidOption, match="definition"):
            fake_jobs.assert_not_pushed(7)


class TestTransactions:
    """What is rolled back was not pushed; what an open transaction holds was."""

    def test_in_autocommit_it_counts_at_once(
        self, transactional_db: None, fake_jobs: FakeJobs
    ) -> None:
        note.enqueue("a")
        fake_jobs.assert_pushed(note)

    def test_committed_and_rolled_back(self, transactional_db: None, fake_jobs: FakeJobs) -> None:
        with transaction.atomic():
            note.enqueue("kept")
            fake_jobs.assert_pushed(note, args=["kept"])
        with transaction.atomic():
            note.enqueue("gone")
            note.enqueue_many(["gone", "too"])
            transaction.set_rollback(True)
        (found,) = fake_jobs.pushed()
        assert found.arguments["what"] == "kept"

    def test_an_inner_block_alone(self, transactional_db: None, fake_jobs: FakeJobs) -> None:
        with transaction.atomic():
            note.enqueue("outer")
            with transaction.atomic():
                note.enqueue("inner")
                transaction.set_rollback(True)
        assert [job.arguments["what"] for job in fake_jobs.pushed()] == ["outer"]


class InATestCase(TestCase):
    """Where nothing commits."""

    def test_it_counts_until_its_own_block_is_rolled_back(self) -> None:
        with fake_jobs() as jobs:
            note.enqueue("a")
            with transaction.atomic():
                note.enqueue("b")
            with transaction.atomic():
                note.enqueue("c")
                transaction.set_rollback(True)
        assert [job.arguments["what"] for job in jobs.pushed()] == ["a", "b"]

    def test_what_is_enqueued_on_commit_needs_the_callbacks(self) -> None:
        with fake_jobs() as jobs:
            with self.captureOnCommitCallbacks() as callbacks:
                transaction.on_commit(lambda: note.enqueue("late"))
            jobs.assert_nothing_pushed()
            with self.captureOnCommitCallbacks(execute=True):
                transaction.on_commit(callbacks[0])
            jobs.assert_pushed(note, args=["late"])

    def test_one_enqueueing_is_one_callback_as_without_the_fake(self) -> None:
        counts = []
        for fake in (False, True):
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                if fake:
                    with fake_jobs():
                        note.enqueue_many(["a", "b"])
                else:
                    note.enqueue_many(["a", "b"])
            counts.append(len(callbacks))
        assert counts == [1, 1]

    async def test_a_coroutine_enqueues_in_the_tests_transaction(self) -> None:
        with fake_jobs() as jobs:
            await note.aenqueue("a")
        jobs.assert_pushed(note, times=1)

    @fake_jobs()
    def test_as_a_decorator(self, jobs: FakeJobs) -> None:
        note.enqueue("a")
        jobs.assert_pushed(note)


class InATransactionTestCase(TransactionTestCase):
    async def test_a_coroutine_enqueues(self) -> None:
        with fake_jobs() as jobs:
            await note.aenqueue("a")
        jobs.assert_pushed(note, times=1)

    def test_nothing_is_left_of_it_in_the_ledger(self) -> None:
        with fake_jobs(), transaction.atomic():
            note.enqueue("a")
        assert not Job.objects.exists()


class InASimpleTestCase(SimpleTestCase):
    def test_no_database_is_asked(self) -> None:
        with fake_jobs() as jobs:
            note.enqueue("a")
            webhook.enqueue_many([1, 2])
        jobs.assert_pushed(webhook, times=2)
        assert not connection.in_atomic_block
