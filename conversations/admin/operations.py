"""What an operator may do to conversations: each asks first, runs as a job, and is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum

from conversations.batches import batched
from conversations.jobs import (
    archive_conversations,
    calculate_conversation_costs,
    restore_conversations,
)
from conversations.models import Conversation
from jobs.admin.operations import Operation, Order, Result, Touched
from jobs.audit import record

IDS_IN_A_JOB = 100


def _touches(rows: QuerySet[Conversation]) -> Touched:
    ids = list(rows.order_by().values_list("pk", flat=True))
    messages = rows.aggregate(n=Sum("message_count"))["n"] or 0
    return Touched(len(ids), [("Messages", f"{messages:,}")] if ids else [])


def _enqueue(
    action: str, definition: Any, ids: Sequence[int], calls: list[dict[str, Any]], order: Order
) -> Result:
    with transaction.atomic():
        definition.enqueue_many(calls)
        record(
            order.actor,
            action,
            order.scope or "conversations",
            count=len(ids),
            after={"ids": list(ids[:100])},
            reason=order.reason,
        )
    return Result(f"Enqueued {len(calls):,} jobs for {len(ids):,} conversations.")


def _recalculate(rows: QuerySet[Conversation], order: Order) -> Result:
    ids = _ids(rows)
    calls: list[dict[str, Any]] = [{"conversation_id": pk, "again": True} for pk in ids]
    return _enqueue("recalculate cost", calculate_conversation_costs, ids, calls, order)


def _archive(rows: QuerySet[Conversation], order: Order) -> Result:
    ids = _ids(rows)
    return _enqueue("archive", archive_conversations, ids, _in_groups(ids), order)


def _restore(rows: QuerySet[Conversation], order: Order) -> Result:
    ids = _ids(rows)
    return _enqueue("restore", restore_conversations, ids, _in_groups(ids), order)


def _ids(rows: QuerySet[Conversation]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _in_groups(ids: Sequence[int]) -> list[dict[str, Any]]:
    return [{"conversation_ids": list(some)} for some in batched(ids, IDS_IN_A_JOB)]


def _active(rows: Any) -> Any:
    return rows.filter(archived_at__isnull=True)


def _archived(rows: Any) -> Any:
    return rows.filter(archived_at__isnull=False)


RECALCULATE = Operation(
    name="recalculate",
    label="Recalculate the cost of",
    permission="recalculate",
    consequence=(
        "Every message is priced anew, by the prices of the day of its call. Archived"
        " conversations are left out."
    ),
    touches=_touches,
    perform=_recalculate,
    applicable=_active,
    selected=True,
)

ARCHIVE = Operation(
    name="archive",
    label="Archive",
    permission="archive",
    consequence=(
        "The messages are written to the archive, checked there, and then deleted from the"
        " database. They can be restored."
    ),
    touches=_touches,
    perform=_archive,
    applicable=_active,
    selected=True,
    destructive=True,
)

RESTORE = Operation(
    name="restore",
    label="Restore",
    permission="restore",
    consequence="The messages are read from the archive back into the database.",
    touches=_touches,
    perform=_restore,
    applicable=_archived,
    selected=True,
)
