"""What the workers do for conversations: import, price, cost, archive.

What works with prices is imported where it is used. The price catalogue takes 11 MB and a tenth of
a second, which processes that never price a call (the web server, most commands, a cluster at rest)
do without.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from conversations.exceptions import ImportSourceChanged, UnknownProvider
from jobs import Recover, batch, job
from jobs.workflows.handles import handle

logger = logging.getLogger("conversations.jobs")


def _is_transient(error: BaseException) -> bool:
    return not isinstance(error, ImportSourceChanged | UnknownProvider)


@job(
    queue_name="default",
    max_attempts=3,
    backoff=[60, 300, 900],
    timeout=300,
    should_retry=_is_transient,
    tags=lambda provider=None: [f"provider:{provider or 'all'}"],
    recover=Recover(after=timedelta(hours=1), at_most=3),
)
def sync_model_pricing(provider: str | None = None) -> dict[str, Any]:
    """Bring models and prices up to the price catalogue.

    `provider` is one provider's slug; without it all enabled providers are synced.
    """
    from conversations.catalogue.syncing import sync_prices

    return sync_prices(provider).as_json()


@job(queue_name="default", max_attempts=3, backoff=[60, 300, 900], timeout=60)
def sync_pricing_of_all_providers() -> dict[str, Any]:
    """Sync each enabled provider by a job of its own, as a batch, so that one which fails neither
    holds up the others nor is lost among them."""
    from conversations.catalogue.syncing import slugs_to_sync

    slugs = slugs_to_sync()
    syncs = batch(
        [sync_model_pricing.s(provider=slug) for slug in slugs],
        name="model pricing",
        tags=["model-pricing"],
        allow_failures=True,
        catch=tell_of_pricing_batch.s("a provider could not be synced"),
        finally_=tell_of_pricing_batch.s("the sync of all providers is over"),
    ).enqueue()
    return {"batch": str(syncs.id), "providers": slugs}


@job(queue_name="default", max_attempts=3, backoff=60, timeout=60)
def tell_of_pricing_batch(
    what: str, batch_id: str = "", failed_job_id: str | None = None
) -> dict[str, int]:
    """Log what became of the sync of all providers, with its numbers, for those who watch logs."""
    progress = handle(UUID(batch_id)).progress
    level = logging.WARNING if failed_job_id or progress.failed else logging.INFO
    logger.log(
        level,
        "%s: %s of %s synced, %s failed (batch %s%s)",
        what,
        progress.succeeded,
        progress.total,
        progress.failed,
        batch_id,
        f", job {failed_job_id}" if failed_job_id else "",
    )
    return {"succeeded": progress.succeeded, "failed": progress.failed}


@job(
    queue_name="ai",
    max_attempts=3,
    backoff=[60, 300, 900],
    timeout=300,
    tags=lambda conversation_id, again=False: [f"conversation:{conversation_id}"],
    recover=Recover(after=timedelta(hours=1), at_most=3),
)
def calculate_conversation_costs(conversation_id: int, again: bool = False) -> dict[str, Any]:
    """Cost the messages of one conversation that have no cost yet, and its total.

    With `again`, all of them. A conversation that is gone is passed over.
    """
    from conversations.costs import cost_conversation

    return cost_conversation(conversation_id, again=again).as_json()


@job(queue_name="ai", max_attempts=3, backoff=[60, 300, 900], timeout=600)
def batch_cost_calculation(message_ids: list[int]) -> dict[str, Any]:
    """Cost these messages, and the totals of their conversations.

    A message that cannot be computed is marked and reported, and does not stop the others.
    """
    from conversations.costs import cost_messages

    return cost_messages(message_ids).as_json()


@job(
    queue_name="high",
    priority=50,
    max_attempts=3,
    backoff=[5, 30, 120],
    timeout=60,
    tags=lambda message_id: [f"message:{message_id}"],
)
def calculate_message_cost(message_id: int) -> dict[str, Any]:
    """Cost one message at once, as soon as its answer is in."""
    from conversations.costs import cost_messages

    return cost_messages([message_id]).as_json()


@job(queue_name="ai", max_attempts=3, backoff=[30, 60, 120], timeout=120)
def cost_uncosted_messages(limit: int = 1000, chunk: int = 250) -> dict[str, Any]:
    """Look for up to `limit` messages without a cost, and enqueue their costing in chunks."""
    from conversations.sweeping import uncosted_batches

    batches = uncosted_batches(limit=limit, chunk=chunk)
    batch_cost_calculation.enqueue_many([{"message_ids": ids} for ids in batches])
    return {"messages": sum(map(len, batches)), "jobs": len(batches)}


@job(queue_name="low", max_attempts=3, backoff=[60, 300, 900], timeout=3600)
def recalculate_conversation_totals() -> dict[str, Any]:
    """Compute the totals of all conversations anew from their messages, in little memory."""
    from conversations.sweeping import refresh_all_totals

    return {"conversations": refresh_all_totals()}


@job(queue_name="low", max_attempts=3, backoff=[300, 900, 1800], timeout=3600)
def cleanup_old_conversations(retention_days: int = 90) -> dict[str, Any]:
    """Archive conversations that were idle so long; delete those that were archived so long ago."""
    from conversations.archiving.archive import clean_up

    return clean_up(timedelta(days=retention_days)).as_json()


@job(queue_name="low", max_attempts=3, backoff=[60, 300, 900], timeout=3600)
def archive_conversations(conversation_ids: list[int]) -> dict[str, Any]:
    """Archive these conversations now, however long they were idle."""
    from conversations.archiving.archive import archive_all

    return archive_all(conversation_ids).as_json()


@job(queue_name="default", timeout=3600)
def restore_conversations(conversation_ids: list[int]) -> dict[str, Any]:
    """Bring these archived conversations back into the database."""
    from conversations.archiving.restore import restore_conversation

    return {"restored": [restore_conversation(pk).pk for pk in conversation_ids]}


@job(
    queue_name="default",
    max_attempts=3,
    backoff=[5, 30, 120],
    timeout=300,
    should_retry=_is_transient,
)
def import_calls_chunk(chunk: dict[str, Any], user_id: int | None = None) -> dict[str, Any]:
    """Import one chunk of a log of recorded calls, and enqueue the costing of what came in."""
    from conversations.importing.chunks import Chunk
    from conversations.importing.storing import import_chunk

    report = import_chunk(Chunk(**chunk), user_id)
    costing = None
    if report.uncosted:
        costing = str(batch_cost_calculation.enqueue(message_ids=report.uncosted).id)
    return {**report.as_json(), "uncosted": len(report.uncosted), "cost_job": costing}
