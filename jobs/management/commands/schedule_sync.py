"""Creates declared schedules; shows where others differ from the code, and puts them back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.exceptions import JobsError
from jobs.management.command import OperatorCommand, nothing, refusal
from jobs.scheduling import declared


class Command(OperatorCommand):
    help = (
        "Create the schedules that the code declares and the database has not, and show where the "
        "others differ from the code. A schedule belongs to the admin once it is there: only "
        "--apply and --all overwrite it, and only --apply brings back one that was deleted."
    )
    acts = True
    exit_codes: ClassVar = {1: "a declaration is not valid, or --check found a difference"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--apply", nargs="+", metavar="NAME", help="make these schedules as the code has them"
        )
        what.add_argument("--all", action="store_true", help="--apply for all that differ")
        what.add_argument(
            "--prune", action="store_true", help="delete schedules whose declaration is gone"
        )
        what.add_argument(
            "--check", action="store_true", help="change nothing, and fail if anything differs"
        )

    def operate(self, **options: Any) -> None:
        dry_run = options["dry_run"] or options["check"]
        to_apply = _to_apply(options)
        created = declared.create_missing(dry_run=dry_run)
        changed = {"applied": [], "pruned": []} if dry_run else _change(options, to_apply)
        facts = {
            "created": created.created,
            **changed,
            "invalid": created.invalid,
            "taken": created.taken,
            "differences": declared.differences(),
            "undeclared": list(declared.orphans().values_list("name", flat=True)),
            "dropped": declared.dropped(),
        }
        lines = _lines(facts, "would be created" if dry_run else "created")
        self.show(
            options, facts, "\n".join(lines) or "All declared schedules are as the code has them."
        )
        if created.invalid:
            told = "; ".join(f"{name}: {error}" for name, error in created.invalid.items())
            raise nothing(f"Not valid: {told}")
        if options["check"] and lines:
            raise nothing("The database differs from the code.")


def _to_apply(options: dict[str, Any]) -> list[str]:
    if options["all"]:
        return sorted({item.name for item in declared.differences()})
    names = list(options["apply"] or ())
    try:
        declared.check_names(names)
    except LookupError as error:
        raise refusal(str(error)) from error
    return names


def _change(options: dict[str, Any], to_apply: list[str]) -> dict[str, list[str]]:
    actor, reason = Actor.of_command(), options["reason"]
    try:
        applied = declared.apply(to_apply, actor, reason)
    except (JobsError, ValidationError) as error:
        raise nothing(f"Not applied: {declared.told(error)}") from error
    return {"applied": applied, "pruned": declared.prune(actor, reason) if options["prune"] else []}


def _lines(facts: dict[str, Any], created: str) -> list[str]:
    return [
        *(f"{name}: {created}" for name in facts["created"]),
        *(f"{name}: made as the code has it" for name in facts["applied"]),
        *(f"{name}: deleted, its declaration is gone" for name in facts["pruned"]),
        *(
            f"{item.name}: {item.field}: the code has {_shown(item.declared)}, "
            f"the database {_shown(item.stored)}"
            for item in facts["differences"]
        ),
        *(
            f"{name}: its declaration is gone; it keeps running (--prune deletes it)"
            for name in facts["undeclared"]
        ),
        *(f"{name}: was deleted (--apply brings it back)" for name in facts["dropped"]),
        *(f"{name}: a schedule that is not declared has this name" for name in facts["taken"]),
    ]


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | dict | list) else str(value)
