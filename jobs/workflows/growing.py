"""Growing: more links for a chain, and more steps for a graph, that have not ended.

What is added is there before the caller's transaction has committed, or not at all. A job of the
workflow can add without a race: the workflow cannot end before that job does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F

from jobs.conf import settings as conf
from jobs.exceptions import InvalidWorkflow, WorkflowEnded
from jobs.ledger import Ledger, ledger
from jobs.models import Step, StepKind, StepNeed, StepState, Workflow, WorkflowKind, WorkflowState
from jobs.workflows import effects
from jobs.workflows.building import Plan, kind_of
from jobs.workflows.groups import Graph, Member, Part, checked_members, has_result
from jobs.workflows.handles import find
from jobs.workflows.order import check_circles
from jobs.workflows.signatures import Signature

WITH_RESULTS = (StepKind.JOB, StepKind.WORKFLOW, StepKind.SIGNAL)
ALOFT = 1_000_000
"""Where steps are while others move into their places, as no two may have the same."""


@dataclass(slots=True)
class Growing:
    """A workflow that grows, locked with its tree: its steps in their order, and what is added."""

    book: Ledger
    flow: Workflow
    steps: list[Step]
    plan: Plan

    @classmethod
    def of(cls, workflow_id: UUID, kind: WorkflowKind, doing: str) -> Growing:
        """In a transaction. Raises UnknownWorkflow, InvalidWorkflow for another kind of workflow,
        and WorkflowEnded for one that has ended or is being cancelled."""
        book = ledger()
        book.lock_workflows([find(workflow_id).pk])
        flow = find(workflow_id)
        if flow.kind != kind:
            raise InvalidWorkflow(f"{doing}: this is a {flow.kind}, not a {kind}")
        if flow.is_finished:
            raise WorkflowEnded(f"The {kind} {flow.pk} has {flow.state}, so it cannot grow.")
        if flow.cancelled_at is not None:
            raise WorkflowEnded(f"The {kind} {flow.pk} was cancelled, so it cannot grow.")
        steps = Step.objects.using(conf.DATABASE).filter(workflow=workflow_id).order_by("position")
        return cls(book, flow, list(steps), Plan(book.now()))

    def insert(self, added: Sequence[Step]) -> None:
        """Insert what was planned, and start what waits for nothing."""
        rows = Workflow.objects.using(conf.DATABASE).filter(pk=self.flow.pk)
        rows.update(total=F("total") + len(added))
        self.plan.insert()
        ready = [step.pk for step in added if step.waits_for == 0]
        if ready and self.flow.state == WorkflowState.RUNNING:
            effects.tell(self.book.advance(started=ready))


def append(workflow_id: UUID, links: Iterable[Member], *, pass_results: bool | None = None) -> None:
    """Add links to the end of a chain; see `WorkflowHandle.append`."""
    found = _checked_links("append", links)
    with transaction.atomic(using=conf.DATABASE):
        growing = Growing.of(workflow_id, WorkflowKind.CHAIN, "append")
        growing.insert(_links(growing, found, growing.steps[-1], pass_results))


def prepend(
    workflow_id: UUID, links: Iterable[Member], job_id: UUID, *, pass_results: bool | None = None
) -> None:
    """Add links between the one that this job is and the next; see `WorkflowHandle.prepend`."""
    found = _checked_links("prepend", links)
    with transaction.atomic(using=conf.DATABASE):
        growing = Growing.of(workflow_id, WorkflowKind.CHAIN, "prepend")
        current = next((step for step in growing.steps if step.job_id == job_id), None)
        if current is None:
            raise InvalidWorkflow(f"prepend: the job {job_id} is no link of the chain")
        _make_room(growing, current.position, len(found))
        needs = StepNeed.objects.using(conf.DATABASE).filter(needs=current.pk)
        of_the_next = list(needs.values_list("pk", flat=True))
        added = _links(growing, found, current, pass_results)
        growing.insert(added)
        # What the next link gets is the result of the last one before it.
        StepNeed.objects.using(conf.DATABASE).filter(pk__in=of_the_next).update(needs=added[-1].pk)


def extend(workflow_id: UUID, graph: Graph, *, before: Iterable[str] = ()) -> None:
    """Add steps to a graph; see `WorkflowHandle.extend`."""
    if not isinstance(graph, Graph) or not graph.parts:
        raise InvalidWorkflow(f"extend: {graph!r} must be a workflow() with steps")
    if isinstance(before, str):
        raise InvalidWorkflow(f"extend: before: {before!r} must be a list of names")
    with transaction.atomic(using=conf.DATABASE):
        growing = Growing.of(workflow_id, WorkflowKind.WORKFLOW, "extend")
        known = {step.name: step for step in growing.steps}
        held = [_held_back(known, name) for name in dict.fromkeys(before)]
        _check_names(growing, graph, known, held)
        made = _parts(growing, graph, known)
        _hold_back(growing, held, _ends_of(graph, made))
        growing.insert(list(made.values()))


def _links(
    growing: Growing, links: Sequence[Member], before: Step, pass_results: bool | None
) -> list[Step]:
    """Plan links that come after a step of the chain, one after the other."""
    if before.state not in (StepState.WAITING, StepState.ACTIVE):
        raise WorkflowEnded(f"The link {before.name!r} has {before.state}: nothing comes after it.")
    if pass_results is None:
        pass_results = any(step.pass_results for step in growing.steps)
    added: list[Step] = []
    # Numbers only grow, so that no two links of a chain have one name.
    number, position = len(growing.steps), before.position
    for link in links:
        number, position = number + 1, position + 1
        label = link.label if isinstance(link, Signature) else link.name or kind_of(link)
        takes = pass_results and before.kind in WITH_RESULTS and isinstance(link, Signature)
        step = growing.plan.step(
            growing.flow, link, f"{number} {label}", position, results=int(takes), waits_for=1
        )
        growing.plan.needs.append(StepNeed(step_id=step.pk, needs_id=before.pk))
        added.append(step)
        before = step
    return added


def _make_room(growing: Growing, position: int, places: int) -> None:
    """Let so many places be free after this one."""
    later = Step.objects.using(conf.DATABASE).filter(
        workflow=growing.flow.pk, position__gt=position
    )
    later.update(position=F("position") + ALOFT)
    later.update(position=F("position") - ALOFT + places)


def _parts(growing: Growing, graph: Graph, known: dict[str, Step]) -> dict[str, Step]:
    """Plan the steps of the graph, each of which may come after those that are there."""
    own = {part.name: part for part in graph.parts}
    made: dict[str, Step] = {}
    position = growing.steps[-1].position
    for part in graph.parts:
        position += 1
        waits_for = [
            name for name in part.after if name in own or known[name].state != StepState.SUCCEEDED
        ]
        taken = [name for name in part.after if _has_result(name, own, known)]
        made[part.name] = growing.plan.step(
            growing.flow,
            part.what,
            part.name,
            position,
            results=len(taken) if part.pass_results else 0,
            waits_for=len(waits_for),
        )
    growing.plan.needs += [
        StepNeed(step_id=made[part.name].pk, needs_id=(made.get(name) or known[name]).pk)
        for part in graph.parts
        for name in part.after
    ]
    return made


def _hold_back(growing: Growing, held: Sequence[Step], ends: Sequence[Step]) -> None:
    """Let steps that wait come after these too."""
    growing.plan.needs += [
        StepNeed(step_id=step.pk, needs_id=end.pk) for step in held for end in ends
    ]
    rows = Step.objects.using(conf.DATABASE).filter(pk__in=[step.pk for step in held])
    rows.update(waits_for=F("waits_for") + len(ends))


def _ends_of(graph: Graph, made: dict[str, Step]) -> list[Step]:
    """The steps that no other one of the graph comes after."""
    inner = {name for part in graph.parts for name in part.after}
    return [step for name, step in made.items() if name not in inner]


def _has_result(name: str, own: dict[str, Part], known: dict[str, Step]) -> bool:
    if name in own:
        return has_result(own[name].what)
    return known[name].kind in WITH_RESULTS


def _held_back(known: dict[str, Step], name: str) -> Step:
    step = known.get(name)
    if step is None:
        raise InvalidWorkflow(f"extend: before: no step {name!r}")
    if step.state != StepState.WAITING:
        raise InvalidWorkflow(
            f"extend: before: the step {name!r} does not wait, it is {step.state}"
        )
    return step


def _check_names(
    growing: Growing, graph: Graph, known: dict[str, Step], held: Sequence[Step]
) -> None:
    """Raises InvalidWorkflow for names that there are already, or are not, and for circles."""
    own = {part.name for part in graph.parts}
    for part in graph.parts:
        if part.name in known:
            raise InvalidWorkflow(f"step {part.name!r}: there is a step of this name already")
        for name in part.after:
            if name in own:
                continue
            if name not in known:
                raise InvalidWorkflow(f"step {part.name!r}: after: no step {name!r}")
            if known[name].state in (StepState.FAILED, StepState.CANCELLED):
                raise InvalidWorkflow(
                    f"step {part.name!r}: after: the step {name!r} has {known[name].state}"
                )
    names = {step.pk: step.name for step in growing.steps}
    after: dict[str, set[str]] = {part.name: set(part.after) for part in graph.parts}
    after |= {step.name: set() for step in growing.steps}
    needs = StepNeed.objects.using(conf.DATABASE).filter(step__workflow=growing.flow.pk)
    for step_id, needed_id in needs.values_list("step_id", "needs_id"):
        after[names[step_id]].add(names[needed_id])
    for step in held:
        after[step.name] |= own
    check_circles("extend", after)


def _checked_links(doing: str, links: Iterable[Member]) -> tuple[Member, ...]:
    found = checked_members(links)
    if not found:
        raise InvalidWorkflow(f"{doing}: must have at least one link")
    return found
