"""The cost of messages, and of the conversations that they belong to.

Who changes messages locks their conversations first, in the order of their ids. So two jobs that
meet in one conversation wait for each other, and never in a circle.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Min, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from conversations.batches import batched
from conversations.models import Conversation, CostStatus, Message, ModelPrice
from conversations.money import ExactSum
from conversations.pricing import Priced, SitePrice, Unpriced, price_usage
from conversations.usage import TokenUsage

logger = logging.getLogger(__name__)

BATCH = 500
_COST_FIELDS = [
    "cost",
    "cost_status",
    "unpriced_reason",
    "price_snapshot",
    "currency",
    "costed_at",
]


@dataclass(slots=True, kw_only=True)
class CostReport:
    """How many messages got which outcome. `failed` names those of the unpriced
    whose computation broke."""

    priced: int = 0
    unpriced: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    conversations: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "priced": self.priced,
            "unpriced": self.unpriced,
            "failed": self.failed,
            "conversations": self.conversations,
        }


def cost_messages(
    message_ids: Iterable[int], *, again: bool = False, batch: int = BATCH
) -> CostReport:
    """Compute the cost of those messages that have none yet, and their conversations' totals.

    With `again` also of those that have one: with the price of the day of the call, so that only
    a corrected price list changes it. Ids of messages that are gone, archived or not billed are
    passed over. A message whose computation raises becomes unpriced, with the error as its
    reason, is logged, and does not stop the others.
    """
    report = CostReport()
    touched: set[int] = set()
    for ids in batched(message_ids, batch):
        # A message can move to another conversation between looking and locking: look again.
        remaining = set(ids)
        for _ in range(3):
            done = _cost_batch(remaining, again, report, touched)
            remaining -= done
            if not remaining or not done:
                break
    report.conversations = len(touched)
    return report


def cost_conversation(conversation_id: int, *, again: bool = False) -> CostReport:
    """`cost_messages` for all messages of one conversation; it need not exist."""
    ids = Message.objects.filter(conversation_id=conversation_id).values_list("pk", flat=True)
    report = cost_messages(list(ids), again=again)
    if not report.conversations:
        refresh_totals([conversation_id])
    return report


def refresh_totals(conversation_ids: Iterable[int]) -> int:
    """Compute the totals of conversations anew from their messages; return how many.

    The rows are locked by one statement and summed by the next, which thus sees everything that
    was committed before the lock was had. Nothing is ever added to an old total, so no race can
    lose or double a cost. Archived conversations keep the totals that they went with.
    """
    with transaction.atomic():
        ids = lock_conversations(conversation_ids)
        messages = Message.objects.filter(conversation=OuterRef("pk")).order_by()
        grouped = messages.values("conversation")
        return Conversation.objects.filter(pk__in=ids).update(
            total_cost=_sub(grouped, ExactSum("cost"), 0),
            message_count=_sub(grouped, Count("pk"), 0),
            pending_messages=_count(grouped, CostStatus.PENDING),
            unpriced_messages=_count(grouped, CostStatus.UNPRICED),
            first_message_at=_sub(grouped, Min("requested_at"), None),
            last_message_at=_sub(grouped, Max("requested_at"), None),
        )


def lock_conversations(conversation_ids: Iterable[int]) -> list[int]:
    """Lock the active conversations among these, in the order of their ids; return theirs.

    Must be called in a transaction. On SQLite the transaction itself is the lock.
    """
    rows = Conversation.objects.active().filter(pk__in=set(conversation_ids)).order_by("pk")
    return list(rows.select_for_update().values_list("pk", flat=True))


def _cost_batch(ids: set[int], again: bool, report: CostReport, touched: set[int]) -> set[int]:
    with transaction.atomic():
        wanted = Message.objects.billed().filter(pk__in=ids)
        if not again:
            wanted = wanted.uncosted()
        found = wanted.order_by().values_list("conversation_id", flat=True).distinct()
        locked = lock_conversations(found)
        messages = list(
            wanted.filter(conversation__in=locked)
            .select_related("provider", "model")
            .order_by("pk")
            .select_for_update(of=("self",))
        )
        prices = site_prices({message.model_id for message in messages if message.model_id})
        for message in messages:
            _cost_one(message, prices, report)
        Message.objects.bulk_update(messages, _COST_FIELDS, batch_size=BATCH)
        refresh_totals({message.conversation_id for message in messages})
        touched.update(message.conversation_id for message in messages)
    return {message.pk for message in messages}


def _cost_one(message: Message, prices: dict[int, list[SitePrice]], report: CostReport) -> None:
    try:
        result = price_message(message, prices.get(message.model_id or 0, []))
    except Exception as error:
        details = {"message_id": message.pk, "error": f"{type(error).__name__}: {error}"[:250]}
        logger.exception("Cost calculation failed: %s", details, extra=details)
        report.failed.append(details)
        result = Unpriced(f"the cost calculation failed: {details['error']}")
    message.costed_at = timezone.now()
    if isinstance(result, Priced):
        report.priced += 1
        message.cost, message.cost_status = result.cost, CostStatus.PRICED
        message.price_snapshot, message.unpriced_reason = result.snapshot, ""
    else:
        report.unpriced += 1
        message.cost, message.cost_status = None, CostStatus.UNPRICED
        message.price_snapshot, message.unpriced_reason = "", result.reason[:300]


def price_message(message: Message, prices: Iterable[SitePrice] = ()) -> Priced | Unpriced:
    """What `message` costs. Reads its provider; changes nothing."""
    if message.provider is None or not message.model_name:
        return Unpriced("the message names no provider and model")
    if message.input_tokens is None or message.output_tokens is None:
        return Unpriced(message.unpriced_reason or "the response reports no usage")
    usage = TokenUsage(
        input=message.input_tokens,
        cache_read=message.cache_read_tokens or 0,
        cache_write=message.cache_write_tokens or 0,
        output=message.output_tokens,
        reasoning=message.reasoning_tokens or 0,
        service_tier=message.service_tier,
        detail=message.usage_detail,
    )
    return price_usage(
        provider=message.provider.slug,
        model=message.model_name,
        usage=usage,
        at=message.requested_at,
        site_prices=prices,
    )


def site_prices(model_ids: Iterable[int]) -> dict[int, list[SitePrice]]:
    """The prices that this site gave to these models, by model."""
    rows: dict[int, list[SitePrice]] = defaultdict(list)
    for price in ModelPrice.objects.of_site().filter(model__in=set(model_ids)):
        rows[price.model_id].append(
            SitePrice(
                key=price.pk,
                effective_from=price.effective_from,
                input=price.input_per_million,
                output=price.output_per_million,
                cache_read=price.cache_read_per_million,
                cache_write=price.cache_write_per_million,
            )
        )
    return rows


def _sub(grouped: QuerySet[Any, Any], aggregate: Any, default: Any) -> Any:
    value = Subquery(grouped.annotate(value=aggregate).values("value"))
    return value if default is None else Coalesce(value, Value(default, value.output_field))


def _count(grouped: QuerySet[Any, Any], status: CostStatus) -> Any:
    return _sub(grouped.filter(cost_status=status).annotate(n=F("conversation")), Count("pk"), 0)
