"""Removes what is past its retention now."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import audit
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.ledger import retention
from jobs.management import moments
from jobs.management.command import OperatorCommand, positive
from jobs.management.output import duration


def _hours(text: str) -> dt.timedelta:
    return moments.duration(f"{positive(text)}h")


class Command(OperatorCommand):
    help = (
        "Remove finished jobs, failed jobs, slots of schedules and ended workers that are older "
        "than JOBS_RETENTION says, or than --hours. Clusters do this by themselves all the time."
    )
    exit_codes: ClassVar = {}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--hours", type=_hours, metavar="N", help="remove what ended longer ago than this"
        )
        parser.add_argument(
            "--only",
            action="append",
            choices=list(conf.RETENTION),
            help="this kind alone; may be given several times",
        )

    def operate(self, **options: Any) -> None:
        hours, kinds = options["hours"], options["only"] or list(conf.RETENTION)
        keep = {kind: hours or conf.RETENTION[kind] for kind in kinds}
        if options["dry_run"]:
            found = retention.preview(keep=keep)
            self.show(options, {"would_remove": found}, f"Would remove {found or 'nothing'}.")
            return
        removed = retention.run_once(keep=keep)
        if removed:
            rule = f"older than {duration(hours)}" if hours else "past their retention"
            target = f"rows {rule}: {', '.join(kinds)}"
            counts = asdict(removed)
            audit.record(
                Actor.of_command(),
                "prune",
                target,
                sum(counts.values()),
                after=counts,
                reason=options["reason"],
            )
        self.show(options, {"removed": removed}, f"Removed {removed or 'nothing'}.")
