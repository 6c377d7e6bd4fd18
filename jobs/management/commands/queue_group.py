"""Decides about failure groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.failures import groups
from jobs.management.command import OperatorCommand, nothing, refusal
from jobs.management.failure_groups import summary
from jobs.management.moments import future
from jobs.management.output import moment

DONE = {"resolve": "resolved", "reopen": "reopened", "mute": "muted", "unmute": "unmuted"}


class Command(OperatorCommand):
    help = (
        "Resolve, reopen, mute or unmute failure groups, by their fingerprint or its beginning. "
        "What fails after a resolution opens the group again; of a muted one nobody is told."
    )
    exit_codes: ClassVar = {1: "nothing changed: the groups were like that already"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", choices=DONE, metavar="ACTION", help=", ".join(DONE))
        parser.add_argument("fingerprints", nargs="+", metavar="FINGERPRINT")
        parser.add_argument(
            "--until",
            type=future,
            metavar="WHEN",
            help="mute: 2026-03-01T14:30, or 30m, 2h from now; without it, until it is unmuted",
        )

    def operate(self, **options: Any) -> None:
        action, until = options["action"], options["until"]
        if until is not None and action != "mute":
            raise refusal(f"--until is for mute: {action} has no end.")
        found = [groups.find(one) for one in dict.fromkeys(options["fingerprints"])]
        names = ", ".join(f"{group} ({group.short_name})" for group in found)
        end = f" until {moment(until)}" if until else ""
        fingerprints = [group.pk for group in found]
        if options["dry_run"]:
            data = {f"would_{action}": fingerprints}
            self.show(options, data, f"Would {action} {names}{end}.")
            return
        changed = _ACTIONS[action](
            fingerprints, Actor.of_command(), options, f"failure groups {', '.join(fingerprints)}"
        )
        after = [summary(groups.find(one)) for one in fingerprints]
        text = f"{DONE[action].capitalize()} {changed:,} of {len(found):,}: {names}{end}."
        self.show(options, {"changed": changed, "groups": after}, text)
        if not changed:
            raise nothing(f"Nothing was {DONE[action]}.")


_Act = Callable[[list[str], Actor, Any, str], int]

_ACTIONS: dict[str, _Act] = {
    "resolve": lambda ids, actor, options, scope: groups.resolve(
        ids, actor, options["reason"], scope=scope
    ),
    "reopen": lambda ids, actor, options, scope: groups.reopen(
        ids, actor, options["reason"], scope=scope
    ),
    "mute": lambda ids, actor, options, scope: groups.mute(
        ids, actor, options["until"], options["reason"], scope=scope
    ),
    "unmute": lambda ids, actor, options, scope: groups.unmute(
        ids, actor, options["reason"], scope=scope
    ),
}
