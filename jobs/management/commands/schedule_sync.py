"""Creates declared schedules, and shows and applies where they differ from the code."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from jobs.audit import Actor
from jobs.exceptions import JobsError
from jobs.scheduling import declared


class Command(BaseCommand):
    help = (
        "Create the schedules that the code declares and the database has not, and show where the "
        "others differ from the code. A schedule belongs to the admin once it is there: only "
        "--apply overwrites it, and brings back one that was deleted. Exits 0; 1 if a declaration "
        "is not valid; with --check, which changes nothing, also 1 if anything differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--apply", nargs="+", metavar="NAME", help="make these schedules as the code has them"
        )
        what.add_argument("--all", action="store_true", help="--apply for all that differ")
        what.add_argument(
            "--prune", action="store_true", help="delete schedules whose declaration is gone"
        )
        what.add_argument("--check", action="store_true", help="change nothing")
        parser.add_argument("--reason", default="", help="why, for the audit")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, reason = Actor.of_command(), options["reason"]
        created = declared.create_missing(dry_run=options["check"])
        applied: list[str] = []
        pruned: list[str] = []
        try:
            if names := _to_apply(options):
                applied = declared.apply(names, actor, reason)
        except LookupError as error:
            raise CommandError(str(error)) from error
        except (JobsError, ValidationError) as error:
            raise CommandError(f"Not applied: {declared.told(error)}") from error
        if options["prune"]:
            pruned = declared.prune(actor, reason)
        facts = {
            "created": created.created,
            "applied": applied,
            "pruned": pruned,
            "invalid": created.invalid,
            "taken": created.taken,
            "differences": [asdict(item) for item in declared.differences()],
            "undeclared": list(declared.orphans().values_list("name", flat=True)),
            "dropped": declared.dropped(),
        }
        if options["json"]:
            self.stdout.write(json.dumps(facts, cls=DjangoJSONEncoder, indent=2))
        else:
            self._tell(facts, checked=options["check"])
        self._exit(facts, checked=options["check"])

    def _tell(self, facts: dict[str, Any], *, checked: bool) -> None:
        lines = [
            *(f"{name}: {'missing' if checked else 'created'}" for name in facts["created"]),
            *(f"{name}: made as the code has it" for name in facts["applied"]),
            *(f"{name}: deleted, its declaration is gone" for name in facts["pruned"]),
            *(
                f"{item['name']}: {item['field']}: the code has {_shown(item['declared'])}, "
                f"the database {_shown(item['stored'])}"
                for item in facts["differences"]
            ),
            *(
                f"{name}: its declaration is gone; it keeps running (--prune deletes it)"
                for name in facts["undeclared"]
            ),
            *(f"{name}: was deleted (--apply brings it back)" for name in facts["dropped"]),
            *(f"{name}: a schedule that is not declared has this name" for name in facts["taken"]),
        ]
        for line in lines or ["All declared schedules are as the code has them."]:
            self.stdout.write(line)

    def _exit(self, facts: dict[str, Any], *, checked: bool) -> None:
        if facts["invalid"]:
            told = "; ".join(f"{name}: {error}" for name, error in facts["invalid"].items())
            raise CommandError(f"Not valid: {told}")
        differing = sum(
            len(facts[name])
            for name in ("created", "differences", "undeclared", "dropped", "taken")
        )
        if checked and differing:
            raise CommandError("The database differs from the code.")


def _to_apply(options: dict[str, Any]) -> list[str]:
    if options["all"]:
        return sorted({item.name for item in declared.differences()})
    return list(options["apply"] or ())


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | dict | list) else str(value)
