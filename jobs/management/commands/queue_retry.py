"""Retries failed jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.failures import editing, operations
from jobs.failures.redrive import RedriveReport, retry
from jobs.management.command import OperatorCommand, nothing, positive, refusal, uuid
from jobs.management.driving import drive, facts_of
from jobs.management.failed_jobs import add_filters, matching, of_ids, scope_of
from jobs.management.output import counted, table
from jobs.models import FailedJob, OperationState
from jobs.models.failure import FailedJobQuerySet

IDS_SHOWN = 20
FILTERS = ("queue", "group", "definition", "exception", "argument", "since", "until")


class Command(OperatorCommand):
    help = (
        "Retry failed jobs: by ID, of the failed job or of its job; all; or all that match the "
        "filters together. Each becomes a new job that is linked to the old one, which stays as it "
        "is. One that was retried before is skipped. With --rate or --background it is an "
        "operation that can be watched and stopped: see queue_operations."
    )
    exit_codes: ClassVar = {1: "nothing was retried, or some could not be"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", type=uuid, metavar="ID")
        parser.add_argument("--all", action="store_true", help="all that were not retried yet")
        add_filters(parser, age="since")
        parser.add_argument(
            "--rate", type=positive, metavar="N", help="N a second at the most, not all at once"
        )
        parser.add_argument(
            "--background", action="store_true", help="leave it to the clock of a cluster"
        )
        parser.add_argument(
            "--arguments",
            metavar="JSON",
            help='retry the one of this ID with other arguments: {"args": [], "kwargs": {}}',
        )

    def operate(self, **options: Any) -> None:
        if options["arguments"] is not None:
            self._edit(options)
            return
        failed, scope = _chosen(options)
        if options["dry_run"]:
            self._tell(failed, scope, options)
        elif options["rate"] or options["background"]:
            self._order(scope, options)
        else:
            self._retry(failed, scope, options)

    def _retry(
        self, failed: FailedJobQuerySet | list[UUID], scope: str, options: Mapping[str, Any]
    ) -> None:
        report = retry(failed, Actor.of_command(), options["reason"], scope=scope)
        data = {
            "retried": report.retried,
            "skipped": report.skipped,
            "refused": report.refused,
            "jobs": report.job_ids,
        }
        self.show(options, data, _text(report))
        if report.refused:
            raise nothing("Some failed jobs could not be retried.")
        if not report.retried:
            raise nothing(f"Nothing was retried: {scope}.")

    def _order(self, scope: str, options: Mapping[str, Any]) -> None:
        """Start an operation, and carry it out here unless a cluster's clock is to do it."""
        rows, _ = matching(options)
        if not rows.unretried().exists():
            self.show(options, {"retried": 0}, f"No {scope.removeprefix('all ')}.")
            raise nothing(f"Nothing was retried: {scope}.")
        operation = operations.start(
            scope_of(options),
            Actor.of_command(),
            options["reason"],
            words=scope,
            rate=options["rate"],
        )
        if options["background"]:
            told = (
                f"Operation {operation.pk}: {counted(operation.total, 'failed job')} to retry "
                f"({scope}). See queue_operations show {operation.pk}."
            )
            self.show(options, facts_of(operation), told)
            return
        drive(self, operation, options)
        if operation.refused:
            raise nothing("Some failed jobs could not be retried.")
        if operation.state != OperationState.FINISHED:
            raise nothing(f"Operation {operation.pk} is {operation.state}.")

    def _edit(self, options: Mapping[str, Any]) -> None:
        """Retry one failed job with other arguments."""
        given = [f"--{name}" for name in ("all", "rate", "background", *FILTERS) if options[name]]
        if len(options["ids"]) != 1 or given:
            raise refusal("--arguments goes with the ID of one failed job and nothing else.")
        (found,) = of_ids(options["ids"])
        failed = FailedJob.objects.using(conf.DATABASE).get(pk=found.pk)
        edit = editing.Edit(arguments=_payload(options["arguments"]))
        editing.check(failed, edit)
        changes = editing.difference(failed, edit)
        shown = table(
            ("parameter", "old", "new"),
            [(one.name, _value(one.before), _value(one.after)) for one in changes],
        )
        text = shown if changes else "The arguments are the same as before."
        data: dict[str, Any] = {
            "changes": {
                one.name: {
                    side: getattr(one, side)
                    for side in ("before", "after")
                    if getattr(one, side) is not editing.MISSING
                }
                for one in changes
            }
        }
        if options["dry_run"]:
            self.show(options, {"would_retry": 1, **data}, f"Would retry {failed}:\n{text}")
            return
        job_id = editing.retry_edited(failed.pk, edit, Actor.of_command(), options["reason"])
        data |= {"retried": 1, "jobs": [job_id]}
        self.show(options, data, f"{text}\n\nRetried {failed} as {job_id}.")

    def _tell(
        self, failed: FailedJobQuerySet | list[UUID], scope: str, options: Mapping[str, Any]
    ) -> None:
        count = len(failed) if isinstance(failed, list) else failed.count()
        data = {"would_retry": count, "scope": scope}
        self.show(options, data, f"Would retry {counted(count, 'failed job')}: {scope}.")
        if not count:
            raise nothing("Nothing to retry.")


def _chosen(options: Mapping[str, Any]) -> tuple[FailedJobQuerySet | list[UUID], str]:
    filtered = any(options[name] for name in FILTERS)
    if sum((bool(options["ids"]), options["all"], filtered)) != 1:
        raise refusal(
            "Say which: one or more ids, or --all, or filters "
            f"({', '.join(f'--{name}' for name in FILTERS)})."
        )
    if options["ids"]:
        if options["rate"] or options["background"]:
            raise refusal("--rate and --background are for --all or filters, not for ids.")
        rows = of_ids(options["ids"])
        names = ", ".join(str(row.pk) for row in rows)
        return [row.pk for row in rows], f"failed jobs {names}" if len(rows) > 1 else str(rows[0])
    matched, words = matching(options)
    return matched.unretried(), f"{words} that were not retried yet"


def _payload(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise refusal(f"--arguments: {text!r} is not JSON: {error}") from None


def _value(value: Any) -> str:
    return repr(value) if value is editing.MISSING else json.dumps(value, ensure_ascii=False)


def _text(report: RedriveReport) -> str:
    lines = [f"Retried {counted(report.retried, 'failed job')}; skipped {report.skipped:,}."]
    lines += [f"  refused {count:,}: {why}" for why, count in report.refused.items()]
    lines += [f"  {job_id}" for job_id in report.job_ids[:IDS_SHOWN]]
    if report.retried > IDS_SHOWN:
        lines.append(f"  and {report.retried - IDS_SHOWN:,} more")
    return "\n".join(lines)
