"""Workers that claim many jobs at once, and their deaths, in any order, against a model.

The workers are real but for their processes: each has its file with slot and journal, its holding
and the ledger. One is killed by being dropped, whatever it was at: what its file says is all that
is left of it. After each step every job must be where the model says.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.cluster import holding as holdings
from jobs.cluster import journals, recovery, sweeps
from jobs.cluster.holding import Holding
from jobs.cluster.journal import Journal
from jobs.cluster.slot import Slot
from jobs.dispatch import NewJob, insert
from jobs.execution import finishing
from jobs.ledger import ledger
from jobs.ledger.outcome import ClaimedJob, Failure, LogLine, Outcome
from jobs.models import Attempt, Cluster, FailedJob, Job, JobLog, Worker
from tests.jobs.claims import end_of
from tests.jobs.cluster.dying import Died, die, half_a_begin, instead, no_room
from tests.jobs.cluster.holding_model import DEATHS, ENDS, ONCE, REPEATABLE, Expected, Life, Model
from tests.jobs.factories import ClusterFactory, WorkerFactory

WORKERS = 3
LIVES = ("lives",) * 4
ENOUGH = 3
"""Ready jobs, with which no more are enqueued, so that steps go into what becomes of them."""
QUEUES = ["default"]
OFTEN = st.integers(0, 7).map(lambda number: number < 7)
SELDOM = OFTEN.map(lambda often: not often)


def ended(job: ClaimedJob, how: str) -> Outcome:
    match how:
        case "succeeded":
            return end_of(job)
        case "logs":
            lines = [LogLine(job.started_at, "info", "so far, so good")]
            return end_of(job, result={"a": [1]}, logs=lines)
        case "failed":
            failure = Failure(reason="exception", fingerprint="f")
            return end_of(job, "failed", is_exception=True, failure=failure)
        case "retry":
            return end_of(job, "scheduled", is_exception=True, delay=0.001)
    return end_of(job, "ready", outcome="released")


class HoldingInAnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        folder = self._open.enter_context(tempfile.TemporaryDirectory())
        self._open.enter_context(override_settings(JOBS_JOURNAL_DIR=f"{folder}/journals"))
        for model in (JobLog, FailedJob, Attempt, Job, Worker, Cluster):
            model._base_manager.all().delete()
        self.book = ledger()
        self.model = Model()
        self.lives = [self._born() for _ in range(WORKERS)]

    def _born(self) -> Life:
        row = WorkerFactory(cluster=ClusterFactory(name="ours"))
        path = journals.create(row.cluster_id)
        slot, journal = journals.slot_of(path), Journal.of(path)
        slot.ready(row.pk)
        return Life(row.pk, path, slot, journal, Holding(slot, journal, self.book.record))

    def _one(self, data: st.DataObject, which: Callable[[Life], object]) -> Life:
        return data.draw(st.sampled_from([life for life in self.lives if which(life)]))

    def _is_there(self, which: Callable[[Life], object]) -> bool:
        return any(map(which, self.lives))

    # What workers do, each step as `Worker` takes them

    @staticmethod
    def is_idle(life: Life) -> bool:
        return not (life.waiting or life.running or life.ended)

    @staticmethod
    def may_start(life: Life) -> bool:
        return bool(life.waiting and not life.running and not life.unrecorded)

    @staticmethod
    def may_deliver(life: Life) -> bool:
        return bool(life.ended and not life.running)

    @staticmethod
    def is_busy(life: Life) -> bool:
        return life.running is not None

    @precondition(lambda self: len(self.model.in_state("ready")) < ENOUGH)
    @rule(repeatable=st.integers(3, 6), once=SELDOM)
    def enqueue(self, repeatable: int, once: bool) -> None:
        names = [REPEATABLE] * repeatable + [ONCE] * once
        given = {"args": [1], "kwargs": {}}
        new = [NewJob(definition=name, queue=QUEUES[0], arguments=given) for name in names]
        self.model.jobs |= {job.id: Expected(job.definition) for job in new}
        insert(new)

    @precondition(lambda self: self.model.in_state("ready") and self._is_there(self.is_idle))
    @rule(data=st.data(), limit=st.integers(3, 6), dies=SELDOM)
    def claim(self, data: st.DataObject, limit: int, dies: bool) -> None:
        life = self._one(data, self.is_idle)
        life.heed()
        if life.holding.was_relieved:
            life.holding.was_relieved = False
            held = self.book.held_by([life.pk])
            self._give_back([job for job in held if job.id not in life.holding.ids])
            life.strays = []
        claimed = self.book.claim(worker_id=life.pk, queues=QUEUES, limit=limit)
        for job in claimed:
            self.model.claimed(job)
        if dies:
            life.waiting = claimed
            self._die(life, "signal 9")
            return
        # As the appetite does: what may start but once is held alone.
        at = [job.definition for job in claimed].index(ONCE) if self._has_once(claimed) else limit
        kept = claimed[: max(at, 1)]
        self._give_back(claimed[len(kept) :])
        life.holding.take(kept)
        life.waiting = kept

    def _has_once(self, claimed: list[ClaimedJob]) -> bool:
        return any(job.definition == ONCE for job in claimed)

    def _give_back(self, jobs: list[ClaimedJob]) -> None:
        assert self.book.give_back(jobs) == len(jobs)
        self.model.given_back(jobs)

    @precondition(lambda self: self._is_there(self.may_start))
    @rule(data=st.data(), dies=SELDOM)
    def start(self, data: st.DataObject, dies: bool) -> None:
        """With `dies` its process is killed in the middle of the words in the slot."""
        life = self._one(data, self.may_start)
        if dies and not life.is_relieved:
            with instead(Slot, "begin", half_a_begin), pytest.raises(Died):
                life.holding.start(None)
            self._die(life, "signal 9")
        else:
            self._start(life)

    def _start(self, life: Life) -> None:
        job = life.holding.next()
        assert job == life.waiting[0]
        was_relieved = life.is_relieved
        life.heed()
        assert life.holding.start(None) is not was_relieved
        if was_relieved:
            assert life.holding.leave() == []
            return
        life.waiting.remove(job)
        life.running = job
        self.model.started(job)

    @precondition(lambda self: self._is_there(self.may_start))
    @rule(data=st.data(), ends=st.lists(st.sampled_from(ENDS), min_size=1, max_size=3))
    def run_some(self, data: st.DataObject, ends: list[str]) -> None:
        """One after the other; the next one after these is started."""
        life = self._one(data, self.may_start)
        for how in ends:
            if self.may_start(life):
                self._start(life)
            if life.running is not None:
                life.holding.end(ended(life.running, how))
                life.ended.append((life.running, how))
                life.running = None
        if self.may_start(life):
            self._start(life)

    @precondition(lambda self: self._is_there(self.is_busy))
    @rule(data=st.data(), how=st.sampled_from(ENDS), room=OFTEN, dies=SELDOM)
    def end(self, data: st.DataObject, how: str, room: bool, dies: bool) -> None:
        """With `dies` its process is killed between the end's line and the word in the slot."""
        life = self._one(data, self.is_busy)
        job, life.running = life.running, None
        assert job is not None
        life.ended.append((job, how))
        life.unrecorded = None if room else job
        with ExitStack() as around:
            if not room:
                around.enter_context(instead(os, "write", no_room))
            if dies and room:
                around.enter_context(instead(Slot, "end", die))
                around.enter_context(pytest.raises(Died))
            life.holding.end(ended(job, how))
        if dies:
            self._die(life, "signal 9")

    @precondition(lambda self: self._is_there(self.may_deliver))
    @rule(data=st.data(), answers=st.integers(1, 3), dies=SELDOM)
    def deliver(self, data: st.DataObject, answers: int, dies: bool) -> None:
        """`answers` above 1: so many calls, as the answers before were lost. With `dies` the worker
        is killed as soon as the ledger has it all."""
        life = self._one(data, self.may_deliver)
        life.heed()
        outcomes = life.holding.unwritten()
        assert [outcome.job for outcome in outcomes] == [job for job, _ in life.ended]
        for _ in range(answers):
            finishing.finish(self.book, outcomes)
        self.model.written(life.ended)
        if dies:
            self._die(life, "signal 9")
            return
        life.ended, life.unrecorded = [], None
        life.holding.written()
        life.holding.written_by_others()

    @precondition(lambda self: self._is_there(self.may_start))
    @rule(data=st.data(), stops=SELDOM)
    def give_up_what_waits(self, data: st.DataObject, stops: bool) -> None:
        """As one that is asked to stop, or wakes from a long pause."""
        if not stops:
            return
        life = self._one(data, self.may_start)
        life.heed()
        left = life.holding.leave()
        assert left == life.waiting
        life.waiting = []
        self._give_back(left)

    # What others do

    @precondition(lambda self: self.model.in_state("scheduled"))
    @rule()
    def promote(self) -> None:
        Job.objects.filter(state="scheduled").update(due_at=timezone.now())
        self.book.promote()
        self.model.promoted()

    @precondition(lambda self: self.model.in_state("running") and not self.model.is_asked)
    @rule(data=st.data())
    def ask_to_cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.model.in_state("running"))))
        assert Job.objects.filter(pk=job_id, state="running").update(cancel_requested=True)
        self.model.jobs[job_id].cancel_requested = True

    @precondition(lambda self: self._is_there(lambda life: life.running or life.unrecorded))
    @rule(data=st.data(), dies=st.sampled_from(["never", "never", "first", "half-way", "at last"]))
    def relieve(self, data: st.DataObject, dies: str) -> None:
        """The clock takes away what waits, or dies at it: `first` of all, between giving back and
        writing, or before it can say that it has done both."""
        life = self._one(data, lambda life: life.running or life.unrecorded)
        told = [end for end in life.ended if end[0] is not life.unrecorded]
        is_needed = bool(life.waiting or told) and not life.has_relief
        assert is_needed is (life.slot.waiting > 0)
        if dies == "half-way" and not any(self.model.holds(job) for job, _ in told):
            # There is nothing to write, so nothing to die at.
            dies = "never"
        moments: dict[str, tuple[object, str, object]] = {
            "never": (recovery, "PATIENCE", recovery.PATIENCE),
            "first": (recovery, "_give_back", die),
            "half-way": (recovery.finishing, "finish_each", die),
            "at last": (Slot, "delivered", die),
        }
        with instead(recovery, "STUCK", -1.0), instead(*moments[dies]):
            try:
                recovery.relieve(self.book, life.pk, life.path)
            except Died:
                assert dies != "never"
        if not is_needed:
            return
        life.is_relieved = True
        if dies == "first":
            life.strays = [job for job in [*life.waiting, *life.strays] if self.model.holds(job)]
            return
        unstarted = {(job.id, job.fence): job for job in [*life.waiting, *life.strays]}
        self.model.given_back([job for job in unstarted.values() if self.model.holds(job)])
        life.strays = []
        if dies != "half-way":
            self.model.written(told)
        if dies == "never":
            # The worker is told so, and forgets them.
            life.has_relief = True
            life.ended = [end for end in life.ended if end not in told]

    @precondition(lambda self: self._is_there(lambda life: life.in_hand))
    @rule(data=st.data(), way=st.sampled_from((*LIVES, *DEATHS)), rescuer_dies=SELDOM)
    def kill(self, data: st.DataObject, way: str, rescuer_dies: bool) -> None:
        if way in LIVES:
            return
        life = self._one(data, lambda life: life.in_hand)
        if rescuer_dies and way != "host gone":
            with instead(sweeps.rescue, "rescue", die), pytest.raises(Died):
                sweeps.rescue_workers(self.book, [life.pk], way)
        self._die(life, way)

    def _die(self, life: Life, way: str) -> None:
        if way == "host gone":
            journals.remove(life.path)
        how = {"timed_out": way == "timed out", "interrupted": way == "shutdown"}
        sweeps.rescue_workers(self.book, [life.pk], way, **how)
        self.model.died(life, way)
        assert not life.path.exists()
        assert not self.book.held_by([life.pk])
        life.journal.close()
        self.lives[self.lives.index(life)] = self._born()

    # What holds

    @invariant()
    def every_job_is_where_the_model_says(self) -> None:
        names = ("state", "attempts", "exceptions", "crashes", "fence")
        found = {row[0]: row[1:] for row in Job.objects.values_list("id", *names)}
        assert found == {
            job_id: (job.state, job.attempts, job.exceptions, job.crashes, job.claims)
            for job_id, job in self.model.jobs.items()
        }

    @invariant()
    def every_accepted_end_has_one_attempt(self) -> None:
        found = list(Attempt.objects.values_list("job_id", "fence"))
        expected = sum(job.records for job in self.model.jobs.values())
        assert len(found) == len(set(found)) == expected

    @invariant()
    def every_running_job_is_in_one_hand(self) -> None:
        held = [job.id for life in self.lives for job in life.in_hand if self.model.holds(job)]
        assert sorted(held) == sorted(self.model.in_state("running"))

    def teardown(self) -> None:
        """When all have died, one worker can run what is left to its end."""
        try:
            for life in list(self.lives):
                self._die(life, "shutdown")
            self.promote()
            while claimed := self.book.claim(worker_id=1, queues=QUEUES, limit=50):
                for job in claimed:
                    self.model.claimed(job)
                finishing.finish(self.book, [end_of(job) for job in claimed])
                self.model.written([(job, "succeeded") for job in claimed])
            self.every_job_is_where_the_model_says()
            self.every_accepted_end_has_one_attempt()
            finished = self.model.in_state("succeeded", "failed", "cancelled")
            assert finished == set(self.model.jobs)
            failed = set(FailedJob.objects.values_list("job_id", flat=True))
            assert failed == self.model.in_state("failed")
            assert JobLog.objects.count() == sum(job.logs for job in self.model.jobs.values())
        finally:
            for life in self.lives:
                life.journal.close()
            self._open.close()


@pytest.mark.django_db(transaction=True)
def test_no_job_is_lost_doubled_or_wrongly_blamed_whoever_dies_in_whatever_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No claim grows old while hypothesis thinks.
    monkeypatch.setattr(holdings, "STALE", float("inf"))
    run_state_machine_as_test(
        HoldingInAnyOrder,
        settings=settings(
            max_examples=80,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
