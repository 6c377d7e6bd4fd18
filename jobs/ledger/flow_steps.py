"""Steps of workflows: starting those that wait for nothing more, and stopping what must not run."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from jobs.ledger.flow_rows import Advance, Ended
from jobs.ledger.outcome import CancelledLink
from jobs.ledger.places import Places
from jobs.ledger.rows import as_uuid, compact_json
from jobs.ledger.sql import FREED

STOPPED = "its workflow ended before it"

_DECIDED = ("approval", "signal")
"""The kinds of steps that somebody decides; as SQL too."""
_WITH_RESULTS = ("job", "workflow", "signal")


class FlowSteps(Places):
    """The part of the ledger that starts and stops the members of workflows.

    For callers that have locked the trees with `lock_workflows`.
    """

    def _start_steps(self, step_ids: Iterable[UUID], done: Advance) -> None:
        """Start these steps if they wait, and the first members of workflows among them."""
        left = list(step_ids)
        while left:
            some, values = self._among("id", left)
            found = self._fetch(
                f"UPDATE jobs_step SET state = 'active' WHERE {some} AND state = 'waiting' "
                # Not whether it is null: SQLite 3.40 is wrong about that in a RETURNING.
                "RETURNING id, kind, job_id, child_id, delay, pass_results, workflow_id, "
                "decided_at",
                values,
            )
            self._put_results([as_uuid(row[0]) for row in found if row[5]])
            self._free_jobs("id", [as_uuid(row[2]) for row in found if row[1] == "job"], done)
            self._start_timers([(as_uuid(row[2]), row[4]) for row in found if row[1] == "timer"])
            # A signal may have come before its time.
            done.ended += [
                Ended(as_uuid(row[6]), "succeeded", step=as_uuid(row[0]))
                for row in found
                if row[1] == "signal" and row[7] is not None
            ]
            children = [as_uuid(row[3]) for row in found if row[1] == "workflow"]
            left = self._start_workflows(children, done)

    def _start_workflows(self, ids: Sequence[UUID], done: Advance) -> list[UUID]:
        """Start nested workflows; return those of their steps that need no other."""
        if not ids:
            return []
        some, values = self._among("id", ids)
        found = self._fetch(
            f"UPDATE jobs_workflow SET state = 'running' WHERE {some} AND state = 'waiting' "
            "RETURNING id, kind",
            values,
        )
        started = [as_uuid(row[0]) for row in found]
        if not started:
            return []
        done.looked_at.update(started)
        batches = [as_uuid(row[0]) for row in found if row[1] == "batch"]
        self._free_jobs("chain", batches, done)
        some, values = self._among("workflow_id", started)
        first = self._fetch(
            f"SELECT id FROM jobs_step WHERE {some} AND state = 'waiting' AND waits_for = 0",
            values,
        )
        return [as_uuid(row[0]) for row in first]

    def _free_jobs(self, column: str, ids: Sequence[UUID], done: Advance) -> None:
        """Let jobs go that the workflow held back."""
        if not ids:
            return
        some, values = self._among(column, ids)
        now = self._moment(self.now())
        found = self._fetch(
            f"UPDATE jobs_job SET {FREED} WHERE {some} AND state = 'blocked' "
            "RETURNING id, queue, priority, tenant",
            [now, now, now, *values],
        )
        self._let_in(found)
        done.queues |= {row[1] for row in found}

    def _start_timers(self, timers: Sequence[tuple[UUID, Any]]) -> None:
        by_delay: dict[dt.timedelta, list[UUID]] = defaultdict(list)
        for job_id, delay in timers:
            by_delay[_as_delay(delay)].append(job_id)
        for delay, job_ids in by_delay.items():
            some, values = self._among("id", job_ids)
            self._run(
                f"UPDATE jobs_job SET state = 'scheduled', due_at = %s WHERE {some} "
                "AND state = 'blocked'",
                [self._moment(self.now() + delay), *values],
            )

    def _put_results(self, step_ids: Sequence[UUID]) -> None:
        """Put what the needed steps returned before the arguments of the jobs of these steps, in
        the order in which they are needed; once, as a repeated job has them already."""
        if not step_ids:
            return
        some, values = self._among("need.step_id", step_ids)
        needed = self._fetch(
            "SELECT step.job_id, source.kind, source.child_id, "
            "COALESCE(job.result, source.payload) "
            "FROM jobs_stepneed AS need JOIN jobs_step AS step ON step.id = need.step_id "
            "JOIN jobs_step AS source ON source.id = need.needs_id "
            "LEFT JOIN jobs_job AS job ON job.id = source.job_id "
            f"WHERE {some} AND source.kind IN {_WITH_RESULTS} ORDER BY need.id",
            values,
        )
        results: dict[UUID, list[Any]] = defaultdict(list)
        for job_id, kind, child, result in needed:
            found = self._result_of(as_uuid(child)) if kind == "workflow" else _as_json(result)
            results[as_uuid(job_id)].append(found)
        if results:
            some, values = self._among("id", list(results))
            for job_id, text in self._fetch(
                f"SELECT id, arguments FROM jobs_job WHERE {some} AND state = 'blocked'", values
            ):
                arguments = _as_json(text)
                arguments["args"] = [*results[as_uuid(job_id)], *arguments["args"]]
                self._run(
                    "UPDATE jobs_job SET arguments = %s WHERE id = %s",
                    [compact_json(arguments), job_id],
                )
        some, values = self._among("id", step_ids)
        self._run(f"UPDATE jobs_step SET pass_results = false WHERE {some}", values)

    def _result_of(self, workflow_id: UUID) -> Any:
        """What a nested workflow returns: a chain its last result, a batch the list of those of
        its members that succeeded, a graph a dict by step."""
        ((kind,),) = self._fetch(
            "SELECT kind FROM jobs_workflow WHERE id = %s", [self._uuid(workflow_id)]
        )
        if kind == "batch":
            jobs = self._fetch(
                "SELECT id, result FROM jobs_job WHERE chain = %s AND state = 'succeeded'",
                [self._uuid(workflow_id)],
            )
            members = [(as_uuid(row[0]), _as_json(row[1])) for row in jobs]
            members += [
                (child, self._result_of(child)) for _, child in self._children([workflow_id])
            ]
            # Ids rise in the order in which members were added.
            return [result for _, result in sorted(members, key=lambda member: member[0])]
        found = self._fetch(
            "SELECT step.name, step.kind, step.child_id, COALESCE(job.result, step.payload) "
            "FROM jobs_step AS step LEFT JOIN jobs_job AS job ON job.id = step.job_id "
            f"WHERE step.workflow_id = %s AND step.kind IN {_WITH_RESULTS} "
            "ORDER BY step.position",
            [self._uuid(workflow_id)],
        )
        results = {
            name: self._result_of(as_uuid(child)) if of == "workflow" else _as_json(result)
            for name, of, child, result in found
        }
        if kind == "chain":
            return list(results.values())[-1] if results else None
        return results

    def _cancel_steps(self, step_ids: Sequence[UUID], done: Advance) -> None:
        """Cancel these steps unless they have ended."""
        if not step_ids:
            return
        some, values = self._among("id", step_ids)
        found = self._fetch(
            "SELECT id, workflow_id, kind, job_id, child_id FROM jobs_step "
            f"WHERE {some} AND state IN ('waiting', 'active')",
            values,
        )
        self._stop_jobs("id", [as_uuid(row[3]) for row in found if row[3] is not None], done)
        self._stop_trees([as_uuid(row[4]) for row in found if row[4] is not None], done)
        done.ended += [
            Ended(as_uuid(row[1]), "cancelled", step=as_uuid(row[0]))
            for row in found
            if row[2] in _DECIDED
        ]

    def _stop_trees(self, ids: Collection[UUID], done: Advance) -> None:
        """Stop these workflows with all that is nested in them: what waits is cancelled, and what
        runs is asked to stop."""
        trees, level = set(ids), list(ids)
        while level:
            level = [child for _, child in self._children(level) if child not in trees]
            trees.update(level)
        if not trees:
            return
        some, values = self._among("id", sorted(trees))
        found = self._fetch(
            f"UPDATE jobs_workflow SET cancelled_at = COALESCE(cancelled_at, %s) WHERE {some} "
            "AND state IN ('waiting', 'running') RETURNING id",
            [self._moment(self.now()), *values],
        )
        stopped = sorted(as_uuid(row[0]) for row in found)
        done.looked_at.update(stopped)
        self._stop_members(stopped, done)

    def _stop_members(self, workflow_ids: Sequence[UUID], done: Advance) -> None:
        """Stop the jobs of these workflows, and their steps that a person decides."""
        if not workflow_ids:
            return
        self._stop_jobs("chain", workflow_ids, done)
        some, values = self._among("workflow_id", workflow_ids)
        found = self._fetch(
            f"SELECT id, workflow_id FROM jobs_step WHERE {some} AND kind IN {_DECIDED} "
            "AND state IN ('waiting', 'active')",
            values,
        )
        done.ended += [
            Ended(as_uuid(workflow), "cancelled", step=as_uuid(step)) for step, workflow in found
        ]

    def _stop_jobs(self, column: str, ids: Sequence[UUID], done: Advance) -> None:
        # One statement: a job that is claimed or given back just now is seen as it is after that.
        if not ids:
            return
        some, values = self._among(column, ids)
        found = self._fetch(
            "UPDATE jobs_job SET cancel_requested = (cancel_requested OR state = 'running'), "
            "finished_at = CASE WHEN state = 'running' THEN finished_at ELSE %s END, "
            "state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END "
            f"WHERE {some} AND state IN ('blocked', 'ready', 'scheduled', 'running') "
            "RETURNING id, definition, queue, attempts, chain, state",
            [self._moment(self.now()), *values],
        )
        for row in found:
            if row[5] == "cancelled":
                job_id = as_uuid(row[0])
                done.cancelled.append(CancelledLink(job_id, row[1], row[2], row[3], STOPPED))
                done.ended.append(Ended(as_uuid(row[4]), "cancelled", job=job_id))

    def _children(self, workflow_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
        """The workflows nested in these, each with the step that it is."""
        some, values = self._among("workflow_id", workflow_ids)
        found = self._fetch(
            f"SELECT id, child_id FROM jobs_step WHERE {some} AND child_id IS NOT NULL", values
        )
        return [(as_uuid(step), as_uuid(child)) for step, child in found]


def _as_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _as_delay(value: Any) -> dt.timedelta:
    """SQLite keeps durations as microseconds."""
    return value if isinstance(value, dt.timedelta) else dt.timedelta(microseconds=value or 0)
