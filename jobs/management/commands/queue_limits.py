"""Lists limits, or shows who holds one and who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.limits import operating, overview
from jobs.management.command import OperatorCommand
from jobs.management.output import table


class Command(OperatorCommand):
    help = "List the limits that jobs have asked for. With NAME, show who holds it and who waits."
    exit_codes: ClassVar = {}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", nargs="?", metavar="NAME", help="one limit")

    def operate(self, **options: Any) -> None:
        if options["name"]:
            self._show(options)
        else:
            self._list(options)

    def _list(self, options: Mapping[str, Any]) -> None:
        limits = overview.limits()
        rows = [
            (one.name, one.rule, one.keys, one.held, one.waiting, one.changed_at) for one in limits
        ]
        headings = ("limit", "allows", "keys", "held", "waiting", "changed by hand")
        self.show(options, {"limits": limits}, table(headings, rows))

    def _show(self, options: Mapping[str, Any]) -> None:
        name = operating.find(options["name"]).name
        (facts,) = overview.limits([name])
        holders, waiting = overview.holders(name), overview.waiting_for(name)
        held = table(
            ("place", "key", "held by", "since", "until"),
            [(one.slot_id, one.key, one.job_id, one.taken_at, one.expires_at) for one in holders],
        )
        waits = table(
            ("key", "waits", "since", "next room", "woken"),
            [(one.key, one.job_id, one.since, one.wake_at, one.woken_at) for one in waiting],
        )
        data = {"limit": facts, "holders": holders, "waiting": waiting}
        head = f"{name}: {facts.rule}, for each key. {facts.held} held, {facts.waiting} waiting."
        self.show(options, data, "\n\n".join([head, held, waits]))
