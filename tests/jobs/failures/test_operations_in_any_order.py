"""Operations that are advanced, broken, stopped and resumed, beside other operators, in any order.

After each step no failed job was retried twice and the counts say what was done; at the end nothing
is left behind.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest.mock import patch
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

from jobs.audit import Actor
from jobs.failures import operations, redrive
from jobs.failures.flushing import forget, restore
from jobs.models import AuditEntry, BulkOperation, FailedJob, Job
from tests.jobs.factories import many_failed_jobs

OPERATOR = Actor.of_code("a test")
RATE = 40
MODELS = (BulkOperation, FailedJob, Job, AuditEntry)


class PowerCut(Exception):
    """Ends a batch before it is committed."""


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        for model in MODELS:
            model._base_manager.all().delete()
        self.now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
        self.by_others: set[UUID] = set()
        many_failed_jobs(30)
        self.failed = set(FailedJob.objects.values_list("pk", flat=True))
        self.operation = operations.start({"all": True}, OPERATOR, words="all", rate=RATE)
        self.began: dt.datetime | None = None

    def pass_time(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)
        self.began = self.began or self.now

    @rule(seconds=st.floats(0, 0.4))
    def advance(self, seconds: float) -> None:
        self.pass_time(seconds)
        operations.advance(self.operation.pk, self.now)

    @rule(seconds=st.floats(0, 0.4))
    def advance_and_die(self, seconds: float) -> None:
        self.pass_time(seconds)
        with patch.object(operations, "_tell", side_effect=PowerCut):
            operations.advance(self.operation.pk, self.now)
        self.operation.refresh_from_db()
        if self.operation.state == "failed":
            operations.resume(self.operation, OPERATOR)

    @rule()
    def stop_or_resume(self) -> None:
        self.operation.refresh_from_db()
        if self.operation.is_active:
            operations.stop(self.operation, OPERATOR)
        elif self.operation.is_halted:
            operations.resume(self.operation, OPERATOR)

    @rule(data=st.data())
    def somebody_else_retries_one(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.failed)))
        if redrive.retry([wanted], OPERATOR).retried:
            self.by_others.add(wanted)

    @rule(data=st.data())
    def somebody_forgets_one_and_restores_it(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.failed)))
        assert forget([wanted], OPERATOR) == restore([wanted], OPERATOR) == 1

    @precondition(lambda self: len(self.failed) < 40)
    @rule()
    def another_job_fails(self) -> None:
        self.failed.update(many_failed_jobs(1))

    @invariant()
    def nothing_is_done_twice_and_the_counts_are_true(self) -> None:
        retried = list(
            Job.objects.filter(retry_of__isnull=False).values_list("retry_of", flat=True)
        )
        assert len(retried) == len(set(retried))
        self.operation.refresh_from_db()
        assert self.operation.done == len(retried) - len(self.by_others)
        entry = AuditEntry.objects.get(pk=self.operation.audit_entry_id)
        assert entry.count == self.operation.done
        if self.began is not None:
            assert self.operation.done <= RATE * (self.now - self.began).total_seconds() + 1e-3

    def teardown(self) -> None:
        self.operation.refresh_from_db()
        if self.operation.is_halted:
            operations.resume(self.operation, OPERATOR)
        step: Any = None
        while step is None or step.wait is not None:
            self.now += dt.timedelta(seconds=1)
            step = operations.advance(self.operation.pk, self.now)
        self.operation.refresh_from_db()
        assert self.operation.state == "finished"
        left = set(FailedJob.objects.unretried().values_list("pk", flat=True))
        assert {pk for pk in left if pk <= self.operation.bound} == set()


@pytest.mark.django_db(transaction=True)
def test_no_retry_is_lost_or_doubled_whatever_happens_to_an_operation() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
