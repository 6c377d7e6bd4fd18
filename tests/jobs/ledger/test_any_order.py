"""Claims, ends, kills, releases and cancellations in any order, against a model.

The model is a dict. After each step every job must be where the model says, and at the end no job
may be lost, stuck or run by two.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.dispatch import NewJob, insert
from jobs.execution import rescue
from jobs.ledger import ledger
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models import Attempt, FailedJob, Job

NAME = "tests.jobs.sample_jobs.add"
WORKERS = (1, 2, 3)
QUEUES = ("high", "low")
MAX_CRASHES = 3
DELAY = 3600.0
ENDS = (
    ("succeeded", "succeeded"),
    ("failed", "failed"),
    ("failed", "scheduled"),
    ("failed", "ready"),
    ("timed_out", "failed"),
    ("timed_out", "scheduled"),
    ("released", "ready"),
    ("released", "scheduled"),
    ("discarded", "cancelled"),
)
"""How an attempt ends, and what becomes of its job."""


@dataclass
class Expected:
    """What the model knows of a job."""

    place: int
    queue: str
    state: str = "ready"
    worker: int | None = None
    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    claims: int = 0
    records: int = 0
    cancel_requested: bool = False


@dataclass
class Held:
    """A claim that somebody believes to have."""

    job: ClaimedJob
    is_valid: bool = field(default=True)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        for model in (FailedJob, Attempt, Job):
            model._base_manager.all().delete()
        self.book = ledger()
        self.model: dict[UUID, Expected] = {}
        self.held: list[Held] = []

    @rule(queue=st.sampled_from(QUEUES), count=st.integers(1, 3))
    def enqueue(self, queue: str, count: int) -> None:
        new = [
            NewJob(definition=NAME, queue=queue, arguments={"args": [1], "kwargs": {}})
            for _ in range(count)
        ]
        for job_id in insert(new):
            self.model[job_id] = Expected(place=len(self.model), queue=queue)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 4))
    def claim(self, worker: int, limit: int) -> None:
        ready = [(job_id, job) for job_id, job in self.model.items() if job.state == "ready"]
        ready.sort(key=lambda item: (QUEUES.index(item[1].queue), item[1].place))
        claimed = self.book.claim(worker_id=worker, queues=QUEUES, limit=limit)
        assert [job.id for job in claimed] == [job_id for job_id, _ in ready[:limit]]
        for job in claimed:
            expected = self.model[job.id]
            expected.state, expected.worker = "running", worker
            expected.attempts += 1
            expected.claims += 1
            assert (job.fence, job.attempts) == (expected.claims, expected.attempts)
            self.held.append(Held(job))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def finish_some(self, data: st.DataObject, end: tuple[str, str]) -> None:
        kind, state = end
        chosen = data.draw(
            st.lists(st.sampled_from(range(len(self.held))), min_size=1, unique=True)
        )
        some = [self.held[index] for index in chosen]
        outcomes = [self._outcome(item.job, state, kind) for item in some]
        accepted = self.book.complete(outcomes).accepted
        assert [outcome.job for outcome in accepted] == [item.job for item in some if item.is_valid]
        for item in some:
            if item.is_valid:
                expected = self.model[item.job.id]
                stopped = expected.cancel_requested and state in ("ready", "scheduled")
                expected.state = "cancelled" if stopped else state
                expected.exceptions += kind in ("failed", "timed_out")
                expected.records += 1
                item.is_valid = False

    def _outcome(self, job: ClaimedJob, state: str, kind: str = "succeeded") -> Outcome:
        return Outcome(
            job=job,
            outcome=kind,
            state=state,
            started=microseconds(job.started_at),
            finished=microseconds(job.started_at) + 1_000,
            is_exception=kind in ("failed", "timed_out"),
            delay=DELAY if state == "scheduled" else 0.0,
            failure=Failure(reason="exception", fingerprint="f") if state == "failed" else None,
        )

    @precondition(lambda self: any(job.state == "scheduled" for job in self.model.values()))
    @rule(is_due=st.booleans())
    def promote(self, is_due: bool) -> None:
        scheduled = {job_id for job_id, job in self.model.items() if job.state == "scheduled"}
        if is_due:
            Job.objects.filter(state="scheduled").update(due_at=dt.datetime.now(dt.UTC))
        queues = {self.model[job_id].queue for job_id in scheduled} if is_due else set()
        assert self.book.promote() == queues
        for job_id in scheduled if is_due else ():
            self.model[job_id].state = "ready"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back_one(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.held))
        assert self.book.give_back([item.job]) == int(item.is_valid)
        if item.is_valid:
            expected = self.model[item.job.id]
            expected.state = "ready"
            expected.attempts -= 1
            item.is_valid = False

    @rule(worker=st.sampled_from(WORKERS), how=st.sampled_from(["", "interrupted", "timed_out"]))
    def kill(self, worker: int, how: str) -> None:
        flags = {how: True} if how else {}
        rescue.rescue(self.book, [worker], detail="signal 9", **flags)
        for item in self.held:
            expected = self.model[item.job.id]
            if item.is_valid and item.job.worker_id == worker:
                item.is_valid = False
                expected.records += 1
                if how == "timed_out":
                    # The definition allows one attempt.
                    expected.exceptions += 1
                    expected.state = "failed"
                    continue
                if how == "interrupted":
                    expected.attempts -= 1
                    expected.state = "cancelled" if expected.cancel_requested else "ready"
                    continue
                expected.crashes += 1
                if expected.crashes >= MAX_CRASHES:
                    expected.state = "failed"
                else:
                    expected.state = "cancelled" if expected.cancel_requested else "ready"

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def ask_to_cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.model)))
        if Job.objects.filter(pk=job_id, state="running").update(cancel_requested=True):
            self.model[job_id].cancel_requested = True

    @invariant()
    def every_job_is_where_the_model_says(self) -> None:
        found = {
            row[0]: row[1:]
            for row in Job.objects.values_list(
                "id", "state", "attempts", "exceptions", "crashes", "fence"
            )
        }
        assert found == {
            job_id: (job.state, job.attempts, job.exceptions, job.crashes, job.claims)
            for job_id, job in self.model.items()
        }

    def teardown(self) -> None:
        """Everything that is left can be run to its end, and every end has its record."""
        for worker in WORKERS:
            self.kill(worker, "interrupted")
        if any(job.state == "scheduled" for job in self.model.values()):
            self.promote(is_due=True)
        while claimed := self.book.claim(worker_id=9, queues=QUEUES, limit=50):
            self.book.complete([self._outcome(job, "succeeded") for job in claimed])
            for job in claimed:
                self.model[job.id].records += 1
        assert not Job.objects.exclude(state__in=["succeeded", "failed", "cancelled"]).exists()
        assert not Job.objects.filter(finished_at=None).exists()
        assert Attempt.objects.count() == sum(job.records for job in self.model.values())
        failed = set(Job.objects.in_state("failed").values_list("id", flat=True))
        assert failed == set(FailedJob.objects.values_list("job_id", flat=True))


@pytest.mark.django_db(transaction=True)
def test_no_job_is_lost_doubled_or_stuck_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
