"""Keeping the tables of conversations and analytics fast and whole."""

from __future__ import annotations

from typing import Any

from django.db import NotSupportedError, connection
from django.db.models import QuerySet

from analytics.models import UsageAnalytics, UserAnalytics
from conversations.batches import id_batches
from conversations.models import Conversation, Message

BATCH = 1000

# What each vendor calls it. PostgreSQL's ANALYZE comes with its VACUUM.
_STATEMENTS = {
    "postgresql": ("VACUUM (ANALYZE) {table}",),
    "sqlite": ("ANALYZE {table}",),
    "mysql": ("OPTIMIZE TABLE {table}", "ANALYZE TABLE {table}"),
}
_AFTERWARDS = {"sqlite": "PRAGMA optimize"}


def optimize_tables() -> dict[str, Any]:
    """Reclaim space and renew the planner's statistics of the tables that grow.

    Must be called outside of a transaction, since VACUUM cannot be undone; raises `RuntimeError`
    inside of one, and `NotSupportedError` on a database that this does not know.
    """
    statements = _STATEMENTS.get(connection.vendor)
    if statements is None:
        raise NotSupportedError(f"no way to optimise tables is known for {connection.vendor}")
    if connection.in_atomic_block:
        raise RuntimeError("tables can be optimised only outside of a transaction")
    tables = [model._meta.db_table for model in (Conversation, Message, UsageAnalytics)]
    with connection.cursor() as cursor:
        for table in tables:
            for statement in statements:
                cursor.execute(statement.format(table=connection.ops.quote_name(table)))
        if connection.vendor in _AFTERWARDS:
            cursor.execute(_AFTERWARDS[connection.vendor])
    return {"vendor": connection.vendor, "tables": tables}


def delete_orphans() -> dict[str, int]:
    """Delete messages without a conversation and user analytics without a user.

    Foreign keys forbid both, but not to a restored dump or to SQL with the checks switched off.
    """
    return {
        "messages": _delete(Message.objects.orphaned()),
        "user_analytics": _delete(UserAnalytics.objects.orphaned()),
    }


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    for ids in id_batches(rows, BATCH):
        deleted += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return deleted
