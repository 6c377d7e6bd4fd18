"""Pauses queues."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import queue_names
from jobs.audit import Actor
from jobs.management.command import OperatorCommand
from jobs.management.moments import future
from jobs.management.output import moment
from jobs.pausing import pause


class Command(OperatorCommand):
    help = (
        "Pause queues: their jobs go on being enqueued, but none starts until the queue is resumed "
        "or the time is over. Running jobs go on. Pausing a paused queue changes time and reason."
    )
    exit_codes: ClassVar = {}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queues", nargs="+", metavar="QUEUE")
        parser.add_argument(
            "--until",
            type=future,
            metavar="WHEN",
            help="2026-03-01T14:30, or 30m, 2h from now; without it, until queue_resume",
        )

    def operate(self, **options: Any) -> None:
        names = [queue_names.resolve(name) for name in options["queues"]]
        until, actor = options["until"], Actor.of_command()
        end = f" until {moment(until)}" if until else ""
        if options["dry_run"]:
            self.show(options, {"would_pause": names}, f"Would pause {', '.join(names)}{end}.")
            return
        changed = {name: pause(name, actor, until, options["reason"]) for name in names}
        data = {"paused": names, "changed": [name for name in names if changed[name]]}
        lines = [
            f"Paused {name}{end}." if changed[name] else f"{name} was paused already."
            for name in names
        ]
        self.show(options, data, "\n".join(lines))
