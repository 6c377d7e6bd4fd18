"""Putting calls that continue one another into one conversation."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q, QuerySet

from conversations.calls.threads import RESPONSE_PREFIX
from conversations.costs import lock_conversations, refresh_totals
from conversations.models import Conversation, Message


def join_threads(source_keys: Collection[str]) -> int:
    """Join the conversations of these calls with those of the calls before and after them.

    Works in either order of arrival, and does nothing where all is joined already. Archived
    conversations, and those of two users, stay apart. Returns how many went into another.
    """
    calls = list(_links().filter(source_key__in=source_keys))
    offered = {call.reply_key for call in calls} | {
        RESPONSE_PREFIX + call.response_id for call in calls if call.response_id
    }
    followers = _links().filter(continues_key__in=offered - {""})
    waiting = {call.pk: call for call in (*calls, *followers) if call.continues_key}
    pairs = _predecessors(sorted(waiting.values(), key=lambda call: (call.requested_at, call.pk)))
    return sum(_join(follower, predecessor) for follower, predecessor in pairs)


def _links() -> QuerySet[Message]:
    return Message.objects.only(
        "conversation_id",
        "provider_id",
        "requested_at",
        "response_id",
        "reply_key",
        "continues_key",
    )


def _predecessors(followers: list[Message]) -> list[tuple[int, int]]:
    """For each call that is still apart from it, the call that it continues."""
    keys = {call.continues_key for call in followers}
    ids = {key.removeprefix(RESPONSE_PREFIX) for key in keys if key.startswith(RESPONSE_PREFIX)}
    offering = list(_links().filter(Q(reply_key__in=keys) | Q(response_id__in=ids)))
    pairs = []
    for call in followers:
        candidates = [
            other
            for other in offering
            if other.pk != call.pk
            and other.provider_id == call.provider_id
            and call.continues_key in (other.reply_key, RESPONSE_PREFIX + other.response_id)
        ]
        apart = all(other.conversation_id != call.conversation_id for other in candidates)
        if candidates and apart:
            # The same words may have been said twice: the last time before this call counts.
            before = [other for other in candidates if other.requested_at <= call.requested_at]
            nearest = max(before or candidates, key=lambda other: other.requested_at)
            pairs.append((call.pk, nearest.pk))
    return pairs


def _join(follower: int, predecessor: int) -> bool:
    with transaction.atomic():
        # Read anew: an earlier pair, or another process, may have moved either.
        homes = dict(
            Message.objects.filter(pk__in=(follower, predecessor)).values_list(
                "pk", "conversation_id"
            )
        )
        leaving, staying = homes.get(follower), homes.get(predecessor)
        if leaving is None or staying is None or leaving == staying:
            return False
        if len(lock_conversations((leaving, staying))) < 2:
            return False
        rows = Conversation.objects.in_bulk((leaving, staying))
        left, kept = rows[leaving], rows[staying]
        if left.user_id and kept.user_id and left.user_id != kept.user_id:
            return False
        Message.objects.filter(conversation=left).update(conversation=kept)
        left.delete()
        kept.user_id = kept.user_id or left.user_id
        kept.updated_at = max(kept.updated_at, left.updated_at)
        if left.source_key and not left.source_key.startswith("call:"):
            # The provider's own id of the conversation: its next calls come under it.
            kept.source_key = left.source_key
        kept.save(update_fields=["user", "updated_at", "source_key"])
        refresh_totals([kept.pk])
    return True
