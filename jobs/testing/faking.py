"""Faking jobs: what a test enqueues is recorded in place of the ledger, and can be asserted."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, Self
from uuid import UUID

from django.utils import timezone

from jobs import dispatch
from jobs.dispatch import Insert, Inserted, NewJob
from jobs.testing.expectation import Expectation, Where
from jobs.testing.naming import name_of
from jobs.testing.pushed import OLD_CALL, PushedJob
from jobs.testing.pushed_workflow import PushedWorkflow, check, differences, listed, told
from jobs.testing.recorded import Recorded
from jobs.workflows import building
from jobs.workflows.groups import Group
from jobs.workflows.handles import WorkflowHandle


class FakeJobs:
    """Records the jobs that are enqueued while it is entered; it can be asked afterwards too.

    Of every kind: by `enqueue`, `aenqueue` and `enqueue_many`, tasks of the Tasks framework, runs
    of schedules, calls of `async_task`, and chains, batches and workflows, whole. All checks are
    made as always. Only what is linked with rows of the ledger goes there: retries of failed jobs,
    and members that are added to a workflow.

    A job counts as pushed unless its transaction was rolled back. While a transaction is open, as
    all the time in a TestCase, its jobs count; those of an inner block that was rolled back do not.
    """

    def __init__(
        self, only: Iterable[Any] | None = None, except_: Iterable[Any] | None = None
    ) -> None:
        self._only = _names(only)
        self._except = _names(except_)
        if self._only is not None and self._except is not None:
            raise ValueError("only and except_ exclude each other: give one of them")
        self._batches: list[Recorded] = []
        self._asserted: set[UUID] = set()
        self._outer: list[Any] = []

    def __enter__(self) -> Self:
        self._outer.append((dispatch.diversion, building.diversion))
        dispatch.diversion, building.diversion = self._take, self._take_workflow
        return self

    def __exit__(self, *error: object) -> None:
        dispatch.diversion, building.diversion = self._outer.pop()

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a test, which gets a fake of its own as its last positional argument."""
        if isinstance(test, type):
            raise TypeError("fake_jobs() decorates functions; for a class, enter it in setUp()")

        def fake() -> FakeJobs:
            return FakeJobs(self._only, self._except)

        if iscoroutinefunction(test):

            @functools.wraps(test)
            async def with_fake_async(*args: Any, **kwargs: Any) -> Any:
                with fake() as entered:
                    return await test(*args, entered, **kwargs)

            return with_fake_async

        @functools.wraps(test)
        def with_fake(*args: Any, **kwargs: Any) -> Any:
            with fake() as entered:
                return test(*args, entered, **kwargs)

        return with_fake

    def pushed(self, definition: Any = None) -> list[PushedJob]:
        """The jobs that were pushed, in their order; those of one definition, if it is given."""
        jobs = [job for batch in self._batches if batch.counts for job in batch.jobs]
        if definition is None:
            return jobs
        name = name_of(definition)
        return [job for job in jobs if job.definition == name]

    def pushed_workflows(self) -> list[PushedWorkflow]:
        """The chains, batches and workflows that were pushed, in their order."""
        return [batch.workflow for batch in self._batches if batch.counts and batch.workflow]

    def assert_pushed(
        self,
        definition: Any,
        *,
        times: int | None = None,
        queue: str | None = None,
        priority: int | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        where: Where | None = None,
        run_after: dt.datetime | dt.timedelta | None = None,
        tags: Iterable[str] = (),
    ) -> list[PushedJob]:
        """A job of this definition, like this, was pushed; so many times, if `times` is given.
        Returns those that were.

        `args` and `kwargs` are the whole call, however it was made: a value by position is the
        same as one by name, and as the default. `run_after` is a moment, or a delay within a
        second; `tags` are some of the job's; `where` is asked of each PushedJob.
        """
        expected = Expectation.of(
            definition,
            args=args,
            kwargs=kwargs,
            tags=tags,
            queue=queue,
            priority=priority,
            run_after=run_after,
            where=where,
        )
        found = [job for job in self.pushed() if expected.holds(job)]
        if len(found) != times if times is not None else not found:
            often = "" if times is None else f" {_times(times)}"
            was = "it was not" if not found else f"it was pushed {_times(len(found))}"
            told = _listed(self.pushed(), expected.why_not)
            raise AssertionError(f"Expected {expected} to be pushed{often}, but {was}.\n{told}")
        self._asserted.update(job.id for job in found)
        return found

    def assert_pushed_on(self, queue: str, definition: Any, **like: Any) -> list[PushedJob]:
        """See `assert_pushed`."""
        return self.assert_pushed(definition, queue=queue, **like)

    def assert_not_pushed(self, definition: Any, **like: Any) -> None:
        """No job of this definition was pushed; none like this, with what `assert_pushed` takes."""
        expected = Expectation.of(definition, **like)
        found = [job for job in self.pushed() if expected.holds(job)]
        if found:
            raise AssertionError(
                f"Expected {expected} not to be pushed, but it was, {_times(len(found))}."
                f"\n{_listed(found)}"
            )

    def assert_workflow_pushed(
        self, expected: Group, *, times: int | None = None
    ) -> list[PushedWorkflow]:
        """A chain, batch or workflow like this one was pushed; so many times, if `times` is given.
        Returns those that were, and their jobs count as asserted.

        Compared are the calls, in their order in a chain, in any in a batch, and by step in a
        workflow; `pass_results` and `allow_failures`; and of name, tags and callbacks those that
        `expected` has. Raises what `expected.enqueue()` would.
        """
        check(expected)
        pushed = self.pushed_workflows()
        found = [one for one in pushed if not any(differences(expected, one.group))]
        if len(found) != times if times is not None else not found:
            often = "" if times is None else f" {_times(times)}"
            was = "it was not" if not found else f"it was pushed {_times(len(found))}"
            lines = "\n".join(listed(expected, pushed))
            raise AssertionError(f"Expected to be pushed{often}, but {was}:\n{lines}")
        self._asserted.update(job.id for one in found for job in one.jobs)
        return found

    def assert_nothing_pushed(self) -> None:
        """No job at all was pushed, and no workflow."""
        if jobs := self.pushed():
            raise AssertionError(f"Expected no job to be pushed.\n{_listed(jobs)}")
        if found := self.pushed_workflows():
            lines = [line for one in found for line in told(one.group)]
            raise AssertionError("\n".join(["Expected nothing to be pushed.", *lines]))

    def assert_nothing_else_pushed(self) -> None:
        """Every job that was pushed is one that `assert_pushed` has found before."""
        others = [job for job in self.pushed() if job.id not in self._asserted]
        if others:
            raise AssertionError(
                f"Expected no other job to be pushed than was asserted.\n{_listed(others)}"
            )

    def _take(self, jobs: Sequence[NewJob], insert: Insert) -> Inserted:
        pushed = {job.id: PushedJob.of(job) for job in jobs if not _is_linked(job)}
        mine = {key: job for key, job in pushed.items() if self._fakes(job.definition)}
        others = [job for job in jobs if job.id not in mine]
        outer, _ = self._outer[-1]
        inserted = Inserted({})
        if others:
            inserted = insert(others) if outer is None else outer(others, insert)
        if mine:
            self._batches.append(Recorded(list(mine.values())))
        moments = {key: job.pushed_at for key, job in mine.items()}
        return Inserted(inserted.enqueued | moments, inserted.instead)

    def _take_workflow(self, group: Group) -> WorkflowHandle | None:
        plan = building.Plan(timezone.now())
        flow = plan.root(group)
        new_jobs = plan.all_jobs()
        if new_jobs and not any(self._fakes(job.definition) for job in new_jobs):
            _, outer = self._outer[-1]
            return None if outer is None else outer(group)
        workflow = PushedWorkflow(flow.pk, group, [PushedJob.of(job) for job in new_jobs])
        self._batches.append(Recorded(workflow.jobs, workflow))
        return WorkflowHandle(flow)

    def _fakes(self, name: str) -> bool:
        if self._only is not None:
            return name in self._only
        return self._except is None or name not in self._except


def fake_jobs(
    *, only: Iterable[Any] | None = None, except_: Iterable[Any] | None = None
) -> FakeJobs:
    """Record the jobs that are enqueued inside, in place of inserting them.

        with fake_jobs() as jobs:
            self.client.post("/orders/")
        jobs.assert_pushed(send_receipt, kwargs={"order_id": 7})

    `only` fakes these definitions and inserts all others; `except_` inserts these. As a decorator
    of a test function it gives it the FakeJobs as its last positional argument.
    """
    return FakeJobs(only, except_)


def _is_linked(job: NewJob) -> bool:
    """Whether it belongs to rows of the ledger: a retry, or a member of a workflow that is there.
    The links of an old chain share an id alone."""
    is_member = job.chain is not None and job.definition != OLD_CALL
    return job.retry_of is not None or is_member


def _names(definitions: Iterable[Any] | None) -> frozenset[str] | None:
    return None if definitions is None else frozenset(map(name_of, definitions))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _listed(
    jobs: Sequence[PushedJob],
    differences: Callable[[PushedJob], Iterable[str]] = lambda job: (),
) -> str:
    """Jobs, one on a line, each with its differences below it."""
    if not jobs:
        return "Nothing was pushed."
    lines = ["Pushed:"]
    for job in jobs:
        lines.append(f"  {job}")
        lines += [f"    but {difference}" for difference in differences(job)]
    return "\n".join(lines)
