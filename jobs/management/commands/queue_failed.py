"""Lists failed jobs or their groups, or tells all about one failed job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.conf import settings as conf
from jobs.failures.lineage import lineage
from jobs.failures.tracebacks import marked
from jobs.management import failure_groups
from jobs.management.command import OperatorCommand, positive, refusal, uuid
from jobs.management.failed_jobs import add_filters, matching, of_ids
from jobs.management.output import counted, moment, plain, table
from jobs.models import Attempt, FailedJob, GroupStatus, Job
from jobs.privacy.masking import masked

LIMIT = 50
FILTERS = (
    "queue", "group", "definition", "exception", "argument", "since", "until", "unretried",
    "limit", "groups", "status",
)  # fmt: skip


class Command(OperatorCommand):
    help = (
        "List failed jobs, the newest first, or with --groups their causes; with an ID, of a "
        "failed job or of its job, show one: arguments, attempts, the retries it belongs to, and "
        "the traceback, in which frames of the site are marked with >."
    )
    exit_codes: ClassVar = {}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", nargs="?", type=uuid, metavar="ID", help="show this one")
        add_filters(parser, age="since")
        parser.add_argument(
            "--unretried", action="store_true", help="only those that were not retried"
        )
        parser.add_argument(
            "--groups", action="store_true", help="one line for all failed jobs of a cause"
        )
        parser.add_argument(
            "--status", choices=GroupStatus.values, help="with --groups: those that are this"
        )
        parser.add_argument(
            "--limit", type=positive, metavar="N", help=f"so many of them, {LIMIT} by default"
        )

    def operate(self, **options: Any) -> None:
        if options["id"]:
            _refuse(options, FILTERS, "An ID shows one failed job")
            found = of_ids([options["id"]])[0]
            self._show_one(FailedJob.objects.using(conf.DATABASE).get(pk=found.pk), options)
        elif options["groups"]:
            _refuse(options, ("group", "unretried"), "--groups lists groups")
            self._list_groups(options)
        else:
            _refuse(options, ("status",), "--status is for --groups")
            self._list(options)

    def _list_groups(self, options: Mapping[str, Any]) -> None:
        rows, words = failure_groups.matching(options)
        limit = options["limit"] or LIMIT
        found = list(rows[: limit + 1])
        data, lines = failure_groups.told(found[:limit])
        text = table(failure_groups.HEADINGS, lines) if lines else f"No {words}."
        if len(found) > limit:
            text += f"\n\nThere are more: see --limit, which is {limit:,}."
        self.show(options, {"groups": data, "more": len(found) > limit}, text)

    def _list(self, options: Mapping[str, Any]) -> None:
        rows, words = matching(options)
        if options["unretried"]:
            rows = rows.unretried()
        limit = options["limit"] or LIMIT
        found = list(rows.defer("arguments", "traceback")[: limit + 1])
        data = {
            "failed": [_summary(failed) for failed in found[:limit]],
            "more": len(found) > limit,
        }
        lines = [
            (
                failed.pk,
                failed.short_name,
                failed.queue,
                failed.exception_class.rpartition(".")[2] or failed.reason,
                failed.message,
                failed.attempts,
                failed.failed_at,
                failed.retried_at,
            )
            for failed in found[:limit]
        ]
        headings = ("id", "job", "queue", "error", "message", "attempts", "failed", "retried")
        text = table(headings, lines) if lines else f"No {words.removeprefix('all ')}."
        if len(found) > limit:
            text += f"\n\nThere are more: see --limit, which is {limit:,}."
        self.show(options, data, text)

    def _show_one(self, failed: FailedJob, options: Mapping[str, Any]) -> None:
        attempts = list(Attempt.objects.using(conf.DATABASE).filter(job_id=failed.job_id))
        line = lineage(failed.job_id)
        arguments = masked(failed.definition, failed.arguments)
        data = {
            **_summary(failed),
            "arguments": arguments,
            "options": failed.options,
            "tags": failed.tags,
            "traceback": failed.traceback,
            "attempt_records": [_attempt(attempt) for attempt in attempts],
            "lineage": [_link(job) for job in line],
        }
        facts = {
            "failed job": failed.pk,
            "job": failed.job_id,
            "definition": failed.definition,
            "queue": f"{failed.queue}, priority {failed.priority}",
            "reason": failed.get_reason_display(),
            "error": f"{failed.exception_class}: {failed.message}".strip(": "),
            "enqueued": moment(failed.enqueued_at),
            "failed": moment(failed.failed_at),
            "retried": moment(failed.retried_at) if failed.retried_at else "no",
            "recovery": _recovery(failed),
            "tags": ", ".join(failed.tags) or "none",
            "fingerprint": failed.fingerprint,
            "arguments": json.dumps(arguments, ensure_ascii=False),
        }
        width = max(map(len, facts))
        parts = ["\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items())]
        if attempts:
            parts.append(_attempts_table(attempts))
        if len(line) > 1:
            parts.append(_lineage_table(line))
        if failed.traceback:
            parts.append(marked(failed.traceback))
        self.show(options, data, "\n\n".join(parts))


def _recovery(failed: FailedJob) -> str:
    done = f"{counted(failed.recoveries, 'time')} along its line of retries"
    if failed.recover_at is not None and failed.retried_at is None:
        return f"at {moment(failed.recover_at)}; {done} before"
    return done if failed.recoveries else "no"


def _refuse(options: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    if given := [f"--{name}" for name in names if options[name]]:
        raise refusal(f"{why}: leave out {', '.join(given)}.")


def _attempts_table(attempts: list[Attempt]) -> str:
    rows = [
        (one.number, one.outcome, one.started_at, one.run_time, one.detail or one.message)
        for one in attempts
    ]
    return table(("attempt", "outcome", "started", "ran", "detail"), rows)


def _lineage_table(line: list[Job]) -> str:
    rows = [(job.pk, job.state, job.enqueued_at, job.retry_of_id) for job in line]
    return table(("job", "state", "enqueued", "retry of"), rows)


def _summary(failed: FailedJob) -> dict[str, Any]:
    names = (
        "id", "job_id", "definition", "queue", "priority", "reason", "exception_class", "message",
        "fingerprint", "attempts", "enqueued_at", "failed_at", "retried_at", "retried_as_id",
        "recoveries", "recover_at",
    )  # fmt: skip
    facts: dict[str, Any] = plain({name: getattr(failed, name) for name in names})
    return facts


def _attempt(attempt: Attempt) -> dict[str, Any]:
    names = (
        "number", "outcome", "detail", "started_at", "finished_at", "worker_id", "exception_class",
        "message", "traceback",
    )  # fmt: skip
    facts: dict[str, Any] = plain({name: getattr(attempt, name) for name in names})
    return facts


def _link(job: Job) -> dict[str, Any]:
    names = ("id", "state", "retry_of_id", "enqueued_at", "finished_at")
    facts: dict[str, Any] = plain({name: getattr(job, name) for name in names})
    return facts
