"""How costs and tokens are shown. What has no cost says why, and never shows a zero."""

from __future__ import annotations

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations.models import Conversation, CostStatus, Message
from conversations.money import plain

NOTHING = "\N{EN DASH}"


def dollars(amount: Decimal | str) -> str:
    """`$0.0123`, to the last place that is not zero."""
    return f"${plain(Decimal(amount))}"


def cost_of_message(message: Message) -> str | SafeString:
    if message.cost_status == CostStatus.PRICED and message.cost is not None:
        return dollars(message.cost)
    if message.cost_status == CostStatus.UNPRICED:
        return format_html("unpriced: {}", message.unpriced_reason)
    return "not costed yet" if message.cost_status == CostStatus.PENDING else NOTHING


def total(cost: Decimal | str, requests: int, unpriced: int, pending: int) -> str:
    """A sum of costs, with what is missing from it."""
    missing = [
        f"{count:,} {word}"
        for count, word in ((unpriced, "unpriced"), (pending, "not costed yet"))
        if count
    ]
    if not requests:
        return NOTHING
    if requests <= unpriced + pending:
        return ", ".join(missing)
    return dollars(cost) + (f" and {', '.join(missing)}" if missing else "")


def total_of_conversation(conversation: Conversation) -> str:
    return total(
        conversation.total_cost,
        conversation.message_count,
        conversation.unpriced_messages,
        conversation.pending_messages,
    )


def tokens(count: int | None) -> str:
    return NOTHING if count is None else number_format(count, force_grouping=True)
