"""Failed members that are retried: each new job takes the place of the old one, and what was
cancelled because of that is made anew.

A workflow that has failed runs again, and those around it too; `then` is called if all succeeds in
the end, while `catch` and `finally` are not called a second time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Exists, F, OuterRef

from jobs import dispatch
from jobs.conf import settings as conf
from jobs.dispatch import NewJob
from jobs.ledger import ledger
from jobs.models import (
    Job,
    JobState,
    JobTag,
    Step,
    StepKind,
    StepNeed,
    StepState,
    Workflow,
    WorkflowKind,
    WorkflowState,
)
from jobs.models.job import JobQuerySet
from jobs.workflows import effects


def places_of(job_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The workflows of these failed jobs, by job, locked: those that take a retry in. A workflow
    that somebody cancelled does not, nor one that is gone."""
    rows = Job.objects.using(conf.DATABASE).filter(pk__in=list(job_ids), chain__isnull=False)
    chains = {job_id: chain for job_id, chain in rows.values_list("pk", "chain") if chain}
    ledger().lock_workflows(set(chains.values()))
    open_ = Workflow.objects.using(conf.DATABASE).filter(
        pk__in=set(chains.values()), root__cancelled_at__isnull=True
    )
    known = set(open_.values_list("pk", flat=True))
    return {job_id: chain for job_id, chain in chains.items() if chain in known}


def retake(new_jobs: Sequence[NewJob]) -> None:
    """Put these jobs, which are inserted, into the places of those that they are retries of."""
    work = _Retaking()
    work.take_places(new_jobs)
    work.make_anew()


class _Retaking:
    """One retry of members, in the transaction that has locked their trees."""

    def __init__(self) -> None:
        self._steps = Step.objects.using(conf.DATABASE)
        self._flows = Workflow.objects.using(conf.DATABASE)
        self._touched: dict[UUID, set[UUID]] = defaultdict(set)
        """By workflow: its steps that are active again."""
        self._started: list[UUID] = []
        self._looked_at: set[UUID] = set()
        self._copies: list[NewJob] = []

    def take_places(self, new_jobs: Sequence[NewJob]) -> None:
        counts: Counter[UUID] = Counter()
        by_old = {job.retry_of: job for job in new_jobs if job.retry_of is not None}
        for job in by_old.values():
            assert job.chain is not None
            counts[job.chain] += 1
            self._touched[job.chain] = self._touched[job.chain]
        for step in self._steps.filter(job__in=list(by_old)):
            assert step.job_id is not None
            self._steps.filter(pk=step.pk).update(
                job=by_old[step.job_id].id, state=StepState.ACTIVE
            )
            self._touched[step.workflow_id].add(step.pk)
        for flow_id, count in counts.items():
            self._flows.filter(pk=flow_id).update(failed=F("failed") - count)
        left = list(counts)
        while left:
            left = self._reopen(left)

    def _reopen(self, flow_ids: Sequence[UUID]) -> list[UUID]:
        """Let those of these that have ended run again; return the workflows around them."""
        around: list[UUID] = []
        ended = list(self._flows.filter(pk__in=flow_ids, finished_at__isnull=False))
        self._flows.filter(pk__in=[flow.pk for flow in ended]).update(
            state=WorkflowState.RUNNING, finished_at=None, cancelled_at=None
        )
        # What has gone on after a batch that allows failures does not go back.
        lost = (StepState.FAILED, StepState.CANCELLED)
        for step in self._steps.filter(child__in=[flow.pk for flow in ended], state__in=lost):
            self._steps.filter(pk=step.pk).update(state=StepState.ACTIVE)
            self._flows.filter(pk=step.workflow_id).update(**{step.state: F(step.state) - 1})
            self._touched[step.workflow_id].add(step.pk)
            around.append(step.workflow_id)
        return around

    def make_anew(self) -> None:
        """Make again what was cancelled because of the failures."""
        for flow in list(self._flows.filter(pk__in=list(self._touched))):
            if flow.kind == WorkflowKind.BATCH:
                if not flow.allow_failures:
                    self._renew_members(flow.pk, starts=True)
            else:
                self._renew_steps(flow.pk, starts=True, after=self._touched[flow.pk])
        dispatch.insert(self._copies)
        effects.tell(ledger().advance(started=self._started, looked_at=self._looked_at))

    def _renew_members(self, flow_id: UUID, *, starts: bool) -> None:
        """The cancelled members of a batch."""
        lost = self._unretried(Job.objects.using(conf.DATABASE).filter(chain=flow_id))
        copies = self._copy(lost.filter(state=JobState.CANCELLED), blocked=not starts)
        steps = list(self._steps.filter(workflow=flow_id, state=StepState.CANCELLED))
        self._count_back(flow_id, len(copies) + len(steps))
        for step in steps:
            assert step.child_id is not None
            state = StepState.ACTIVE if starts else StepState.WAITING
            self._steps.filter(pk=step.pk).update(state=state)
            self._renew(step.child_id, starts=starts)

    def _renew_steps(self, flow_id: UUID, *, starts: bool, after: set[UUID] | None = None) -> None:
        """The cancelled steps of a chain or graph whose needs can be met again: all of them, or
        only those that come after these."""
        steps = {step.pk: step for step in self._steps.filter(workflow=flow_id)}
        needs: dict[UUID, set[UUID]] = {key: set() for key in steps}
        for step_id, needed in (
            StepNeed.objects.using(conf.DATABASE)
            .filter(step__workflow=flow_id)
            .values_list("step", "needs")
        ):
            needs[step_id].add(needed)
        job_ids = [step.job_id for step in steps.values() if step.job_id]
        # Retention may have removed what was cancelled long ago: that stays cancelled.
        kept = set(self._jobs(job_ids).values_list("pk", flat=True))
        anew: dict[UUID, Step] = {}
        reached = set(after or ())
        while found := [
            step
            for key, step in steps.items()
            if step.state == StepState.CANCELLED
            and (step.job_id is None or step.job_id in kept)
            and (after is None or needs[key] & reached)
            and all(_can_be_met(steps[needed]) for needed in needs[key])
        ]:
            for step in found:
                step.state = StepState.WAITING
                anew[step.pk] = step
                reached.add(step.pk)
        self._count_back(flow_id, len(anew))
        copies = self._copies_by_job([step.job_id for step in anew.values() if step.job_id])
        for key, step in anew.items():
            unmet = sum(steps[needed].state != StepState.SUCCEEDED for needed in needs[key])
            self._steps.filter(pk=key).update(
                state=StepState.WAITING,
                waits_for=unmet,
                job=copies[step.job_id].id if step.job_id else None,
                decided_by="",
                decided_at=None,
                payload=None,
            )
            if step.kind == StepKind.WORKFLOW:
                assert step.child_id is not None
                self._renew(step.child_id, starts=False)
            if starts and unmet == 0:
                self._started.append(key)

    def _renew(self, flow_id: UUID, *, starts: bool) -> None:
        """A nested workflow that was cancelled."""
        state = WorkflowState.RUNNING if starts else WorkflowState.WAITING
        self._flows.filter(pk=flow_id).update(state=state, finished_at=None, cancelled_at=None)
        if starts:
            self._looked_at.add(flow_id)
        if self._flows.get(pk=flow_id).kind == WorkflowKind.BATCH:
            self._renew_members(flow_id, starts=starts)
        else:
            self._renew_steps(flow_id, starts=starts)

    def _count_back(self, flow_id: UUID, count: int) -> None:
        if count:
            self._flows.filter(pk=flow_id).update(cancelled=F("cancelled") - count)

    def _copies_by_job(self, job_ids: Sequence[UUID]) -> Mapping[UUID, NewJob]:
        copies = self._copy(self._jobs(job_ids), blocked=True)
        return {job.retry_of: job for job in copies if job.retry_of}

    def _jobs(self, job_ids: Sequence[UUID]) -> JobQuerySet:
        return Job.objects.using(conf.DATABASE).filter(pk__in=list(job_ids))

    def _copy(self, rows: JobQuerySet, *, blocked: bool) -> list[NewJob]:
        """New jobs like these, to be inserted with all others."""
        found = list(rows.order_by("pk"))
        tags: dict[UUID, list[str]] = defaultdict(list)
        ids = [job.pk for job in found]
        for job_id, name in (
            JobTag.objects.using(conf.DATABASE).filter(job__in=ids).values_list("job", "name")
        ):
            tags[job_id].append(name)
        copies = [
            NewJob(
                definition=job.definition,
                queue=job.queue,
                arguments=job.arguments,
                priority=job.priority,
                options=job.options,
                tags=tuple(tags[job.pk]),
                tenant=job.tenant,
                due_at=None if blocked else job.due_at,
                deadline=job.deadline,
                retry_until=job.retry_until,
                retry_of=job.pk,
                chain=job.chain,
                blocked=blocked,
            )
            for job in found
        ]
        self._copies += copies
        return copies

    def _unretried(self, rows: JobQuerySet) -> JobQuerySet:
        retries = Job.objects.using(conf.DATABASE).filter(retry_of=OuterRef("pk"))
        return rows.filter(~Exists(retries))


def _can_be_met(step: Step) -> bool:
    return step.state in (StepState.WAITING, StepState.ACTIVE, StepState.SUCCEEDED)
