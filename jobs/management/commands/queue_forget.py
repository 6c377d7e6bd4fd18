"""Forgets single failed jobs, or those of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.failures.flushing import forget
from jobs.management.command import OperatorCommand, nothing, refusal, uuid
from jobs.management.failed_jobs import matching, of_ids
from jobs.management.output import counted, moment, table


class Command(OperatorCommand):
    help = (
        "Forget failed jobs, by their ID or that of their job, or all of a failure group: they can "
        "no longer be retried. "
        "The jobs stay in the ledger as history until retention removes them."
    )
    exit_codes: ClassVar = {1: "nothing matched, somebody else was faster, or the answer was no"}
    destroys: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", type=uuid, metavar="ID")
        parser.add_argument(
            "--group",
            metavar="FINGERPRINT",
            help="all of this failure group, by its fingerprint or its beginning",
        )

    def operate(self, **options: Any) -> None:
        if bool(options["ids"]) == bool(options["group"]):
            raise refusal("Say which: one or more ids, or --group.")
        if options["group"]:
            self._forget_group(options)
        else:
            self._forget_some(options)

    def _forget_group(self, options: Mapping[str, Any]) -> None:
        rows, words = matching({"group": options["group"]})
        count = rows.count()
        told = counted(count, "failed job")
        if not count:
            self.show(options, {"forgotten": 0}, f"No {words}.")
            raise nothing("Nothing was forgotten.")
        if options["dry_run"]:
            self.show(options, {"would_forget": count}, f"Would forget {told} ({words}).")
            return
        self.confirm(options, f"Forget {told} ({words})?")
        forgotten = forget(rows, Actor.of_command(), options["reason"], scope=words)
        data = {"forgotten": forgotten}
        self.show(options, data, f"Forgot {counted(forgotten, 'failed job')}.")

    def _forget_some(self, options: Mapping[str, Any]) -> None:
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
