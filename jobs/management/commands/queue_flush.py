"""Forgets all failed jobs that match."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db.models import Count, Min

from jobs.audit import Actor
from jobs.failures.flushing import flush
from jobs.management.command import OperatorCommand, nothing
from jobs.management.failed_jobs import add_filters, matching
from jobs.management.output import counted, moment


class Command(OperatorCommand):
    help = (
        "Forget all failed jobs that match the filters together, or all there are without a "
        "filter. The jobs stay in the ledger as history until retention removes them."
    )
    exit_codes: ClassVar = {1: "nothing matched, or the answer was no"}
    destroys: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_filters(parser, age="older_than")

    def operate(self, **options: Any) -> None:
        rows, words = matching(options)
        facts = rows.order_by().aggregate(count=Count("pk"), oldest=Min("failed_at"))
        count, oldest = facts["count"], facts["oldest"]
        if not count:
            self.show(options, {"flushed": 0}, f"No {words.removeprefix('all ')}.")
            raise nothing("Nothing was flushed.")
        told = f"{counted(count, 'failed job')} ({words}; the oldest of {moment(oldest)})"
        if options["dry_run"]:
            data = {"would_flush": count, "scope": words, "oldest": oldest}
            self.show(options, data, f"Would flush {told}.")
            return
        self.confirm(options, f"Flush {told}?")
        flushed = flush(rows, Actor.of_command(), options["reason"], scope=words)
        self.show(options, {"flushed": flushed}, f"Flushed {counted(flushed, 'failed job')}.")
