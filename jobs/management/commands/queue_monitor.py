"""Watches the size and the wait of queues against limits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import queue_names
from jobs.alerts import watching
from jobs.management.command import OperatorCommand, nothing, positive
from jobs.management.moments import duration
from jobs.management.output import counted, plain, table
from jobs.management.output import duration as phrase
from jobs.metrics.queues import QueueStats, queue_stats

SECONDS = 2


class Command(OperatorCommand):
    help = (
        "Show how many jobs are ready in each queue and how long the oldest has waited, and fail "
        "if that is more than a limit: --max or, without it, each queue's own `max waiting`. "
        "Sizes are exact up to 10,000, or up to the limit if that is higher."
    )
    exit_codes: ClassVar = {1: "a queue is over its limit, or with --alerts there is an alert"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queues", nargs="*", metavar="QUEUE", help="all if none is named")
        parser.add_argument(
            "--max", type=positive, metavar="N", help="ready jobs that a queue may hold"
        )
        parser.add_argument(
            "--max-wait", type=duration, metavar="TIME", help="wait of the oldest, such as 90s, 5m"
        )
        parser.add_argument(
            "--alerts",
            action="store_true",
            help="watch what the alert rules of the admin say too, and tell who they name: from a "
            "process beside the workers an alarm comes even if all of them are dead",
        )
        parser.add_argument(
            "--watch",
            type=positive,
            nargs="?",
            const=SECONDS,
            metavar="SECONDS",
            help=f"again and again until Ctrl-C, every {SECONDS} s unless said otherwise",
        )

    def operate(self, **options: Any) -> None:
        names = [queue_names.resolve(name) for name in options["queues"]] or None
        over = self._look(names, options)
        try:
            while options["watch"]:
                time.sleep(options["watch"])
                over = self._look(names, options)
        except KeyboardInterrupt:
            self.stdout.write("")
        if over:
            raise nothing("\n".join(over))

    def _look(self, names: Sequence[str] | None, options: Mapping[str, Any]) -> list[str]:
        counted_to = max(10_000, (options["max"] or 0) + 1)
        alerts = watching.run_once() if options["alerts"] else watching.Report()
        queues = queue_stats(names, counted_to)
        over = {queue.name: _over(queue, options) for queue in queues}
        data = {
            "queues": [
                {
                    **plain(queue),
                    "limit": _limit(queue, options),
                    "over_limit": bool(over[queue.name]),
                }
                for queue in queues
            ],
            "over_limit": [name for name, texts in over.items() if texts],
            "alerts": alerts.open,
        }
        rows = [
            (
                queue.name,
                queue.ready,
                _limit(queue, options),
                queue.wait,
                queue.paused,
                "OVER" if over[queue.name] else "ok",
            )
            for queue in queues
        ]
        headings = ("queue", "ready", "limit", "wait", "paused", "state")
        if options["watch"] and self.stdout.isatty():
            # Home, and clear to the end of the screen.
            self.stdout.write("\x1b[H\x1b[J", ending="")
        lines = [f"Alert: {text}" for text in alerts.open]
        self.show(options, data, "\n".join([table(headings, rows), *lines]))
        self.stdout.flush()
        return [*(text for texts in over.values() for text in texts), *alerts.open]


def _limit(queue: QueueStats, options: Mapping[str, Any]) -> int | None:
    return options["max"] if options["max"] is not None else queue.max_waiting


def _over(queue: QueueStats, options: Mapping[str, Any]) -> list[str]:
    texts = []
    limit = _limit(queue, options)
    if limit is not None and queue.ready > limit:
        texts.append(f"Queue {queue.name} is backed up ({counted(queue.ready, 'job')}).")
    longest = options["max_wait"]
    if longest is not None and queue.wait is not None and queue.wait > longest:
        texts.append(f"Queue {queue.name}: the oldest job has waited {phrase(queue.wait)}.")
    return texts
