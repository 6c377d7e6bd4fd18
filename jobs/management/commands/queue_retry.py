"""Retries failed jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.failures.redrive import RedriveReport, retry
from jobs.management.command import OperatorCommand, nothing, refusal, uuid
from jobs.management.failed_jobs import add_filters, matching, of_ids
from jobs.management.output import counted
from jobs.models.failure import FailedJobQuerySet

IDS_SHOWN = 20


class Command(OperatorCommand):
    help = (
        "Retry failed jobs: by ID, of the failed job or of its job; all; or all that match the "
        "filters together. Each becomes a new job that is linked to the old one, which stays as it "
        "is. One that was retried before is skipped."
    )
    exit_codes: ClassVar = {1: "nothing was retried, or some could not be"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", type=uuid, metavar="ID")
        parser.add_argument("--all", action="store_true", help="all that were not retried yet")
        add_filters(parser, age="since")

    def operate(self, **options: Any) -> None:
        failed, scope = _chosen(options)
        if options["dry_run"]:
            self._tell(failed, scope, options)
            return
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

    def _tell(
        self, failed: FailedJobQuerySet | list[UUID], scope: str, options: Mapping[str, Any]
    ) -> None:
        count = len(failed) if isinstance(failed, list) else failed.count()
        data = {"would_retry": count, "scope": scope}
        self.show(options, data, f"Would retry {counted(count, 'failed job')}: {scope}.")
        if not count:
            raise nothing("Nothing to retry.")


def _chosen(options: Mapping[str, Any]) -> tuple[FailedJobQuerySet | list[UUID], str]:
    filtered = any(options[name] for name in ("queue", "definition", "since"))
    if sum((bool(options["ids"]), options["all"], filtered)) != 1:
        raise refusal(
            "Say which: one or more ids, or --all, or filters (--queue, --definition, --since)."
        )
    if options["ids"]:
        rows = of_ids(options["ids"])
        names = ", ".join(str(row.pk) for row in rows)
        return [row.pk for row in rows], f"failed jobs {names}" if len(rows) > 1 else str(rows[0])
    matched, words = matching(options)
    return matched.unretried(), f"{words} that were not retried yet"


def _text(report: RedriveReport) -> str:
    lines = [f"Retried {counted(report.retried, 'failed job')}; skipped {report.skipped:,}."]
    lines += [f"  refused {count:,}: {why}" for why, count in report.refused.items()]
    lines += [f"  {job_id}" for job_id in report.job_ids[:IDS_SHOWN]]
    if report.retried > IDS_SHOWN:
        lines.append(f"  and {report.retried - IDS_SHOWN:,} more")
    return "\n".join(lines)
