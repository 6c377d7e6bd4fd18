"""What messages add up to, for a period, computed by the database in one grouped query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from analytics.models import UsageAnalytics, UserAnalytics
from analytics.periods import Span
from conversations.models import Conversation, CostStatus, Message
from conversations.money import ExactSum, plain, rounded

_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_COUNTS = ("total_requests", "pending_requests", "unpriced_requests", "total_tokens", *_TOKENS)
_TOTALS = (
    *_COUNTS,
    "total_cost",
    "provider_breakdown",
    "model_breakdown",
    "incomplete",
    "generated_at",
)


@dataclass(slots=True)
class Totals:
    """The sums of one row of analytics, added up from its groups."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    cost: Decimal = Decimal(0)
    providers: dict[str, Totals] = field(default_factory=dict)
    models: dict[str, Totals] = field(default_factory=dict)

    def add(self, group: dict[str, Any]) -> None:
        provider = group["provider__slug"] or "unknown"
        model = group["model__name"] or group["model_name"] or "unknown"
        inner = (
            self.providers.setdefault(provider, Totals()),
            self.models.setdefault(f"{provider}/{model}", Totals()),
        )
        for totals in (self, *inner):
            totals.cost += group["cost"] or Decimal(0)
            for name in _COUNTS:
                totals.counts[name] += group[name] or 0

    def as_columns(self) -> dict[str, Any]:
        return {
            **self.counts,
            "total_cost": rounded(self.cost),
            "provider_breakdown": {key: part.as_json() for key, part in self.providers.items()},
            "model_breakdown": {key: part.as_json() for key, part in self.models.items()},
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.counts["total_requests"],
            "unpriced": self.counts["unpriced_requests"],
            "pending": self.counts["pending_requests"],
            "tokens": self.counts["total_tokens"],
            "cost": plain(self.cost),
        }


def roll_up(span: Span, *, force: bool = False) -> dict[str, Any]:
    """Write the period's row, and one for each of its users; return what happened.

    Doing it again gives the same rows. Where messages of the period have been archived since, the
    rows that there are stay as they are, since the database no longer knows better (`kept`);
    `force` writes them all the same, marked as incomplete.
    """
    with transaction.atomic():
        incomplete = _has_archived(span)
        stored = UsageAnalytics.objects.filter(period=span.period, date=span.first_day)
        if incomplete and stored.exists() and not force:
            return {**_named(span), "kept": True}
        totals = _totals_by(_messages(span), by_user=False)[None]
        users = _messages(span).aggregate(n=Count("conversation__user", distinct=True))["n"]
        row = UsageAnalytics(
            **_key(span), **totals.as_columns(), unique_users=users, incomplete=incomplete
        )
        _upsert(UsageAnalytics, [row], ["period", "date"], ["unique_users"])
        written = _write_users(span, _messages(span), incomplete)
        if not incomplete:
            _drop_users_without_messages(span, written)
    return {
        **_named(span),
        "kept": False,
        "requests": totals.counts["total_requests"],
        "cost": plain(totals.cost),
        "users": len(written),
    }


def roll_up_user(user_id: int, span: Span, *, force: bool = False) -> dict[str, Any]:
    """`roll_up` for one user alone. A user without messages gets a row of zeros."""
    with transaction.atomic():
        incomplete = _has_archived(span, user_id)
        stored = UserAnalytics.objects.filter(user=user_id, period=span.period, date=span.first_day)
        if incomplete and stored.exists() and not force:
            return {**_named(span), "user": user_id, "kept": True}
        messages = _messages(span).filter(conversation__user=user_id)
        _write_users(span, messages, incomplete, always=[user_id])
    return {**_named(span), "user": user_id, "kept": False}


def _messages(span: Span) -> QuerySet[Message]:
    return Message.objects.billed().requested_between(span.start, span.end).order_by()


def _has_archived(span: Span, user_id: int | None = None) -> bool:
    archived = Conversation.objects.archived().touching(span.start, span.end)
    if user_id is not None:
        archived = archived.filter(user=user_id)
    return archived.exists()


def _totals_by(messages: QuerySet[Message], *, by_user: bool) -> dict[Any, Totals]:
    """Totals by user id, or all under None. One query: its groups are few, its rows many."""
    keys = ["provider__slug", "model__name", "model_name"]
    if by_user:
        keys.append("conversation__user")
    zero = Value(0)
    groups = messages.values(*keys).annotate(
        total_requests=Count("pk"),
        pending_requests=Count("pk", filter=Q(cost_status=CostStatus.PENDING)),
        unpriced_requests=Count("pk", filter=Q(cost_status=CostStatus.UNPRICED)),
        total_tokens=Sum(
            Coalesce(F("input_tokens"), zero)
            + Coalesce(F("cache_read_tokens"), zero)
            + Coalesce(F("cache_write_tokens"), zero)
            + Coalesce(F("output_tokens"), zero)
        ),
        **{f"sum_{name}": Sum(name) for name in _TOKENS},
        sum_cost=ExactSum("cost"),
    )
    totals: dict[Any, Totals] = defaultdict(Totals)
    for group in groups:
        sums = {name: group.pop(f"sum_{name}") for name in (*_TOKENS, "cost")}
        totals[group.get("conversation__user")].add({**group, **sums})
    return totals


def _write_users(
    span: Span, messages: QuerySet[Message], incomplete: bool, always: Iterable[int] = ()
) -> list[int]:
    owned = messages.filter(conversation__user__isnull=False)
    totals = _totals_by(owned, by_user=True)
    talks = dict(
        owned.values_list("conversation__user").annotate(n=Count("conversation", distinct=True))
    )
    for user_id in always:
        totals.setdefault(user_id, Totals())
    rows = [
        UserAnalytics(
            user_id=user_id,
            conversations=talks.get(user_id, 0),
            incomplete=incomplete,
            **_key(span),
            **found.as_columns(),
        )
        for user_id, found in sorted(totals.items())
    ]
    _upsert(UserAnalytics, rows, ["user", "period", "date"], ["conversations"])
    return [row.user_id for row in rows]


def _drop_users_without_messages(span: Span, users: list[int]) -> None:
    """A conversation that changed its owner leaves a share that is nobody's any more."""
    rows = UserAnalytics.objects.filter(period=span.period, date=span.first_day)
    rows.exclude(user__in=users).delete()


def _upsert(model: Any, rows: list[Any], key: list[str], extra: list[str]) -> None:
    model.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=key,
        update_fields=[*_TOTALS, *extra],
    )


def _key(span: Span) -> dict[str, Any]:
    return {"period": span.period, "date": span.first_day, "generated_at": timezone.now()}


def _named(span: Span) -> dict[str, Any]:
    return {"period": span.period.value, "date": span.first_day.isoformat()}
