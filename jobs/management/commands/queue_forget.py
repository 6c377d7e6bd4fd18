"""Forgets single failed jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.failures.flushing import forget
from jobs.management.command import OperatorCommand, nothing, uuid
from jobs.management.failed_jobs import of_ids
from jobs.management.output import counted, moment, table


class Command(OperatorCommand):
    help = (
        "Forget failed jobs, by their ID or that of their job: they can no longer be retried. "
        "The jobs stay in the ledger as history until retention removes them."
    )
    exit_codes: ClassVar = {1: "somebody else was faster, or the answer was no"}
    destroys: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="+", type=uuid, metavar="ID")

    def operate(self, **options: Any) -> None:
        rows = of_ids(options["ids"])
        listed = table(
            ("id", "job", "queue", "failed"),
            [(row.pk, row.short_name, row.queue, row.failed_at) for row in rows],
        )
        count = counted(len(rows), "failed job")
        if options["dry_run"]:
            ids = [row.pk for row in rows]
            self.show(options, {"would_forget": ids}, f"Would forget {count}:\n{listed}")
            return
        self.confirm(options, f"{listed}\nForget {count}?")
        first = f"{rows[0]} that failed at {moment(rows[0].failed_at)}"
        scope = first if len(rows) == 1 else f"{count}: {', '.join(str(row.pk) for row in rows)}"
        forgotten = forget(
            [row.pk for row in rows], Actor.of_command(), options["reason"], scope=scope
        )
        data = {"forgotten": forgotten}
        self.show(options, data, f"Forgot {counted(forgotten, 'failed job')}.")
        if forgotten < len(rows):
            raise nothing(f"{counted(len(rows) - forgotten, 'failed job')} had gone meanwhile.")
