"""Cancels all that waits in a queue."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db.models import Count

from jobs import queue_names
from jobs.audit import Actor
from jobs.cancelling import clear_queue
from jobs.conf import settings as conf
from jobs.management.command import OperatorCommand, nothing
from jobs.management.output import counted
from jobs.models import WAITING_STATES, Job


class Command(OperatorCommand):
    help = (
        "Cancel all jobs that wait in a queue: ready, scheduled and blocked ones, and those on "
        "other queues that are blocked by them. Running jobs go on."
    )
    exit_codes: ClassVar = {1: "nothing waited, or the answer was no"}
    destroys: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queue", metavar="QUEUE")

    def operate(self, **options: Any) -> None:
        name = queue_names.resolve(options["queue"])
        counts = _waiting(name)
        total = sum(counts.values())
        if not total:
            self.show(options, {"cancelled": 0}, f"Nothing waits in the queue {name}.")
            raise nothing("Nothing was cancelled.")
        parts = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
        told = f"{counted(total, 'job')} of the queue {name} ({parts})"
        if options["dry_run"]:
            data = {"would_cancel": total, "states": counts}
            self.show(options, data, f"Would cancel {told}.")
            return
        self.confirm(options, f"Cancel {told}?")
        report = clear_queue(name, Actor.of_command(), options["reason"])
        data = {"cancelled": report.cancelled, "skipped": report.skipped}
        text = f"Cancelled {counted(report.cancelled, 'job')}."
        if report.skipped:
            text += f" {counted(report.skipped, 'job')} had started meanwhile."
        self.show(options, data, text)


def _waiting(queue: str) -> dict[str, int]:
    """The exact number of waiting jobs of a queue, by state: a person is about to rely on it."""
    counts = {}
    for state in WAITING_STATES:
        jobs = Job.objects.using(conf.DATABASE).filter(state=state, queue=queue)
        counts[state.value] = jobs.aggregate(count=Count("pk"))["count"]
    return counts
