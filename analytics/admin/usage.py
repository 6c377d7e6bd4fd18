"""Usage by period, and by user."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from analytics.jobs import generate_analytics
from analytics.models import UsageAnalytics, UserAnalytics
from analytics.models.usage import UsageTotals
from conversations.admin.amounts import NOTHING, tokens, total
from jobs.admin.confirmation import OperationsMixin
from jobs.admin.operations import Operation, Order, Result, action_of, rows_by_name
from jobs.audit import record

_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def _generate(rows: QuerySet[UsageAnalytics], order: Order) -> Result:
    spans = list(rows.order_by("date", "period").values_list("period", "date"))
    with transaction.atomic():
        generate_analytics.enqueue_many(
            [{"period": period, "date": date.isoformat()} for period, date in spans]
        )
        record(
            order.actor,
            "generate analytics",
            order.scope,
            count=len(spans),
            after={"periods": [f"{period} {date}" for period, date in spans[:100]]},
            reason=order.reason,
        )
    return Result(f"Enqueued {len(spans):,} jobs.")


GENERATE = Operation(
    name="generate",
    label="Add up again",
    permission="generate",
    consequence=(
        "The periods are added up from the messages that are in the database now. Periods with"
        " archived messages keep their numbers."
    ),
    touches=rows_by_name,
    perform=_generate,
    selected=True,
)


class UsageTotalsAdmin(admin.ModelAdmin):
    """Read-only: numbers come from the messages alone."""

    show_full_result_count = False
    list_per_page = 50
    date_hierarchy = "date"
    numbers = (
        "total_requests",
        "cost_shown",
        "total_tokens_shown",
        *_TOKENS,
        "providers_shown",
        "models_shown",
        "incomplete",
        "generated_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="cost", ordering="total_cost")
    def cost_shown(self, row: UsageTotals) -> str:
        return total(
            row.total_cost, row.total_requests, row.unpriced_requests, row.pending_requests
        )

    @admin.display(description="tokens", ordering="total_tokens")
    def total_tokens_shown(self, row: UsageTotals) -> str:
        return tokens(row.total_tokens)

    @admin.display(description="by provider")
    def providers_shown(self, row: UsageTotals) -> str | SafeString:
        return breakdown(row.provider_breakdown, "Provider")

    @admin.display(description="by model")
    def models_shown(self, row: UsageTotals) -> str | SafeString:
        return breakdown(row.model_breakdown, "Model")


@admin.register(UsageAnalytics)
class UsageAnalyticsAdmin(OperationsMixin, UsageTotalsAdmin):
    list_display = (
        "date",
        "period",
        "total_requests",
        "cost_shown",
        "total_tokens_shown",
        "unique_users",
        "incomplete",
    )
    list_filter = ("period", "incomplete")
    fields = ("period", "date", "unique_users", *UsageTotalsAdmin.numbers)
    operations = (GENERATE,)
    actions = [action_of(GENERATE)]

    def has_generate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("analytics.generate_analytics")


@admin.register(UserAnalytics)
class UserAnalyticsAdmin(UsageTotalsAdmin):
    list_display = ("date", "period", "user", "total_requests", "cost_shown", "total_tokens_shown")
    list_filter = ("period", "incomplete")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "period", "date", "conversations", *UsageTotalsAdmin.numbers)


def breakdown(parts: dict[str, dict[str, Any]], what: str) -> str | SafeString:
    """A table of a row's parts, the dearest first."""
    if not parts:
        return NOTHING
    ordered = sorted(parts.items(), key=lambda item: (-float(item[1]["cost"]), item[0]))
    rows = [
        (
            name,
            f"{part['requests']:,}",
            tokens(part["tokens"]),
            total(part["cost"], part["requests"], part["unpriced"], part["pending"]),
        )
        for name, part in ordered
    ]
    return format_html(
        "<table><thead><tr><th>{}</th><th>Requests</th><th>Tokens</th><th>Cost</th></tr></thead>"
        "<tbody>{}</tbody></table>",
        what,
        format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )
