"""Resumes paused queues."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import queue_names
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.management.command import OperatorCommand, refusal
from jobs.models import Queue
from jobs.pausing import resume


class Command(OperatorCommand):
    help = "Let the jobs of paused queues start again, at once."
    exit_codes: ClassVar = {}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queues", nargs="*", metavar="QUEUE")
        parser.add_argument("--all", action="store_true", help="all that are paused")

    def operate(self, **options: Any) -> None:
        if bool(options["queues"]) == options["all"]:
            raise refusal("Say which: one or more queues, or --all.")
        names = [queue_names.resolve(name) for name in options["queues"] or _paused()]
        if options["dry_run"]:
            told = ", ".join(names) or "nothing: no queue is paused"
            self.show(options, {"would_resume": names}, f"Would resume {told}.")
            return
        actor = Actor.of_command()
        changed = {name: resume(name, actor, options["reason"]) for name in names}
        data = {"resumed": [name for name in names if changed[name]]}
        lines = [
            f"Resumed {name}." if changed[name] else f"{name} was not paused." for name in names
        ]
        self.show(options, data, "\n".join(lines) or "No queue is paused.")


def _paused() -> list[str]:
    rows = Queue.objects.using(conf.DATABASE).paused(ledger().now())
    return list(rows.order_by("pk").values_list("pk", flat=True))
