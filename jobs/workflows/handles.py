"""A workflow that was enqueued: how far it is, and what its owner may do with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidWorkflow, UnknownWorkflow, WorkflowEnded
from jobs.ledger import ledger
from jobs.models import Step, Workflow, WorkflowKind

if TYPE_CHECKING:
    from jobs.failures.redrive import RedriveReport
    from jobs.workflows.groups import Graph, Member
    from jobs.workflows.operating import CancelReport
    from jobs.workflows.overview import StepFacts

CODE = Actor.of_code("code")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many members of a workflow have ended, and how. A nested workflow counts as one."""

    total: int
    succeeded: int
    failed: int
    cancelled: int
    percent: int

    @classmethod
    def of(cls, flow: Workflow) -> Progress:
        return cls(flow.total, flow.succeeded, flow.failed, flow.cancelled, flow.percent)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class WorkflowHandle:
    """What `enqueue()` returns. Its facts are those of the last `refresh()`."""

    def __init__(self, row: Workflow, job_id: UUID | None = None) -> None:
        self._row = row
        self._job_id = job_id

    @classmethod
    def of(cls, row: Workflow) -> WorkflowHandle:
        """With what the database has made of it."""
        return cls(find(row.pk))

    def __repr__(self) -> str:
        return f"<{self._row.kind} {self.id}: {self.state}>"

    @property
    def id(self) -> UUID:
        return self._row.id

    @property
    def kind(self) -> str:
        """chain, batch or workflow."""
        return self._row.kind

    @property
    def name(self) -> str:
        return self._row.name

    @property
    def state(self) -> str:
        """waiting (a nested one that has not started), running, succeeded, failed or cancelled."""
        return self._row.state

    @property
    def progress(self) -> Progress:
        return Progress.of(self._row)

    @property
    def is_finished(self) -> bool:
        return self._row.is_finished

    def steps(self) -> list[StepFacts]:
        """Its steps in order, as they are now: of a batch those that are workflows themselves."""
        from jobs.workflows.overview import steps_of

        return steps_of(self.id)

    def refresh(self) -> WorkflowHandle:
        """Read its facts anew; return itself. Raises UnknownWorkflow once retention removed it."""
        self._row = find(self.id)
        return self

    def add(self, members: Iterable[Member]) -> None:
        """Add members to a batch that has not ended, in the caller's transaction, all or nothing.

        Its callbacks wait for them too. One of its own jobs can do this without a race, as the
        batch cannot end before that job does. Raises WorkflowEnded if the batch has ended or was
        stopped, InvalidWorkflow if this is no batch, and what `enqueue` raises.
        """
        from jobs.workflows.building import Plan
        from jobs.workflows.groups import checked_members

        found = checked_members(members)
        with transaction.atomic(using=conf.DATABASE):
            book = ledger()
            book.lock_workflows([self.id])
            row = find(self.id)
            _check_open(row)
            rows = Workflow.objects.using(conf.DATABASE).filter(pk=self.id)
            rows.update(total=F("total") + len(found))
            steps = Step.objects.using(conf.DATABASE).filter(workflow=self.id)
            last = steps.aggregate(last=Max("position"))["last"]
            plan = Plan(book.now())
            plan.members(row, found, 0 if last is None else last + 1)
            plan.insert()
            self._row = find(self.id)

    def append(self, *links: Member, pass_results: bool | None = None) -> None:
        """Add links to the end of a chain that has not ended, in the caller's transaction.

        The chain's callbacks wait for them too. They take results if the other links do, or as
        `pass_results` says. Raises WorkflowEnded, InvalidWorkflow if this is no chain, and what
        `enqueue` raises.
        """
        from jobs.workflows import growing

        growing.append(self.id, links, pass_results=pass_results)
        self.refresh()

    def prepend(self, *links: Member, pass_results: bool | None = None) -> None:
        """Add links to a chain that run next, once the job that calls this has succeeded: for the
        handle that `current_job().chain` is. Otherwise as `append`."""
        from jobs.workflows import growing

        if self._job_id is None:
            raise InvalidWorkflow("prepend: only a job of the chain can, by current_job().chain")
        growing.prepend(self.id, links, self._job_id, pass_results=pass_results)
        self.refresh()

    def extend(self, graph: Graph, *, before: Iterable[str] = ()) -> None:
        """Add steps to a workflow that has not ended, in the caller's transaction.

        They may come after steps that are there, and the steps named in `before`, which still have
        to wait, come after all of them: so a step can fan out over what it has found. A step of
        `before` that takes results takes theirs too. Raises WorkflowEnded, InvalidWorkflow, and
        what `enqueue` raises.
        """
        from jobs.workflows import growing

        growing.extend(self.id, graph, before=before)
        self.refresh()

    def cancel(self, actor: Actor = CODE, reason: str = "") -> CancelReport:
        """See `operating.cancel`."""
        from jobs.workflows import operating

        report = operating.cancel([self.id], actor, reason)
        self.refresh()
        return report

    def retry_failures(self, actor: Actor = CODE, reason: str = "") -> RedriveReport:
        """See `operating.retry_failures`."""
        from jobs.workflows import operating

        report = operating.retry_failures([self.id], actor, reason)
        self.refresh()
        return report

    def approve(self, step: str, actor: Actor = CODE, reason: str = "") -> None:
        """See `operating.decide`."""
        from jobs.workflows import operating

        operating.decide(self.id, step, actor, approved=True, reason=reason)
        self.refresh()

    def signal(self, step: str, payload: Any = None, actor: Actor = CODE, reason: str = "") -> None:
        """See `operating.signal`."""
        from jobs.workflows import operating

        operating.signal(self.id, step, payload, actor, reason)
        self.refresh()

    def reject(self, step: str, actor: Actor = CODE, reason: str = "") -> None:
        """See `operating.decide`."""
        from jobs.workflows import operating

        operating.decide(self.id, step, actor, approved=False, reason=reason)
        self.refresh()


def find(workflow_id: Any) -> Workflow:
    """Raises UnknownWorkflow."""
    row = Workflow.objects.using(conf.DATABASE).filter(pk=workflow_id).first()
    if row is None:
        raise UnknownWorkflow(f"There is no workflow {workflow_id}.")
    return row


def handle(workflow_id: UUID) -> WorkflowHandle:
    """The handle of a workflow of this id. Raises UnknownWorkflow."""
    return WorkflowHandle(find(workflow_id))


def nearest(chain: UUID, kind: WorkflowKind, job_id: UUID) -> WorkflowHandle | None:
    """The workflow of this id if it is of this kind, else the next one around it that is; for a
    job of it, which may be deep inside."""
    rows = Workflow.objects.using(conf.DATABASE)
    row = rows.filter(pk=chain).first()
    while row is not None and row.kind != kind:
        row = rows.filter(steps__child=row.pk).first() if row.nested else None
    return WorkflowHandle(row, job_id) if row is not None else None


def _check_open(row: Workflow) -> None:
    if row.kind != WorkflowKind.BATCH:
        raise InvalidWorkflow(f"add: this is a {row.kind}; only a batch takes more members")
    if row.is_finished:
        raise WorkflowEnded(f"The batch {row.pk} has {row.state}, so nothing can be added to it.")
    if row.cancelled_at is not None or (row.failed and not row.allow_failures):
        why = "was cancelled" if row.cancelled_at is not None else "has a failed member"
        raise WorkflowEnded(f"The batch {row.pk} {why}, so nothing can be added to it.")
