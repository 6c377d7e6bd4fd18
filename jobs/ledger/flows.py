"""Workflows as their members end: counted once each, dependents started or cancelled, callbacks
enqueued exactly once.

Whoever changes anything in a tree of workflows has locked its root first, before any row of a
job: so two ends of one tree come one after the other, and those who lock several trees take them
in one order. Only ends that the ledger has accepted are counted, in the transaction that accepts
them; a late finisher, or a repetition, is not.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.ledger.flow_rows import FLOW_COLUMNS, Advance, Ended, Flow, callback_job
from jobs.ledger.flow_steps import FlowSteps
from jobs.ledger.rows import as_uuid
from jobs.ledger.sql import FINAL

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

AT_ONCE = 1000
"""Workflows that one statement counts for."""


class Flows(FlowSteps):
    """The part of the ledger that advances workflows, the same on both databases."""

    def lock_workflows(self, ids: Collection[UUID]) -> set[UUID]:
        """Lock the trees of these workflows until the transaction ends; return those of the ids
        that are workflows. To be called before rows of jobs are changed."""
        if not ids:
            return set()
        some, values = self._among("id", sorted(ids))
        found = self._fetch(f"SELECT id, root_id FROM jobs_workflow WHERE {some}", values)
        if found:
            roots = sorted({as_uuid(row[1]) for row in found})
            some, values = self._among("root.id", roots)
            self._fetch(
                f"SELECT root.id FROM jobs_workflow AS root WHERE {some} ORDER BY root.id"
                f"{self._for_update('root')}",
                values,
            )
        return {as_uuid(row[0]) for row in found}

    def advance(
        self,
        ended: Iterable[Ended] = (),
        *,
        stopped: Collection[UUID] = (),
        started: Iterable[UUID] = (),
        looked_at: Iterable[UUID] = (),
    ) -> Advance:
        """Bring about what follows from the ends of these members, and from that, until there is
        nothing more; `stopped` are workflows to be cancelled, `started` steps to be started, and
        `looked_at` workflows that may be over. In the transaction that has locked their trees.
        """
        done = Advance(ended=list(ended), looked_at=set(looked_at))
        self._stop_trees(stopped, done)
        self._start_steps(started, done)
        callbacks: list[NewJob] = []
        while done.ended or done.looked_at:
            ends, done.ended = done.ended, []
            looked, done.looked_at = done.looked_at, set()
            flows = self._counted(ends)
            flows |= self._found(looked - flows.keys())
            self._end_steps(ends, flows, done)
            now = self.now()
            callbacks += self._fail(ends, flows, done, now)
            callbacks += self._end([flow for flow in flows.values() if flow.is_over], done, now)
        if callbacks:
            self.insert(callbacks)
            done.queues |= {job.queue for job in callbacks}
        return done

    def _counted(self, ends: Iterable[Ended]) -> dict[UUID, Flow]:
        """Count these ends; return their workflows as they are now."""
        counts: dict[UUID, list[int]] = defaultdict(lambda: [0, 0, 0])
        for end in ends:
            counts[end.workflow][FINAL.index(end.state)] += 1
        items, flows = sorted(counts.items()), {}
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            places = ", ".join(["(%s, %s, %s, %s)"] * len(some))
            found = self._fetch(
                "UPDATE jobs_workflow AS flow SET succeeded = flow.succeeded + told.column2, "
                "failed = flow.failed + told.column3, cancelled = flow.cancelled + told.column4 "
                f"FROM (VALUES {places}) AS told WHERE flow.id = told.column1 "
                f"RETURNING {FLOW_COLUMNS}",
                [value for key, three in some for value in (self._uuid(key), *three)],
            )
            flows.update({flow.id: flow for flow in map(Flow.of, found)})
        return flows

    def _found(self, ids: Collection[UUID]) -> dict[UUID, Flow]:
        if not ids:
            return {}
        some, values = self._among("id", sorted(ids))
        found = self._fetch(f"SELECT {FLOW_COLUMNS} FROM jobs_workflow WHERE {some}", values)
        return {flow.id: flow for flow in map(Flow.of, found)}

    def _end_steps(self, ends: Iterable[Ended], flows: dict[UUID, Flow], done: Advance) -> None:
        """Note the ends of steps, and start or cancel those that need them."""
        by_state: dict[tuple[str, str], list[UUID]] = defaultdict(list)
        for end in ends:
            if end.step is not None:
                by_state[end.state, "id"].append(end.step)
            # The plain jobs of a batch are no steps.
            elif end.job is not None and flows[end.workflow].kind != "batch":
                by_state[end.state, "job_id"].append(end.job)
        succeeded: list[UUID] = []
        others: list[UUID] = []
        for (state, column), ids in by_state.items():
            some, values = self._among(column, ids)
            found = self._fetch(
                f"UPDATE jobs_step SET state = %s WHERE {some} "
                "AND state IN ('waiting', 'active') RETURNING id",
                [state, *values],
            )
            steps = succeeded if state == "succeeded" else others
            steps += [as_uuid(row[0]) for row in found]
        self._start_steps(self._satisfied(succeeded), done)
        self._cancel_steps(self._needing(others), done)

    def _satisfied(self, succeeded: list[UUID]) -> list[UUID]:
        """Those for which one of these steps was the last that they needed."""
        if not succeeded:
            return []
        some, values = self._among("needs_id", succeeded)
        found = self._fetch(
            "UPDATE jobs_step AS step SET waits_for = step.waits_for - told.met "
            f"FROM (SELECT step_id, COUNT(*) AS met FROM jobs_stepneed WHERE {some} "
            "GROUP BY step_id) AS told WHERE step.id = told.step_id AND step.state = 'waiting' "
            "RETURNING id, waits_for",
            values,
        )
        return [as_uuid(step) for step, waits_for in found if waits_for == 0]

    def _needing(self, step_ids: list[UUID]) -> list[UUID]:
        if not step_ids:
            return []
        some, values = self._among("need.needs_id", step_ids)
        found = self._fetch(
            "SELECT DISTINCT step.id FROM jobs_stepneed AS need "
            f"JOIN jobs_step AS step ON step.id = need.step_id WHERE {some} "
            "AND step.state = 'waiting'",
            values,
        )
        return [as_uuid(row[0]) for row in found]

    def _fail(
        self, ends: Iterable[Ended], flows: dict[UUID, Flow], done: Advance, now: dt.datetime
    ) -> list[NewJob]:
        """What a failure brings about: `catch` the first time, and the end of a batch that does not
        allow it. Returns the callbacks."""
        first: dict[UUID, Ended] = {}
        for end in ends:
            if end.state == "failed":
                first.setdefault(end.workflow, end)
        uncaught = [flows[key] for key in first if not flows[key].caught]
        if uncaught:
            some, values = self._among("id", [flow.id for flow in uncaught])
            self._run(f"UPDATE jobs_workflow SET caught = true WHERE {some}", values)
        doomed = [
            key for key in first if flows[key].kind == "batch" and not flows[key].allow_failures
        ]
        if doomed:
            self._stop_members(doomed, done)
            self._stop_trees([child for _, child in self._children(doomed)], done)
        jobs = [callback_job(flow, "catch", now, first[flow.id].job) for flow in uncaught]
        return [job for job in jobs if job is not None]

    def _end(self, over: list[Flow], done: Advance, now: dt.datetime) -> list[NewJob]:
        """End workflows, each once; return the callbacks.

        One that never started calls nobody: what has not begun needs no cleaning up.
        """
        groups: dict[tuple[str, bool], list[Flow]] = defaultdict(list)
        for flow in over:
            groups[flow.outcome, flow.state == "running"].append(flow)
        jobs: list[NewJob | None] = []
        for (state, has_run), flows in groups.items():
            ids = [flow.id for flow in flows]
            some, values = self._among("id", ids)
            self._run(
                "UPDATE jobs_workflow SET state = %s, finished_at = %s, "
                f"then_fired = (then_fired OR {_sql(state == 'succeeded')}), "
                f"finally_fired = (finally_fired OR {_sql(has_run)}) WHERE {some}",
                [state, self._moment(now), *values],
            )
            for flow in flows:
                if state == "succeeded" and not flow.then_fired:
                    jobs.append(callback_job(flow, "then", now))
                if has_run and not flow.finally_fired:
                    jobs.append(callback_job(flow, "finally", now))
            some, values = self._among("child_id", ids)
            # The step of one that was taken up again after it had succeeded has ended long ago.
            found = self._fetch(
                f"SELECT id, workflow_id FROM jobs_step WHERE {some} "
                "AND state IN ('waiting', 'active')",
                values,
            )
            done.ended += [
                Ended(as_uuid(workflow), state, step=as_uuid(step)) for step, workflow in found
            ]
        return [job for job in jobs if job is not None]


def _sql(value: bool) -> Any:
    return "true" if value else "false"
