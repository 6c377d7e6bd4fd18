"""Lists, shows, stops and resumes bulk operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.failures import operations
from jobs.management.command import OperatorCommand, nothing, positive, refusal
from jobs.management.driving import details_of, drive, facts_of, summary_of, total_of
from jobs.management.output import table
from jobs.models import BulkOperation, OperationState

LIMIT = 20


class Command(OperatorCommand):
    help = (
        "Bulk operations, such as the retry of many failed jobs at a rate: list them, the newest "
        "first; show one; stop one; or resume one that was stopped or has failed, from where it is."
    )
    exit_codes: ClassVar = {1: "there is none, or it was carried out here and did not finish"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "verb", nargs="?", choices=("list", "show", "stop", "resume"), default="list"
        )
        parser.add_argument("id", nargs="?", type=positive, metavar="ID")
        parser.add_argument(
            "--foreground",
            action="store_true",
            help="carry it on in this process, for sites without a cluster",
        )
        parser.add_argument("--active", action="store_true", help="list those that go on only")

    def operate(self, **options: Any) -> None:
        verb = options["verb"]
        _check(verb, options)
        if verb == "list":
            self._list(options)
            return
        operation = BulkOperation.objects.using(conf.DATABASE).filter(pk=options["id"]).first()
        if operation is None:
            raise refusal(f"There is no operation {options['id']}.")
        if verb == "show":
            self.show(options, facts_of(operation), details_of(operation))
        elif options["dry_run"]:
            self._tell(verb, operation, options)
        elif verb == "stop":
            operations.stop(operation, Actor.of_command(), options["reason"])
            self.show(options, facts_of(operation), summary_of(operation))
        else:
            self._resume(operation, options)

    def _list(self, options: Mapping[str, Any]) -> None:
        rows = BulkOperation.objects.using(conf.DATABASE).order_by("-pk")
        if options["active"]:
            rows = rows.active()
        found = list(rows[:LIMIT])
        lines = [
            (
                row.pk,
                row.state,
                f"{row.get_kind_display()} {row.words}",
                row.rate,
                row.looked_at,
                total_of(row),
                row.started_by_name,
                row.created_at,
            )
            for row in found
        ]
        headings = ("id", "state", "what", "rate", "through", "of", "by", "ordered")
        text = table(headings, lines) if lines else "There are no operations."
        self.show(options, {"operations": [facts_of(row) for row in found]}, text)
        if not found:
            raise nothing("Nothing to list.")

    def _resume(self, operation: BulkOperation, options: Mapping[str, Any]) -> None:
        # One whose driver was killed is active still: it only needs somebody who goes on.
        if not (options["foreground"] and operation.is_active):
            operations.resume(operation, Actor.of_command(), options["reason"])
        if not options["foreground"]:
            self.show(options, facts_of(operation), summary_of(operation))
            return
        drive(self, operation, options)
        if operation.state != OperationState.FINISHED:
            raise nothing(f"Operation {operation.pk} is {operation.state}.")

    def _tell(self, verb: str, operation: BulkOperation, options: Mapping[str, Any]) -> None:
        if verb == "stop":
            may = operation.is_active
        else:
            may = operation.is_halted or (options["foreground"] and operation.is_active)
        data = {f"would_{verb}": int(may), "operation": facts_of(operation)}
        told = f"Would {verb} it." if may else f"It is {operation.state}: nothing to {verb}."
        self.show(options, data, f"{summary_of(operation)}\n{told}")


def _check(verb: str, options: Mapping[str, Any]) -> None:
    """Refuse what does not go together, or would do nothing."""
    if (options["id"] is None) != (verb == "list"):
        raise refusal(
            "list takes no ID." if verb == "list" else f"Say which: queue_operations {verb} ID."
        )
    if options["foreground"] and verb != "resume":
        raise refusal("--foreground goes with resume.")
    if options["active"] and verb != "list":
        raise refusal("--active goes with list.")
    if verb in ("list", "show") and (options["reason"] or options["dry_run"]):
        raise refusal(f"{verb} changes nothing: leave out --reason and --dry-run.")
