"""Performing: one attempt through the runner, without the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from jobs.compat import task_started
from jobs.exceptions import (
    InvalidArguments,
    InvalidOption,
    JobTimeout,
    MissingObject,
    RetriesExpired,
)
from jobs.models import Attempt, FailedJob, Job
from jobs.testing import Performed, Progress, aperform, frozen_clock, perform
from tests.jobs.stepping_jobs import Broken as StepBroken
from tests.jobs.stepping_jobs import breaks, builds
from tests.jobs.stepping_jobs import done as steps_done
from tests.jobs.testing import kit_jobs
from tests.jobs.testing.kit_jobs import Broken

MINUTE = dt.timedelta(minutes=1)


def refusal(assertion: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """What an assertion says that does not hold."""
    with pytest.raises(AssertionError) as refused:
        assertion(*args, **kwargs)
    return str(refused.value).removeprefix("Expected tests.jobs.testing.kit_jobs.")


class TestHowAnAttemptEnds:
    """Without a database, as nothing is asked of one."""

    def test_it_succeeds(self) -> None:
        done = perform(kit_jobs.note, "a", times=2)
        assert (done.succeeded, done.value, done.error) == (True, "aa", None)
        assert not (done.failed)
        assert not (done.released)
        assert not (done.discarded)
        assert not (done.timed_out)
        assert (done.will_retry_in, done.released_for) == (None, None)
        done.assert_succeeded()
        done.assert_succeeded("aa")
        assert refusal(done.assert_succeeded, "a") == (
            "note to return 'a', but it succeeded and returned 'aa'"
        )
        for assertion, wanted in (
            (done.assert_failed, "to fail"),
            (done.assert_released, "to release itself"),
            (done.assert_discarded, "to be discarded"),
            (done.assert_timed_out, "to time out"),
            (done.assert_will_retry, "to fail and be tried again"),
        ):
            assert refusal(assertion) == f"note {wanted}, but it succeeded and returned 'aa'"

    def test_none_is_a_value_that_can_be_asserted(self) -> None:
        perform(kit_jobs.webhook, 1).assert_succeeded(None)
        refusal(perform(kit_jobs.note, "a").assert_succeeded, None)

    def test_it_fails_and_is_tried_again(self) -> None:
        first = perform(kit_jobs.fails_until, 3)
        assert (first.failed, first.failed_for_good, first.attempt) == (True, False, 1)
        assert isinstance(first.error, Broken)
        assert first.will_retry_in == MINUTE
        first.assert_failed(Broken, for_good=False)
        first.assert_will_retry(60)
        first.assert_will_retry(MINUTE)
        assert refusal(first.assert_succeeded) == (
            "fails_until to succeed, but it failed and is tried again in 60 s: Broken: attempt 1"
        )
        assert "to fail with KeyError, but it failed" in refusal(first.assert_failed, KeyError)
        assert "to fail for good, but it failed and" in refusal(first.assert_failed, for_good=True)
        assert "to be tried again in 1 s, but it" in refusal(first.assert_will_retry, 1)

    def test_a_refusal_shows_where_the_job_failed(self) -> None:
        with pytest.raises(AssertionError) as refused:
            perform(kit_jobs.fails).assert_succeeded()
        assert isinstance(refused.value.__cause__, Broken)

    def test_a_later_attempt_goes_by_its_number(self) -> None:
        assert perform(kit_jobs.fails_until, 9, attempt=2).will_retry_in == 2 * MINUTE
        last = perform(kit_jobs.fails_until, 9, attempt=3)
        last.assert_failed(Broken, for_good=True)
        assert last.will_retry_in is None
        assert refusal(last.assert_will_retry) == (
            "fails_until to fail and be tried again, but it failed for good in attempt 3: "
            "Broken: attempt 3"
        )
        assert "fail and be tried again" in refusal(last.assert_failed, for_good=False)
        perform(kit_jobs.fails_until, 3, attempt=3).assert_succeeded(3)

    def test_earlier_attempts_count_as_exceptions(self) -> None:
        bounded = kit_jobs.fails_until.using(max_attempts=9, max_exceptions=2)
        perform(bounded, 9).assert_failed(for_good=False)
        perform(bounded, 9, attempt=2).assert_failed(for_good=True)

    def test_it_releases_itself(self) -> None:
        done = perform(kit_jobs.releases, 90)
        assert (done.released, done.released_for) == (True, dt.timedelta(seconds=90))
        assert (done.failed, done.will_retry_in) == (False, None)
        done.assert_released()
        done.assert_released(delay=90)
        done.assert_released(dt.timedelta(seconds=90))
        assert refusal(done.assert_released, 30) == (
            "releases to release itself for 30 s, but it released itself for 90 s"
        )

    def test_a_release_with_no_attempt_left_is_a_failure(self) -> None:
        done = perform(kit_jobs.releases, 90, attempt=2)
        assert (done.released, done.released_for) == (False, None)
        done.assert_failed(RetriesExpired, for_good=True)
        assert "its attempts (2) are spent" in refusal(done.assert_released)

    def test_its_policy_discards_it(self) -> None:
        done = perform(kit_jobs.discards)
        assert (done.discarded, done.failed) == (True, False)
        done.assert_discarded()
        assert refusal(done.assert_failed) == (
            "discards to fail, but it was discarded: Broken: never mind"
        )

    def test_it_times_out(self) -> None:
        done = perform(kit_jobs.takes_long)
        assert (done.timed_out, done.failed) == (True, True)
        done.assert_timed_out()
        done.assert_failed(JobTimeout)

    def test_its_pool_sets_the_limit_where_it_has_none(self, settings: Any) -> None:
        settings.JOBS_POOLS = {
            "default": {"queues": ["default"]},
            "quick": {"queues": ["quick"], "timeout": 0.05},
        }
        perform(kit_jobs.sleeps.using(queue_name="quick"), 9.0).assert_timed_out()
        perform(kit_jobs.sleeps, 0.1).assert_succeeded()
        perform(kit_jobs.sleeps.using(queue_name="nobody serves it"), 0.1).assert_succeeded()

    def test_a_site_without_time_zones(self, settings: Any) -> None:
        settings.USE_TZ = False
        perform(kit_jobs.note, "a").assert_succeeded()
        with frozen_clock(dt.datetime(2026, 3, 1, tzinfo=dt.UTC)) as clock:
            assert timezone.is_naive(timezone.now())
            assert timezone.now().astimezone(dt.UTC) == clock.now()
            perform(kit_jobs.reports).assert_succeeded()

    def test_a_call_can_change_the_policy(self) -> None:
        assert perform(kit_jobs.fails.using(max_attempts=2, backoff=7)).will_retry_in == (
            dt.timedelta(seconds=7)
        )
        past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        late = perform(kit_jobs.note.using(retry_until=past), "a")
        late.assert_failed(RetriesExpired, for_good=True)

    def test_all_progress_and_every_line_is_kept(self) -> None:
        done = perform(kit_jobs.reports)
        assert done.progress == [Progress(1, 2), Progress(2, 2, "done")]
        assert [(line.level, line.message) for line in done.logs] == [("warning", "half way")]
        done.assert_succeeded({"stopped": False})

    def test_a_task_of_the_framework(self) -> None:
        perform(kit_jobs.shouts, "a").assert_succeeded("A")

    @pytest.mark.parametrize("attempt", [1, 3])
    def test_a_task_that_takes_its_context(self, attempt: int) -> None:
        perform(kit_jobs.tells_its_attempt, attempt=attempt).assert_succeeded(attempt)

    def test_who_hears_of_tasks_hears_of_a_later_attempt_too(self) -> None:
        heard = []

        def receiver(task_result: Any, **payload: Any) -> None:
            heard.append(task_result.attempts)

        task_started.connect(receiver)
        try:
            perform(kit_jobs.note, "a", attempt=2).assert_succeeded()
        finally:
            task_started.disconnect(receiver)
        assert heard == [2]

    def test_what_enqueue_refuses_is_refused(self) -> None:
        with pytest.raises(InvalidArguments, match="wat"):
            perform(kit_jobs.note, "a", wat="a")
        with pytest.raises(InvalidArguments, match="what"):
            perform(kit_jobs.note, 7)

    @pytest.mark.parametrize("attempt", [0, -1, True, 1.5])
    def test_an_attempt_has_a_number(self, attempt: Any) -> None:
        with pytest.raises(InvalidOption, match=r"attempt: .* must be a whole number"):
            perform(kit_jobs.note, "a", attempt=attempt)

    def test_a_plain_function_is_refused(self) -> None:
        with pytest.raises(InvalidOption, match="must be made by @job or @task"):
            perform(kit_jobs.old_function, 1)  # type: ignore[arg-type]

    def test_where_an_event_loop_runs_it_says_what_to_await(self) -> None:
        async def check() -> Performed:
            return perform(kit_jobs.note, "a")

        with pytest.raises(RuntimeError, match=r"await aperform\(\)"):
            async_to_sync(check)()

    def test_ctrl_c_ends_the_test(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            perform(kit_jobs.is_interrupted)


class InATestCase(TestCase):
    def test_model_instances_are_fetched_anew(self) -> None:
        group = Group.objects.create(name="before")
        perform(kit_jobs.rename, group, name="after").assert_succeeded(str(group.pk))
        assert group.name == "before"
        group.refresh_from_db()
        assert group.name == "after"

    def test_one_that_is_gone_fails_the_job_or_ends_it_quietly(self) -> None:
        group = Group.objects.create(name="gone")
        key = {"$model": "auth.group", "pk": str(group.pk)}
        group.delete()
        perform(kit_jobs.rename, key).assert_failed(MissingObject)
        perform(kit_jobs.rename.using(discard_when_missing=True), key).assert_discarded()

    def test_the_ledger_knows_nothing_of_it(self) -> None:
        perform(kit_jobs.fails).assert_failed(for_good=True)
        perform(kit_jobs.reports)
        for model in (Job, Attempt, FailedJob):
            assert not model.objects.exists()

    def test_a_coroutine_job_sees_the_tests_data(self) -> None:
        Group.objects.create(name="here")
        done = perform(kit_jobs.counts, "here")
        done.assert_succeeded(1)
        assert done.progress == [Progress(1, 2)]

    async def test_from_a_coroutine(self) -> None:
        await Group.objects.acreate(name="here")
        (await aperform(kit_jobs.counts, "here")).assert_succeeded(1)
        (await aperform(kit_jobs.fails_until, 3, attempt=2)).assert_will_retry(120)


class InATransactionTestCase(TransactionTestCase):
    def test_a_coroutine_job_sees_the_tests_data(self) -> None:
        Group.objects.create(name="here")
        perform(kit_jobs.counts, "here").assert_succeeded(1)

    async def test_from_a_coroutine(self) -> None:
        await Group.objects.acreate(name="here")
        (await aperform(kit_jobs.counts, "here")).assert_succeeded(1)


def test_an_attempt_after_another_goes_on_with_its_steps() -> None:
    breaks.add("b")
    first = perform(builds, ["a", "b"])
    assert isinstance(first.error, StepBroken)
    assert [step["name"] for step in first.steps] == ["prepare", "build"]
    second = perform(builds, ["a", "b"], after=first, attempt=2)
    second.assert_succeeded()
    assert steps_done == ["prepare", "a", "b", "publish"]
    steps_done.clear()
