"""From groups to rows: a workflow, all that is nested in it, and their jobs, at once."""

from __future__ import annotations

import datetime as dt
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from django.db import transaction

from jobs import arguments, dispatch
from jobs.conf import settings as conf
from jobs.dispatch import NewJob
from jobs.identifiers import uuid7, uuid7s
from jobs.ledger import ledger
from jobs.models import (
    Step,
    StepKind,
    StepNeed,
    StepState,
    Workflow,
    WorkflowKind,
    WorkflowState,
    WorkflowTag,
)
from jobs.workflows import effects
from jobs.workflows.groups import (
    AwaitedSignal,
    Batch,
    Chain,
    Graph,
    Group,
    Member,
    Work,
    has_result,
)
from jobs.workflows.handles import WorkflowHandle
from jobs.workflows.order import check_order
from jobs.workflows.signatures import Signature, insert
from jobs.workflows.timers import elapsed

ROWS = 1000
"""Rows that one statement inserts."""
MANY = 20
"""A batch of so many calls of one definition is inserted the short way."""


@dataclass(slots=True)
class Plan:
    """Rows to be inserted."""

    now: dt.datetime
    workflows: list[Workflow] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    needs: list[StepNeed] = field(default_factory=list)
    tags: list[WorkflowTag] = field(default_factory=list)
    jobs: list[NewJob] = field(default_factory=list)
    alike: list[tuple[NewJob, list[str]]] = field(default_factory=list)
    """Members of large batches: what they have in common, and the arguments of each as JSON."""
    empty: list[UUID] = field(default_factory=list)
    """Batches that are over as soon as they are there."""
    _left: deque[Callable[[], None]] = field(default_factory=deque)

    def root(self, group: Group) -> Workflow:
        """Plan a group and all that is in it, however deep."""
        planned = self._workflow(group, None, starts=True)
        self._finish()
        return planned

    def members(self, flow: Workflow, members: Sequence[Member], first: int) -> None:
        """Plan more members of a batch; those that are groups are steps from this position on."""
        self._members(flow, members, first)
        self._finish()

    def step(
        self,
        flow: Workflow,
        what: Work,
        name: str,
        position: int,
        *,
        results: int,
        waits_for: int,
    ) -> Step:
        """Plan one more step, which waits until the workflow lets it start."""
        step = self._step(
            flow, what, name, position, starts=False, results=results, waits_for=waits_for
        )
        self._finish()
        return step

    def _members(self, flow: Workflow, members: Sequence[Member], first: int) -> None:
        starts = flow.state == WorkflowState.RUNNING
        if self._are_alike(flow, members, starts=starts):
            return
        for member in members:
            if isinstance(member, Signature):
                self.jobs.append(member.new_job(chain=flow.pk, blocked=not starts))
            else:
                name = f"{first + 1} {member.name or kind_of(member)}"
                self._step(flow, member, name, first, starts=starts)
                first += 1

    def _are_alike(self, flow: Workflow, members: Sequence[Member], *, starts: bool) -> bool:
        """Plan members the short way if they are many calls of one definition."""
        first = members[0] if len(members) >= MANY else None
        if not isinstance(first, Signature):
            return False
        calls = [
            member
            for member in members
            if isinstance(member, Signature) and member.definition is first.definition
        ]
        shared = dispatch.job_like_all(first.definition)
        if shared is None or len(calls) < len(members):
            return False
        shared.chain, shared.blocked = flow.pk, not starts
        encode = arguments.encoder(first.definition)
        self.alike.append((shared, [encode(call.args, call.kwargs) for call in calls]))
        return True

    def all_jobs(self) -> list[NewJob]:
        """The jobs of all members, one by one."""
        found = list(self.jobs)
        for shared, calls in self.alike:
            given = zip(uuid7s(len(calls)), calls, strict=True)
            found += [replace(shared, id=key, arguments=json.loads(text)) for key, text in given]
        return found

    def insert(self) -> None:
        """In a transaction. Raises DuplicateJob."""
        for rows in (self.workflows, self.tags, self.steps, self.needs):
            if rows:
                manager = type(rows[0])._default_manager.using(conf.DATABASE)
                manager.bulk_create(rows, batch_size=ROWS)  # type: ignore[arg-type]
        for shared, calls in self.alike:
            dispatch.insert_alike(shared, calls)
        insert(self.jobs)
        if self.empty:
            effects.tell(ledger().advance(looked_at=self.empty))

    def _finish(self) -> None:
        while self._left:
            self._left.popleft()()

    def _workflow(self, group: Group, parent: Workflow | None, *, starts: bool) -> Workflow:
        flow = Workflow(
            id=uuid7(),
            nested=parent is not None,
            kind=kind_of(group),
            name=group.name,
            state=WorkflowState.RUNNING if starts else WorkflowState.WAITING,
            allow_failures=isinstance(group, Batch) and group.allow_failures,
            created_at=self.now,
        )
        flow.root_id = parent.root_id if parent is not None else flow.pk
        given = {"then": group.then, "catch": group.catch, "finally": group.finally_}
        flow.callbacks = {
            name: call.callback(flow.pk) for name, call in given.items() if call is not None
        }
        self.workflows.append(flow)
        self.tags += [WorkflowTag(workflow_id=flow.pk, name=tag) for tag in group.tags]
        self._left.append(partial(self._contents, group, flow, starts=starts))
        return flow

    def _contents(self, group: Group, flow: Workflow, *, starts: bool) -> None:
        if isinstance(group, Batch):
            flow.total = len(group.members)
            if not group.members and starts:
                self.empty.append(flow.pk)
            self._members(flow, group.members, 0)
        elif isinstance(group, Chain):
            flow.total = len(group.links)
            self._links(group, flow, starts=starts)
        else:
            assert isinstance(group, Graph)
            flow.total = len(group.parts)
            self._parts(group, flow, starts=starts)

    def _links(self, group: Chain, flow: Workflow, *, starts: bool) -> None:
        before: Step | None = None
        for position, link in enumerate(group.links):
            label = link.label if isinstance(link, Signature) else link.name or kind_of(link)
            takes = group.pass_results and before is not None and isinstance(link, Signature)
            name = f"{position + 1} {label}"[:100]
            step = self._step(
                flow,
                link,
                name,
                position,
                starts=starts and before is None,
                results=1 if takes else 0,
                waits_for=0 if before is None else 1,
            )
            if before is not None:
                self.needs.append(StepNeed(step_id=step.pk, needs_id=before.pk))
            before = step

    def _parts(self, group: Graph, flow: Workflow, *, starts: bool) -> None:
        check_order(group)
        kinds = {part.name: part for part in group.parts}
        made: dict[str, Step] = {}
        for position, part in enumerate(group.parts):
            sources = [kinds[name] for name in part.after]
            taken = [one for one in sources if has_result(one.what)]
            made[part.name] = self._step(
                flow,
                part.what,
                part.name,
                position,
                starts=starts and not part.after,
                results=len(taken) if part.pass_results else 0,
                waits_for=len(part.after),
            )
        self.needs += [
            StepNeed(step_id=made[part.name].pk, needs_id=made[name].pk)
            for part in group.parts
            for name in part.after
        ]

    def _step(
        self,
        flow: Workflow,
        what: Work,
        name: str,
        position: int,
        *,
        starts: bool,
        results: int = 0,
        waits_for: int = 0,
    ) -> Step:
        step = Step(
            id=uuid7(),
            workflow_id=flow.pk,
            name=name[:100],
            position=position,
            state=StepState.ACTIVE if starts else StepState.WAITING,
            waits_for=waits_for,
            pass_results=results > 0,
        )
        if isinstance(what, Signature):
            job = what.new_job(chain=flow.pk, blocked=not starts, results=results)
            step.kind, step.job_id = StepKind.JOB, job.id
            self.jobs.append(job)
        elif isinstance(what, dt.timedelta):
            job = elapsed.s().new_job(chain=flow.pk, blocked=not starts)
            job.delay = what if starts else None
            step.kind, step.job_id, step.delay = StepKind.TIMER, job.id, what
            self.jobs.append(job)
        elif what is None:
            step.kind = StepKind.APPROVAL
        elif isinstance(what, AwaitedSignal):
            step.kind = StepKind.SIGNAL
        else:
            step.kind = StepKind.WORKFLOW
            step.child_id = self._workflow(what, flow, starts=starts).pk
        self.steps.append(step)
        return step


diversion: Callable[[Group], WorkflowHandle | None] | None = None
"""What may take a group in place of the ledger, as `dispatch.diversion` takes jobs."""


def enqueue(group: Group) -> WorkflowHandle:
    """See `Group.enqueue`."""
    if diversion is not None and (taken := diversion(group)) is not None:
        return taken
    with transaction.atomic(using=conf.DATABASE):
        plan = Plan(ledger().now())
        flow = plan.root(group)
        plan.insert()
    return WorkflowHandle.of(flow)


def kind_of(group: Group) -> WorkflowKind:
    """What a group is called as a row."""
    if isinstance(group, Batch):
        return WorkflowKind.BATCH
    return WorkflowKind.CHAIN if isinstance(group, Chain) else WorkflowKind.WORKFLOW
