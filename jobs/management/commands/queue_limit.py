"""Changes a limit, or releases places in it."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.limits import operating, overview
from jobs.management.command import OperatorCommand, nothing, positive, refusal


class Command(OperatorCommand):
    help = (
        "Change what a limit allows, from now on and whatever the code says, or let it follow the "
        "code again; or release places that jobs hold. Who has room by that starts at once."
    )
    exit_codes: ClassVar = {1: "no such place"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--amount", type=positive, metavar="N", help="jobs, or starts")
        parser.add_argument("--period", type=float, metavar="SECONDS", help="of starts")
        parser.add_argument("--burst", type=positive, metavar="N", help="of a steady rate")
        parser.add_argument("--follow-code", action="store_true", help="be what the code says")
        parser.add_argument(
            "--release",
            type=positive,
            nargs="+",
            metavar="PLACE",
            help="free these places, by their number in queue_limits NAME",
        )

    def operate(self, **options: Any) -> None:
        limit, actor = operating.find(options["name"]), Actor.of_command()
        changes = {name: options[name] for name in ("amount", "burst") if options[name] is not None}
        if options["period"] is not None:
            changes["period"] = dt.timedelta(seconds=options["period"])
        asked = [bool(changes), options["follow_code"], bool(options["release"])]
        if sum(asked) != 1:
            raise refusal("Say one of: what to change, --follow-code, or --release.")
        if options["dry_run"]:
            told = f"Would act on the limit {limit.name}."
            self.show(options, {"would_change": limit.name}, told)
            return
        if options["release"]:
            self._release(limit.name, options, actor)
            return
        if changes:
            operating.change(limit.name, actor, **changes, reason=options["reason"])
        else:
            operating.follow_code(limit.name, actor, options["reason"])
        (facts,) = overview.limits([limit.name])
        self.show(options, {"limit": facts}, f"{facts.name}: {facts.rule}, for each key.")

    def _release(self, name: str, options: dict[str, Any], actor: Actor) -> None:
        places = {holder.slot_id for holder in overview.holders(name)}
        if unknown := set(options["release"]) - places:
            numbers = ", ".join(map(str, sorted(unknown)))
            raise nothing(f"Nobody holds the place {numbers} of {name}.")
        freed = operating.release(options["release"], actor, options["reason"])
        self.show(options, {"released": freed}, f"Released {freed} of {name}.")
