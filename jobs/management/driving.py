"""How commands show bulk operations, and carry one out in the foreground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from jobs.audit import Actor
from jobs.failures import operations
from jobs.ledger import ledger
from jobs.management.output import NOTHING, duration, moment, plain
from jobs.models import BulkOperation

if TYPE_CHECKING:
    from jobs.management.command import OperatorCommand

WIDTH = 20


def drive(
    command: OperatorCommand, operation: BulkOperation, options: Mapping[str, Any]
) -> BulkOperation:
    """Carry an operation out, with a line of progress on a terminal, and show how it ended.

    Ctrl-C stops it: what is done is done, and `queue_operations resume` goes on from there.
    """
    live = command.stderr.isatty()

    def tell(now: BulkOperation) -> None:
        if live:
            command.stderr.write(f"\r{progress_line(now)}", str, ending="")
            command.stderr.flush()

    try:
        operations.drive(operation, told=tell)
    except KeyboardInterrupt:
        operation.refresh_from_db()
        if operation.is_active:
            operations.stop(operation, Actor.of_command(), "interrupted at the terminal")
        if live:
            command.stderr.write("")
        told = f"{summary_of(operation)}\nqueue_operations resume {operation.pk} goes on."
        raise CommandError(f"Interrupted. {told}", returncode=130) from None
    if live:
        command.stderr.write("")
    command.show(options, facts_of(operation), summary_of(operation))
    return operation


def progress_line(operation: BulkOperation) -> str:
    """A bar, the counts, and how long it will take; always as wide as it was or wider."""
    share = operation.looked_at / max(operation.total, operation.looked_at, 1)
    filled = round(WIDTH * share)
    left = operation.remaining(ledger().now())
    parts = [
        f"[{'#' * filled}{' ' * (WIDTH - filled)}]",
        f"{operation.looked_at:,} of {total_of(operation)}",
        f"{duration(left)} left" if left is not None else "",
    ]
    return " ".join(parts).ljust(78)


def total_of(operation: BulkOperation) -> str:
    """The total at the start, "1,000,000+" where there were more."""
    return f"{operation.total:,}{'+' if operation.total_is_capped else ''}"


def summary_of(operation: BulkOperation) -> str:
    """What an operation has done, in a few lines."""
    lines = [
        f"Operation {operation.pk} is {operation.state}: retried {operation.done:,} of "
        f"{total_of(operation)}; skipped {operation.skipped:,}."
    ]
    lines += [f"  refused {count:,}: {why}" for why, count in operation.refused.items()]
    if operation.error:
        lines.append(f"  {operation.error}")
    return "\n".join(lines)


def facts_of(operation: BulkOperation) -> dict[str, Any]:
    """An operation as JSON."""
    names = (
        "id", "kind", "state", "words", "scope", "rate", "total", "total_is_capped", "done",
        "skipped", "refused", "error", "started_by_name", "reason", "created_at", "started_at",
        "finished_at", "audit_entry_id",
    )  # fmt: skip
    facts: dict[str, Any] = plain({name: getattr(operation, name) for name in names})
    return facts


def details_of(operation: BulkOperation) -> str:
    """All about an operation, for people."""
    left = operation.remaining(ledger().now())
    facts = {
        "operation": operation.pk,
        "what": f"{operation.get_kind_display()} {operation.words}",
        "state": operation.state,
        "rate": f"{operation.rate:,} a second" if operation.rate else "no limit",
        "retried": f"{operation.done:,} of {total_of(operation)}",
        "skipped": f"{operation.skipped:,}",
        "refused": f"{operation.refused_count:,}",
        "left": duration(left) if left is not None else NOTHING,
        "by": operation.started_by_name,
        "reason": operation.reason or NOTHING,
        "ordered": moment(operation.created_at),
        "ended": moment(operation.finished_at) if operation.finished_at else NOTHING,
        "error": operation.error or NOTHING,
    }
    width = max(map(len, facts))
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items()]
    lines += [f"  refused {count:,}: {why}" for why, count in operation.refused.items()]
    return "\n".join(lines)
