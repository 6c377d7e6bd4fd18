"""Trees of workflows under claims, ends, late ends, kills, cancellations, approvals and retries in
any order, against a model: counters equal the model's, callbacks come once, nothing is stuck."""

from __future__ import annotations

from itertools import count
from typing import Any

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

from jobs import batch, chain, workflow
from jobs.cancelling import cancel
from jobs.execution import rescue
from jobs.failures import redrive
from jobs.ledger import ledger
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models import Attempt, AuditEntry, FailedJob, Job, Step, Workflow
from jobs.workflows import operating
from jobs.workflows.handles import CODE, WorkflowHandle
from tests.jobs.workflows.flow_jobs import say, tell
from tests.jobs.workflows.model import FINAL, Node

WORKERS = (1, 2)
ENDS = ("succeeded", "succeeded", "succeeded", "failed", "failed", "ready", "cancelled")
numbers = count()


@st.composite
def shapes(draw: st.DrawFn, depth: int = 0) -> Node:
    """A group, and what is in it."""
    kind = draw(st.sampled_from(["chain", "batch", "workflow"]))
    node = Node("", kind, allows=kind == "batch" and draw(st.booleans()))
    size = draw(st.integers(0 if kind == "batch" else 1, 3))
    for _ in range(size):
        kinds = ["job", "job"] + ["group"] * (depth < 2) + ["approval"] * (kind == "workflow")
        of = draw(st.sampled_from(kinds))
        child = draw(shapes(depth + 1)) if of == "group" else Node("", of)
        child.parent = node
        if kind == "chain":
            child.needs = node.children[-1:]
        elif kind == "workflow" and node.children:
            child.needs = draw(st.lists(st.sampled_from(node.children), unique=True))
        node.children.append(child)
    return node


def built(node: Node) -> Any:
    if node.kind == "job":
        return say.s(node.name)
    options: dict[str, Any] = {
        "name": node.name,
        "then": tell.s("then"),
        "catch": tell.s("catch"),
        "finally_": tell.s("finally"),
    }
    if node.kind == "batch":
        return batch(
            [built(child) for child in node.children], allow_failures=node.allows, **options
        )
    if node.kind == "chain":
        return chain(*[built(child) for child in node.children], **options)
    graph = workflow(**options)
    for child in node.children:
        after = [need.name for need in child.needs]
        if child.kind == "approval":
            graph = graph.approval(child.name, after=after)
        else:
            graph = graph.step(child.name, built(child), after=after)
    return graph


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        for model in (Step, Workflow, FailedJob, Attempt, AuditEntry, Job):
            model._base_manager.all().delete()
        self.book = ledger()
        self.trees: list[Node] = []
        self.handles: dict[str, WorkflowHandle] = {}
        self.jobs: dict[str, Node] = {}
        self.held: list[tuple[ClaimedJob, Node]] = []
        self.valid: set[tuple[Any, int]] = set()
        self.asked_roots: set[str] = set()

    def newest(self) -> dict[str, Job]:
        rows = Job.objects.filter(definition=say.path).order_by("pk")
        return {job.arguments["args"][0]: job for job in rows}

    @precondition(lambda self: len(self.trees) < 2)
    @rule(tree=shapes())
    def enqueue(self, tree: Node) -> None:
        for node in tree:
            node.name = f"n{next(numbers)}"
            if node.kind == "job":
                self.jobs[node.name] = node
        self.handles[tree.name] = built(tree).enqueue()
        self.trees.append(tree)
        tree.start()
        tree.settle()

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def claim(self, worker: int, limit: int) -> None:
        for job in self.book.claim(worker_id=worker, queues=["default"], limit=limit):
            if job.definition != say.path or job.arguments["args"][0] not in self.jobs:
                continue
            node = self.jobs[job.arguments["args"][0]]
            if job.chain is None:
                # A retry on its own, of a workflow that was cancelled.
                continue
            assert node.state == "ready"
            node.state = "running"
            self.held.append((job, node))
            self.valid.add((job.id, job.fence))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        places = st.sampled_from(range(len(self.held)))
        chosen = data.draw(st.lists(places, min_size=1, max_size=3, unique=True))
        some = [(*self.held[place], data.draw(st.sampled_from(ENDS))) for place in chosen]
        accepted = self.book.complete([_outcome(job, state) for job, _, state in some]).accepted
        expected = [job for job, _, _ in some if (job.id, job.fence) in self.valid]
        assert [outcome.job for outcome in accepted] == expected
        ended = [(node, state) for job, node, state in some if job in expected]
        self.valid -= {(job.id, job.fence) for job in expected}
        for node, state in ended:
            if state == "ready" and not node.asked:
                node.state = "ready"
            else:
                node.state = node.step = "cancelled" if state == "ready" else state
        for node, _ in ended:
            if node.state in FINAL:
                node.end(node.state)
        self.settle()

    @rule(worker=st.sampled_from(WORKERS), timed_out=st.booleans())
    def kill(self, worker: int, timed_out: bool) -> None:
        rescue.rescue(
            self.book, [worker], detail="signal 9", timed_out=timed_out, interrupted=not timed_out
        )
        ended = []
        for job, node in self.held:
            if job.worker_id == worker and (job.id, job.fence) in self.valid:
                self.valid.discard((job.id, job.fence))
                if timed_out:
                    node.state = node.step = "failed"
                else:
                    node.state = "cancelled" if node.asked else "ready"
                    node.step = "cancelled" if node.asked else node.step
                ended.append(node)
        for node in ended:
            if node.state in FINAL:
                node.end(node.state)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        job, node = data.draw(st.sampled_from(self.held))
        is_valid = (job.id, job.fence) in self.valid
        assert self.book.give_back([job]) == int(is_valid)
        if is_valid:
            self.valid.discard((job.id, job.fence))
            node.state = "ready"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        job, node = self.newest()[name], self.jobs[name]
        if job.chain is None:
            return
        cancel([job.pk], CODE)
        node.stop()
        self.settle()

    @precondition(lambda self: self.trees)
    @rule(data=st.data())
    def cancel_all(self, data: st.DataObject) -> None:
        tree = data.draw(st.sampled_from(self.trees))
        self.handles[tree.name].cancel()
        if tree.state not in FINAL:
            tree.stop()
            self.settle()

    @precondition(lambda self: any(job.state == "failed" for job in self.jobs.values()))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        failed = sorted(name for name, node in self.jobs.items() if node.state == "failed")
        name = data.draw(st.sampled_from(failed))
        node = self.jobs[name]
        rows = FailedJob.objects.filter(definition=say.path).unretried()
        row = next((one for one in rows if one.arguments["args"] == [name]), None)
        if row is None or node.root.stopped:
            return
        assert redrive.retry([row.pk], CODE).retried == 1
        node.retry()
        self.settle()

    @precondition(lambda self: self.approvals())
    @rule(data=st.data(), approved=st.booleans())
    def decide(self, data: st.DataObject, approved: bool) -> None:
        node = data.draw(st.sampled_from(self.approvals()))
        assert node.parent is not None
        flow = Workflow.objects.get(name=node.parent.name)
        operating.decide(flow.pk, node.name, CODE, approved=approved)
        node.end("succeeded" if approved else "failed")
        self.settle()

    def approvals(self) -> list[Node]:
        return [
            node
            for tree in self.trees
            for node in tree
            if node.kind == "approval" and node.state == "active"
        ]

    def settle(self) -> None:
        for tree in self.trees:
            tree.settle()

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        rows = {flow.name: flow for flow in Workflow.objects.all()}
        called: dict[tuple[str, str], int] = {}
        names = {str(flow.pk): flow.name for flow in rows.values()}
        for job in Job.objects.filter(definition=tell.path):
            key = (names[job.arguments["kwargs"]["batch_id"]], job.arguments["args"][0])
            called[key] = called.get(key, 0) + 1
        groups = [node for tree in self.trees for node in tree if node.is_group]
        assert called == {
            (group.name, which): times
            for group in groups
            for which, times in group.called.items()
            if times
        }
        for group in groups:
            flow = rows[group.name]
            found = {name: getattr(flow, name) for name in FINAL}
            assert (flow.state, found) == (group.state, group.counts()), group
            assert flow.total == len(group.children)
        newest = self.newest()
        for name, node in self.jobs.items():
            shown = "blocked" if node.state == "waiting" else node.state
            assert newest[name].state == shown, node
            if shown == "running":
                assert newest[name].cancel_requested == node.asked

    def teardown(self) -> None:
        """Whatever is left can be run to its end."""
        for worker in WORKERS:
            self.kill(worker, timed_out=False)
        while True:
            self.claim(worker=1, limit=50)
            left = [job for job, _ in self.held if (job.id, job.fence) in self.valid]
            if left:
                for job, node in self.held:
                    if (job.id, job.fence) in self.valid:
                        node.state = node.step = "succeeded"
                self.valid.clear()
                self.book.complete([_outcome(job, "succeeded") for job in left])
                self.settle()
            elif waiting := self.approvals():
                flow = Workflow.objects.get(name=waiting[0].parent.name)  # type: ignore[union-attr]
                operating.decide(flow.pk, waiting[0].name, CODE, approved=True)
                waiting[0].end("succeeded")
                self.settle()
            else:
                break
        self.everything_is_as_the_model_says()
        open_states = ["waiting", "active", "running"]
        assert not Workflow.objects.filter(state__in=open_states).exists()
        assert not Step.objects.filter(state__in=open_states).exists()
        assert (
            not Job.objects.filter(definition=say.path, chain__isnull=False).unfinished().exists()
        )


def _outcome(job: ClaimedJob, state: str) -> Outcome:
    kinds = {"ready": "released", "cancelled": "discarded"}
    return Outcome(
        job=job,
        outcome=kinds.get(state, state),
        state=state,
        started=microseconds(job.started_at),
        finished=microseconds(job.started_at) + 1_000,
        is_exception=state == "failed",
        failure=Failure(reason="exception", fingerprint="f") if state == "failed" else None,
    )


@pytest.mark.django_db(transaction=True)
def test_workflows_come_to_their_ends_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
