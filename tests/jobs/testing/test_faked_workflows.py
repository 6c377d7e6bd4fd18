"""Chains, batches and workflows that are faked: recorded whole, and compared with what is meant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from jobs import batch, chain, workflow
from jobs.exceptions import InvalidArguments, InvalidWorkflow
from jobs.models import Job, Workflow
from jobs.testing import FakeJobs, drain, fake_jobs
from jobs.workflows.groups import Group
from tests.jobs.testing.kit_jobs import note, shouts

HOUR = dt.timedelta(hours=1)


def refusal(jobs: FakeJobs, expected: Group, **more: Any) -> str:
    """What the assertion says, which does not hold."""
    with pytest.raises(AssertionError) as refused:
        jobs.assert_workflow_pushed(expected, **more)
    return str(refused.value)


class TestWhatIsRecorded:
    """Without a database, as nothing is asked of one."""

    def test_a_chain_is_one_workflow_and_its_jobs(self, fake_jobs: FakeJobs) -> None:
        handle = chain(note.s("a"), note.s("b"), name="two").enqueue()
        (found,) = fake_jobs.pushed_workflows()
        assert (found.id, found.group.name) == (handle.id, "two")
        assert [job.arguments["what"] for job in fake_jobs.pushed(note)] == ["a", "b"]

    @pytest.mark.parametrize("members", [3, 500])
    def test_each_member_of_a_batch_is_pushed_once(self, members: int, fake_jobs: FakeJobs) -> None:
        batch([note.s(str(number)) for number in range(members)]).enqueue()
        given = [job.arguments["what"] for job in fake_jobs.pushed(note)]
        assert given == [str(number) for number in range(members)]

    def test_what_could_not_be_enqueued_raises(self, fake_jobs: FakeJobs) -> None:
        with pytest.raises(InvalidArguments):
            chain(note.s("a"), note.s(nothing="like this")).enqueue()
        fake_jobs.assert_nothing_pushed()

    def test_an_empty_batch_is_something(self, fake_jobs: FakeJobs) -> None:
        batch([], name="none").enqueue()
        with pytest.raises(AssertionError, match="a batch 'none'"):
            fake_jobs.assert_nothing_pushed()


class TestInTheLedger:
    pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

    def test_a_faked_workflow_leaves_no_row(self) -> None:
        with fake_jobs():
            batch([note.s("a"), chain(note.s("b"))]).enqueue()
        assert not Workflow.objects.exists()
        assert not Job.objects.exists()

    def test_it_is_left_to_the_ledger_whole_where_none_of_its_jobs_is_faked(self) -> None:
        with fake_jobs(only=[shouts]) as jobs:
            handle = chain(note.s("a"), note.s("b")).enqueue()
            jobs.assert_nothing_pushed()
            drain()
        assert handle.refresh().state == "succeeded"

    def test_it_is_faked_whole_where_one_of_its_jobs_is(self) -> None:
        with fake_jobs(only=[shouts]) as jobs:
            chain(note.s("a"), shouts.s("b")).enqueue()
        assert len(jobs.pushed()) == 2
        assert not Job.objects.exists()

    def test_members_that_are_added_to_one_in_the_ledger_are_there_too(self) -> None:
        handle = batch([note.s("a")]).enqueue()
        with fake_jobs() as jobs:
            handle.add([note.s("b")])
        jobs.assert_nothing_pushed()
        drain()
        assert handle.refresh().progress.succeeded == 2

    def test_an_inner_fake_hands_on_what_it_does_not_fake(self) -> None:
        with fake_jobs() as outer, fake_jobs(only=[shouts]) as inner:
            chain(note.s("a")).enqueue()
        assert (len(outer.pushed_workflows()), inner.pushed_workflows()) == (1, [])


GRAPH = (
    workflow("release")
    .step("a", note.s("a"))
    .approval("boss", after=["a"])
    .timer("wait", HOUR, after=["boss"])
    .step("b", batch([note.s("b")]), after=["wait"])
)


class TestComparing:
    @pytest.mark.parametrize(
        ("pushed", "expected"),
        [
            (chain(note.s("a"), note.s("b")), chain(note.s(what="a", times=1), note.s("b"))),
            (chain(note.s("a"), name="x", tags=["y"]), chain(note.s("a"))),
            (chain(note.s("a"), catch=note.s("oh")), chain(note.s("a"))),
            (chain(note.s("a"), catch=note.s("oh")), chain(note.s("a")).on_failure(note.s("oh"))),
            (batch([note.s("a"), note.s("b")]), batch([note.s("b"), note.s("a")])),
            (batch([chain(note.s("a")), note.s("b")]), batch([note.s("b"), chain(note.s("a"))])),
            (GRAPH, GRAPH),
        ],
    )
    def test_what_says_the_same_is_found(
        self, pushed: Group, expected: Group, fake_jobs: FakeJobs
    ) -> None:
        handle = pushed.enqueue()
        (found,) = fake_jobs.assert_workflow_pushed(expected, times=1)
        assert found.id == handle.id
        fake_jobs.assert_nothing_else_pushed()

    @pytest.mark.parametrize(
        ("pushed", "expected", "why"),
        [
            (chain(note.s("a")), batch([note.s("a")]), "is a chain, not a batch"),
            (chain(note.s("a")), chain(note.s("b")), "link 1: is tests.jobs"),
            (chain(note.s("a")), chain(note.s("a"), note.s("b")), "there is no link 2"),
            (chain(note.s("a"), note.s("b")), chain(note.s("a")), "there is also link 2"),
            (chain(note.s("a")), chain(note.s("a"), name="x"), "name is '', not 'x'"),
            (chain(note.s("a")), chain(note.s("a"), tags=["x"]), "there is no tag 'x'"),
            (
                chain(note.s("a"), pass_results=True),
                chain(note.s("a")),
                "pass_results is True, not False",
            ),
            (chain(note.s("a")), chain(note.s("a"), then=note.s("x")), "then: is not there"),
            (
                batch([note.s("a")]),
                batch([note.s("a"), note.s("a")]),
                "there is no member tests.jobs.testing.kit_jobs.note(what='a', times=1)",
            ),
            (batch([note.s("a"), note.s("b")]), batch([note.s("b")]), "there is also tests.jobs"),
            (
                batch([note.s("a")], allow_failures=True),
                batch([note.s("a")]),
                "allow_failures is True, not False",
            ),
            (
                GRAPH,
                workflow().step("a", note.s("a")),
                "there is also step 'boss'",
            ),
            (
                workflow().step("a", note.s("a")).step("b", note.s("b"), after=["a"]),
                workflow().step("a", note.s("a")).step("b", note.s("b")),
                "step 'b': comes after ['a'], not []",
            ),
            (
                workflow().step("a", note.s("a")),
                workflow().approval("a"),
                "step 'a': is tests.jobs.testing.kit_jobs.note(what='a', times=1), not an approval",
            ),
            (workflow().timer("a", HOUR), workflow().timer("a", 2 * HOUR), "is a wait of 1:00:00"),
        ],
    )
    def test_what_differs_is_told(
        self, pushed: Group, expected: Group, why: str, fake_jobs: FakeJobs
    ) -> None:
        pushed.enqueue()
        assert why in refusal(fake_jobs, expected)

    def test_the_number_is_told(self, fake_jobs: FakeJobs) -> None:
        chain(note.s("a")).enqueue()
        said = refusal(fake_jobs, chain(note.s("a")), times=2)
        assert "pushed twice, but it was pushed once" in said

    def test_that_nothing_was_pushed_is_told(self, fake_jobs: FakeJobs) -> None:
        assert "No chain, batch or workflow was pushed." in refusal(fake_jobs, chain(note.s("a")))

    @pytest.mark.parametrize(
        ("expected", "error"),
        [
            (lambda: chain(note.s(nothing="like this")), InvalidArguments),
            (lambda: workflow().step("a", note.s("a"), after=["b"]), InvalidWorkflow),
        ],
    )
    def test_a_slip_of_the_pen_is_an_error(
        self, expected: Callable[[], Group], error: type[Exception], fake_jobs: FakeJobs
    ) -> None:
        with pytest.raises(error):
            fake_jobs.assert_workflow_pushed(expected())
