"""Lists, shows and cancels workflows, retries their failures, decides and signals steps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.management.command import (
    OperatorCommand,
    json_value,
    nothing,
    positive,
    refusal,
    uuid,
)
from jobs.management.output import counted, table
from jobs.models import StepState, Workflow, WorkflowState
from jobs.workflows import operating, overview, pruning
from jobs.workflows.handles import find

WORDS = ("list", "show", "cancel", "retry", "approve", "reject", "signal", "prune")
OF_STEPS = ("approve", "reject", "signal")
STATES = [state for state in WorkflowState.values if state != WorkflowState.WAITING]


class Command(OperatorCommand):
    help = (
        "List chains, batches and workflows, the newest first; show one with its steps; cancel one "
        "with all that is nested in it; retry its failures; approve or reject a step of it, or "
        "send a signal to one that waits for it; prune those that ended long ago."
    )
    exit_codes: ClassVar = {1: "nothing was done: it had ended, or none of its jobs has failed"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", choices=WORDS, default="list")
        parser.add_argument("id", nargs="?", type=uuid, metavar="ID", help="of a workflow")
        parser.add_argument("step", nargs="?", default="", metavar="STEP", help="its name")
        parser.add_argument(
            "--payload", type=json_value, metavar="JSON", help="what a signal brings along"
        )
        parser.add_argument(
            "--state", choices=STATES, default="", help="list these only, or prune these only"
        )
        parser.add_argument(
            "--hours", type=positive, metavar="N", help="prune those that ended longer ago"
        )
        parser.add_argument(
            "--unfinished",
            action="store_true",
            help="prune: cancel those too that began longer ago and have not ended",
        )
        parser.add_argument("--name", default="", help="list those of this name only")
        parser.add_argument("--tag", default="", help="list those with this tag only")
        parser.add_argument("--limit", type=positive, default=20, help="list so many; 20")

    def operate(self, **options: Any) -> None:
        action = options["action"]
        if action == "list":
            if options["id"]:
                raise refusal("list takes no ID: say show ID.")
            self._list(options)
            return
        if action == "prune":
            self._prune(options)
            return
        if options["id"] is None:
            raise refusal(f"{action}: say the ID of a workflow.")
        if (action in OF_STEPS) != bool(options["step"]):
            raise refusal(
                f"{action}: {'say the STEP' if not options['step'] else 'takes no STEP'}."
            )
        if options["payload"] is not None and action != "signal":
            raise refusal(f"{action}: takes no --payload.")
        flow = find(options["id"])
        if action == "show":
            self._show(flow, options)
        elif options["dry_run"]:
            self.show(options, {"would": action, "workflow": flow.pk}, f"Would {action} {flow}.")
        elif action == "cancel":
            self._cancel(flow, options)
        elif action == "retry":
            self._retry(flow, options)
        elif action == "signal":
            self._signal(flow, options)
        else:
            self._decide(flow, options)

    def _prune(self, options: Mapping[str, Any]) -> None:
        if options["id"] or options["hours"] is None:
            raise refusal("prune takes no ID: say how old with --hours.")
        age = dt.timedelta(hours=options["hours"])
        rule: dict[str, Any] = {"unfinished": options["unfinished"]}
        if options["state"]:
            rule["states"] = [options["state"]]
        if options["dry_run"]:
            report = pruning.preview(age, **rule)
            removed, cancelled = "Would remove", "cancel"
        else:
            actor, reason = Actor.of_command(), options["reason"]
            report = pruning.prune(age, actor, **rule, reason=reason)
            removed, cancelled = "Removed", "cancelled"
        told = f"{removed} {counted(report.removed, 'workflow')}"
        told += f", {cancelled} {report.cancelled:,}" if options["unfinished"] else ""
        self.show(options, report, f"{told}.")
        if not (report.removed or report.cancelled or options["dry_run"]):
            raise nothing("No workflow is so old.")

    def _list(self, options: Mapping[str, Any]) -> None:
        found = overview.newest(
            options["limit"], state=options["state"], name=options["name"], tag=options["tag"]
        )
        rows = [
            (
                one.id,
                one.kind,
                one.name,
                one.state,
                f"{one.progress.percent}%",
                one.progress.total,
                one.progress.failed,
                one.created_at,
            )
            for one in found
        ]
        headings = ("id", "kind", "name", "state", "done", "members", "failed", "created")
        self.show(options, {"workflows": found}, table(headings, rows))

    def _show(self, flow: Workflow, options: Mapping[str, Any]) -> None:
        facts, steps = overview.facts_of(flow), overview.steps_of(flow.pk)
        members = overview.members_of(flow)
        counts = facts.progress
        parts = [
            f"{flow}: {flow.state}, {counts.percent}% of {counted(counts.total, 'member')}; "
            f"{counts.succeeded:,} succeeded, {counts.failed:,} failed, "
            f"{counts.cancelled:,} cancelled."
        ]
        if steps:
            rows = [
                (one.name, one.kind, one.state, one.needs, one.workflow or one.job, one.decided_by)
                for one in steps
            ]
            headings = ("step", "kind", "state", "needs", "job or workflow", "decided by")
            parts.append(table(headings, rows))
        if members:
            jobs = [(one.id, one.definition, one.state) for one in members]
            parts.append(table(("job", "definition", "state"), jobs))
        data = {"workflow": facts, "steps": steps, "jobs": members}
        self.show(options, data, "\n\n".join(parts))

    def _cancel(self, flow: Workflow, options: Mapping[str, Any]) -> None:
        report = operating.cancel([flow.pk], Actor.of_command(), options["reason"])
        text = (
            f"Cancelled {counted(report.workflows, 'workflow')}, with "
            f"{counted(report.cancelled, 'job')} that waited; asked "
            f"{counted(report.requested, 'running job')} to stop."
        )
        self.show(options, report, text)
        if not report.workflows:
            raise nothing(f"{flow} had ended, or was cancelled already.")

    def _retry(self, flow: Workflow, options: Mapping[str, Any]) -> None:
        report = operating.retry_failures([flow.pk], Actor.of_command(), options["reason"])
        data = {"retried": report.retried, "refused": report.refused, "jobs": report.job_ids}
        lines = [f"Retried {counted(report.retried, 'failed job')}."]
        lines += [f"  refused {count:,}: {why}" for why, count in report.refused.items()]
        self.show(options, data, "\n".join(lines))
        if report.refused or not report.retried:
            raise nothing("Some could not be retried." if report.refused else "None has failed.")

    def _signal(self, flow: Workflow, options: Mapping[str, Any]) -> None:
        step = operating.signal(
            flow.pk, options["step"], options["payload"], Actor.of_command(), options["reason"]
        )
        data = {"workflow": flow.pk, "step": step.name, "state": step.state}
        waits = " It is kept until the step begins." if step.state == StepState.WAITING else ""
        self.show(options, data, f"The signal reached the step {step.name}.{waits}")

    def _decide(self, flow: Workflow, options: Mapping[str, Any]) -> None:
        step = operating.decide(
            flow.pk,
            options["step"],
            Actor.of_command(),
            approved=options["action"] == "approve",
            reason=options["reason"],
        )
        data = {"workflow": flow.pk, "step": step.name, "state": step.state}
        self.show(options, data, f"The step {step.name} is {step.state}.")
