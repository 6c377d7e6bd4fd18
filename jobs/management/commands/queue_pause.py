"""Pauses queues and tags."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import pausing, queue_names, tag_pausing
from jobs.audit import Actor
from jobs.management.command import OperatorCommand, refusal
from jobs.management.moments import future
from jobs.management.output import moment


class Command(OperatorCommand):
    help = (
        "Pause queues, or tags: their jobs go on being enqueued, but none starts until they are "
        "resumed or the time is over. Running jobs go on. Pausing what is paused changes time and "
        "reason."
    )
    exit_codes: ClassVar = {}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queues", nargs="*", metavar="QUEUE")
        parser.add_argument(
            "--tag",
            action="append",
            default=[],
            dest="tags",
            metavar="TAG",
            help="all jobs that have this tag, on whatever queue; may be repeated",
        )
        parser.add_argument(
            "--until",
            type=future,
            metavar="WHEN",
            help="2026-03-01T14:30, or 30m, 2h from now; without it, until queue_resume",
        )

    def operate(self, **options: Any) -> None:
        queues = [queue_names.resolve(name) for name in options["queues"]]
        tags, until, actor = options["tags"], options["until"], Actor.of_command()
        names = [*queues, *map(_of_tag, tags)]
        if not names:
            raise refusal("Say which: one or more queues, or --tag.")
        end = f" until {moment(until)}" if until else ""
        if options["dry_run"]:
            self.show(options, {"would_pause": names}, f"Would pause {', '.join(names)}{end}.")
            return
        reason = options["reason"]
        changed = {name: pausing.pause(name, actor, until, reason) for name in queues}
        changed |= {_of_tag(tag): tag_pausing.pause(tag, actor, until, reason) for tag in tags}
        data = {"paused": names, "changed": [name for name in names if changed[name]]}
        lines = [
            f"Paused {name}{end}." if changed[name] else f"{name} was paused already."
            for name in names
        ]
        self.show(options, data, "\n".join(lines))


def _of_tag(tag: str) -> str:
    return f"tag {tag}"
