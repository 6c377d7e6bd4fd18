"""Resumes paused queues and tags."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import pausing, queue_names, tag_pausing
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.management.command import OperatorCommand, refusal
from jobs.models import Queue


class Command(OperatorCommand):
    help = "Let the jobs of paused queues, or with paused tags, start again, at once."
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
            help="jobs that have this tag; may be repeated",
        )
        parser.add_argument(
            "--all", action="store_true", help="all queues and tags that are paused"
        )

    def operate(self, **options: Any) -> None:
        if bool(options["queues"] or options["tags"]) == options["all"]:
            raise refusal("Say which: one or more queues, --tag, or --all.")
        queues = [queue_names.resolve(name) for name in options["queues"]]
        tags = options["tags"]
        if options["all"]:
            queues, tags = _paused(), [pause.tag for pause in tag_pausing.paused()]
        names = [*queues, *map(_of_tag, tags)]
        if options["dry_run"]:
            told = ", ".join(names) or "nothing: no queue and no tag is paused"
            self.show(options, {"would_resume": names}, f"Would resume {told}.")
            return
        actor, reason = Actor.of_command(), options["reason"]
        changed = {name: pausing.resume(name, actor, reason) for name in queues}
        changed |= {_of_tag(tag): tag_pausing.resume(tag, actor, reason) for tag in tags}
        data = {"resumed": [name for name in names if changed[name]]}
        lines = [
            f"Resumed {name}." if changed[name] else f"{name} was not paused." for name in names
        ]
        self.show(options, data, "\n".join(lines) or "No queue and no tag is paused.")


def _of_tag(tag: str) -> str:
    return f"tag {tag}"


def _paused() -> list[str]:
    rows = Queue.objects.using(conf.DATABASE).paused(ledger().now())
    return list(rows.order_by("pk").values_list("pk", flat=True))
